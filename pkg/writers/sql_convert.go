package writers

import (
	"strings"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// sqlConverter turns values into what a column takes. PostgreSQL checks texts itself, by the same rules for every
// client; SQLite would store "12abc" in an INTEGER column, so for it texts are checked here.
type sqlConverter struct {
	format record.Format
	arena  record.Arena // of texts that conversions make; emptied with every Write
}

// value returns v for column c of b. The error is of class validation and names the column.
func (s *sqlConverter) value(b *sqlBinding, c int, v record.Value) (record.Value, error) {
	column := &b.write.Columns[c]
	switch {
	case v.IsNull():
		return record.NullValue, nil
	case v.Kind() == record.Text && b.plain[c]:
		return v, nil
	case v.Kind() == record.DateTime && column.Kind == record.DateTime:
		return s.moment(b, c, v), nil
	case v.Kind() == column.Kind || column.Kind == record.Absent:
		return v, b.fits(c, v)
	}
	err := s.convert(&v, column.Kind)
	if err != nil {
		return record.Value{}, fault.Wrap(fault.Validation, err, "column %s of table %s", column.Name, b.write.Table).WithHint("%s", fault.HintOf(err))
	}
	if v.Kind() == record.DateTime {
		v = s.moment(b, c, v)
	}
	return v, b.fits(c, v)
}

// convert makes v a value of a kind.
func (s *sqlConverter) convert(v *record.Value, kind record.Kind) (err error) {
	if v.Kind() == record.Text {
		return s.format.ParseInto(v, kind, v.Text())
	}
	*v, err = s.format.ConvertIn(&s.arena, *v, kind)
	return err
}

// moment makes the reading that is stored the one that is meant: a column without a zone drops the offset of what it is
// given, and one with a zone takes a reading without an offset for the session's.
func (s *sqlConverter) moment(b *sqlBinding, c int, v record.Value) record.Value {
	switch {
	case b.lax:
		return v
	case b.zoned[c]:
		return s.format.Locate(v)
	case v.Zoned():
		return record.OfLocalTime(v.Moment().In(s.location()))
	}
	return v
}

func (s *sqlConverter) location() *time.Location { return s.format.Location }

// sqliteDigits is how many digits of a number SQLite keeps in a column that is neither text nor integer (datatype3.html,
// section 2): it stores binary floating point there.
const sqliteDigits = 15

// fits refuses a decimal that SQLite would round silently.
func (b *sqlBinding) fits(c int, v record.Value) error {
	if !b.lax || v.Kind() != record.Decimal || v.Text() != "" && len(v.Text()) <= sqliteDigits || v.Number().Trim().Digits() <= sqliteDigits {
		return nil
	}
	column := &b.write.Columns[c]
	if column.Kind == record.Text || strings.TrimSpace(column.Type) == "" {
		return nil
	}
	return fault.New(fault.Validation, "column %s of table %s: SQLite would round %s: a column of type %s keeps %d digits",
		column.Name, b.write.Table, v.String(), column.Type, sqliteDigits).WithHint("declare the column as TEXT, which keeps decimals exactly")
}
