package writers

import (
	"strings"
	"unicode/utf8"

	"batchctl/pkg/fault"
)

// shownValue is how much of a value an error shows, in bytes.
const shownValue = 60

// withValues names the values that SQLite refuses, which says only "UNIQUE constraint failed: payments.id". A server says
// them itself.
func (w *sqlTable) withValues(e *sqlEntry, err error) error {
	code := fault.CodeOf(err)
	if code != "SQLITE_CONSTRAINT_UNIQUE" && code != "SQLITE_CONSTRAINT_PRIMARYKEY" {
		return err
	}
	text := err.Error()
	var values []string
	for c, column := range w.bound.write.Columns {
		if !namesColumn(text, w.conf.Table, column.Name) {
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
	if values == nil {
		return err
	}
	return fault.Wrap(fault.ClassOf(err), err, "%s", strings.Join(values, ", ")).WithCode(code)
}

// namesColumn reports whether a message holds table.column as a member of its list, "failed: t.a, t.b (CODE)".
func namesColumn(text, table, column string) bool {
	if dot := strings.LastIndexByte(table, '.'); dot >= 0 {
		table = table[dot+1:]
	}
	named := " " + table + "." + column
	return strings.Contains(text, named+",") || strings.Contains(text, named+" (")
}
