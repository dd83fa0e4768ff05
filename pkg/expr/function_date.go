package expr

import (
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

func dateFunctions() []function {
	return []function{
		{Function{"date", "date(x, pattern)", "the day that a text such as 2024-01-31 stands for, or the day of a datetime in the job's time zone; pattern such as dd.MM.yyyy for other texts"}, 1, 2, []kinds{texts | dates, texts}, parseDateBy(record.Date)},
		{Function{"datetime", "datetime(x, pattern)", "the moment or clock reading that a text stands for, or the midnight a date begins with"}, 1, 2, []kinds{texts | dates, texts}, parseDateBy(record.DateTime)},
		{Function{"year", "year(d)", "of a date, or of a datetime in the job's time zone"}, 1, 1, []kinds{dates}, datePart(func(t time.Time) int { return t.Year() })},
		{Function{"month", "month(d)", "1 to 12"}, 1, 1, []kinds{dates}, datePart(func(t time.Time) int { return int(t.Month()) })},
		{Function{"day", "day(d)", "1 to 31"}, 1, 1, []kinds{dates}, datePart(func(t time.Time) int { return t.Day() })},
		{Function{"days_between", "days_between(from, to)", "the number of days from one date to the other; negative where to comes first"}, 2, 2, []kinds{dates}, bindDaysBetween},
		{Function{"add_days", "add_days(d, n)", "the date n days later, or earlier where n is negative; a datetime keeps its clock reading"}, 2, 2, []kinds{dates, ints}, bindAddDays},
		{Function{"format_date", "format_date(d, pattern)", "a date as a text by a pattern such as yyyyMMdd or dd.MM.yyyy HH:mm"}, 2, 2, []kinds{dates, texts}, bindFormatDate},
	}
}

// wall returns the clock reading of a date or datetime, in the job's time zone where the offset is known.
func (e env) wall(v record.Value) time.Time {
	if v.Zoned() && e.location != nil {
		return v.Moment().In(e.location)
	}
	return v.Wall()
}

func parseDateBy(kind record.Kind) func(call) (code, error) {
	return func(c call) (code, error) {
		if len(c.args) == 1 {
			return c.strict1(kind, func(e env, v record.Value) (record.Value, error) {
				f := e.format()
				return f.Convert(v, kind)
			})
		}
		layout, err := constantLayout(c.function.Name, c.args[1])
		if err != nil {
			return code{}, err
		}
		return c.strict2(kind, func(e env, v, pattern record.Value) (record.Value, error) {
			chosen, err := layout(pattern)
			if err != nil {
				return v, err
			}
			f := record.Format{Date: chosen, DateTime: chosen, Location: e.location}
			return f.Convert(v, kind)
		})
	}
}

// constantLayout returns the translation of date patterns: made now where c is constant.
func constantLayout(role string, c code) (func(record.Value) (string, error), error) {
	if !c.constant && !c.outside {
		return nil, errorAt(c.offset, "expression_syntax", "%s: the pattern must be a text that is written out or a parameter", role)
	}
	if !c.constant || c.value.IsNull() {
		return func(v record.Value) (string, error) { return record.Layout(v.Text()) }, nil
	}
	layout, err := record.Layout(c.value.Text())
	return func(record.Value) (string, error) { return layout, nil }, at(c.offset, err)
}

func datePart(part func(time.Time) int) func(call) (code, error) {
	return func(c call) (code, error) {
		return c.strict1(record.Int, func(e env, d record.Value) (record.Value, error) {
			return record.OfInt(int64(part(e.wall(d)))), nil
		})
	}
}

func bindDaysBetween(c call) (code, error) {
	return c.strict2(record.Int, func(e env, from, to record.Value) (record.Value, error) {
		return record.OfInt(record.OfDate(e.wall(to)).Days() - record.OfDate(e.wall(from)).Days()), nil
	})
}

func bindAddDays(c call) (code, error) {
	return c.strict2(c.args[0].kind, func(e env, d, count record.Value) (record.Value, error) {
		n, err := integer(count, "the number of days")
		if err != nil {
			return d, err
		}
		moved := e.wall(d).AddDate(0, 0, n)
		if moved.Year() < 1 || moved.Year() > 9999 {
			return d, fault.New(fault.Validation, "date overflow: %s and %d days is beyond the years 1 to 9999", d, n).WithCode("date_overflow")
		}
		switch {
		case d.Kind() == record.Date:
			return record.OfDate(moved), nil
		case !d.Zoned():
			return record.OfLocalTime(moved), nil
		case e.location == nil:
			return record.OfTime(d.Time().AddDate(0, 0, n)), nil
		}
		return record.OfTime(moved), nil
	})
}

func bindFormatDate(c call) (code, error) {
	layout, err := constantLayout(c.function.Name, c.args[1])
	if err != nil {
		return code{}, err
	}
	return c.strict2(record.Text, func(e env, d, pattern record.Value) (record.Value, error) {
		chosen, err := layout(pattern)
		if err != nil {
			return d, err
		}
		at := e.wall(d)
		if d.Zoned() && e.location == nil {
			at = d.Time()
		}
		var buf [64]byte
		return text(e.arena, at.AppendFormat(buf[:0], chosen)), nil
	})
}
