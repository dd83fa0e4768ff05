package job

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// The types of parameters.
const (
	TypeString   = "string"
	TypeInt      = "int"
	TypeDecimal  = "decimal"
	TypeBool     = "bool"
	TypeDate     = "date"
	TypeDateTime = "datetime"
	TypeDuration = "duration"
	TypePath     = "path"
)

// article returns a type with its article.
func article(kind string) string {
	if kind == TypeInt {
		return "an int"
	}
	return "a " + kind
}

// accept reads a text as a value of the parameter and holds it against enum and pattern. The canonical text is what is
// stored, and what decides whether two values are the same.
func (p *Param) accept(text string, o Options) (record.Value, string, error) {
	v, canonical, err := p.read(text, o)
	switch {
	case err != nil:
		return v, "", err
	case len(p.Enum) > 0 && !p.listed(canonical, o):
		return v, "", p.unlisted(text, canonical)
	case p.pattern != nil && !p.pattern.MatchString(canonical):
		return v, "", p.wrong("%s does not match the pattern %s", p.show(text), p.Pattern).WithHint("the pattern must match all of it")
	}
	return v, canonical, nil
}

// listed reports whether a canonical text is one of the enum's values.
func (p *Param) listed(canonical string, o Options) bool {
	for _, text := range p.Enum {
		if _, one, err := p.read(text, o); err == nil && one == canonical {
			return true
		}
	}
	return false
}

func (p *Param) unlisted(text, canonical string) error {
	if p.Secret {
		return p.wrong("the value is none of those that enum lists")
	}
	return p.wrong("%s is not one of %s", p.show(text), strings.Join(p.Enum, ", ")).WithHint("%s", fault.DidYouMean(canonical, p.Enum))
}

// read reads a text as a value of the parameter's type. Canonical forms:
//
//	string    as it is
//	int       digits, with - in front where negative: 1, 01 and +1 are 1
//	decimal   no exponent, no zeros at the end: 1, 1.0 and 1e0 are 1
//	bool      true or false
//	date      2006-01-02; today, yesterday and the like as the day they are
//	datetime  RFC 3339 in UTC; without an offset it is a reading of clocks in the job's timezone
//	duration  as Go writes it: 90m is 1h30m0s, 1d is 24h0m0s
//	path      absolute and clean; "-" as it is
func (p *Param) read(text string, o Options) (record.Value, string, error) {
	var format record.Format
	switch p.Type {
	case TypeInt:
		if v, err := format.Parse(record.Int, text); err == nil {
			v = record.OfInt(v.Int())
			return v, v.Canonical(), nil
		}
	case TypeDecimal:
		if v, err := format.Parse(record.Decimal, text); err == nil {
			v = record.OfNumber(v.Number().Trim())
			return v, v.Canonical(), nil
		}
	case TypeBool:
		if text == "true" || text == "false" {
			return record.OfBool(text == "true"), text, nil
		}
	case TypeDate:
		if day, ok := parseDay(text, o); ok {
			return record.OfDate(day), day.Format(time.DateOnly), nil
		}
	case TypeDateTime:
		return p.readDateTime(text, o)
	case TypeDuration:
		if v, err := config.ParseDuration(text); err == nil {
			canonical := time.Duration(v).String()
			return record.OfText(canonical), canonical, nil
		}
	case TypePath:
		if text != "" {
			path := o.absolute(text)
			return record.OfText(path), path, nil
		}
		return record.Value{}, "", p.wrong("the path is empty")
	default:
		return record.OfText(text), text, nil
	}
	return record.Value{}, "", p.mismatch(text)
}

func (p *Param) readDateTime(text string, o Options) (record.Value, string, error) {
	var format record.Format
	v, err := format.Parse(record.DateTime, text)
	if err != nil {
		return record.Value{}, "", p.mismatch(text)
	}
	moment := v.Time()
	if !v.Zoned() {
		y, m, d := moment.Date()
		moment = time.Date(y, m, d, moment.Hour(), moment.Minute(), moment.Second(), moment.Nanosecond(), o.Location)
	}
	return record.OfTime(moment.In(o.Location)), moment.UTC().Format(time.RFC3339Nano), nil
}

func (o Options) absolute(path string) string {
	if path == "-" || o.Folder == "" {
		return path
	}
	return absolute(o.Folder, filepath.Clean(path))
}

// forms shows what each type looks like.
var forms = map[string]string{
	TypeInt:      "a whole number of 64 bits: 42",
	TypeDecimal:  "a number with a point: 12.50",
	TypeBool:     "true or false",
	TypeDate:     "2026-11-20, today, yesterday, tomorrow, or counted from them in days, weeks, months: today-2d, today-1w, today-1m",
	TypeDateTime: "2026-11-20T13:45:00, with an offset (+09:00 or Z) or in the job's timezone",
	TypeDuration: "a number with a unit: 250ms, 5s, 10m, 2h, 1d",
}

func (p *Param) mismatch(text string) error {
	return p.wrong("%s is not %s", p.show(text), article(p.Type)).WithHint("write %s", forms[p.Type])
}

func (p *Param) wrong(format string, args ...any) *fault.Error {
	return fault.New(fault.Definition, format, args...).WithCode("bad_value")
}

// show returns a value in quotes for a message; a secret one is not shown.
func (p *Param) show(text string) string {
	if p.Secret {
		return "the value"
	}
	if r := []rune(text); len(r) > 60 {
		text = string(r[:57]) + "..."
	}
	return fmt.Sprintf("%q", text)
}
