package writers

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"batchctl/pkg/fault"
)

// shownValue is how much of a value an error shows, in bytes.
const shownValue = 60

// shownColumns is how many columns of a row an error shows that does not say which of them is wrong.
const shownColumns = 8

// withValues names the values that SQLite refuses, which says only "UNIQUE constraint failed: payments.id", or "CHECK
// constraint failed: amount > 0". A server says them itself.
func (w *sqlTable) withValues(e *sqlEntry, err error) error {
	text := err.Error()
	var values []string
	switch fault.CodeOf(err) {
	case "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_NOTNULL":
		values = w.valuesOf(e, func(column string) bool { return namesColumn(text, w.conf.Table, column) })
	case "SQLITE_CONSTRAINT_CHECK":
		if values = w.valuesOf(e, func(column string) bool { return mentionsColumn(text, column) }); values == nil {
			values = w.valuesOf(e, func(string) bool { return true })
		}
	}
	if values == nil {
		return err
	}
	if len(values) > shownColumns {
		values = append(values[:shownColumns], "...")
	}
	return fault.Wrap(fault.ClassOf(err), err, "%s", strings.Join(values, ", ")).WithCode(fault.CodeOf(err))
}

// valuesOf returns the columns of a row that are wanted, as name=value.
func (w *sqlTable) valuesOf(e *sqlEntry, wanted func(column string) bool) (values []string) {
	for c, column := range w.bound.write.Columns {
		if !wanted(column.Name) {
			continue
		}
		value := w.plan.rows[e.row].At(w.bound.fields[c]).String()
		if len(value) > shownValue {
			cut := shownValue
			for !utf8.RuneStart(value[cut]) {
				cut--
			}
			value = value[:cut] + "..."
		}
		values = append(values, column.Name+"="+value)
	}
	return values
}

// mentionsColumn reports whether a column's name stands in a message as a word, whatever the case.
func mentionsColumn(text, column string) bool {
	word, err := regexp.Compile(`(?i)(^|[^\pL\pN_$])` + regexp.QuoteMeta(column) + `($|[^\pL\pN_$])`)
	return err == nil && word.MatchString(text)
}

// namesColumn reports whether a message holds table.column as a member of its list, "failed: t.a, t.b (CODE)".
func namesColumn(text, table, column string) bool {
	if dot := strings.LastIndexByte(table, '.'); dot >= 0 {
		table = table[dot+1:]
	}
	named := " " + table + "." + column
	return strings.Contains(text, named+",") || strings.Contains(text, named+" (")
}
