package sqldb

import (
	"slices"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// Mode is what a Write does with the table.
type Mode string

// The modes by the names that a definition uses.
const (
	Insert Mode = "insert"
	Ignore Mode = "ignore" // insert what is not there yet
	Upsert Mode = "upsert"
	Update Mode = "update"
	Delete Mode = "delete"
)

// Write is a change of one table by rows of values. Columns are those the rows have, in that order, as Columns of this
// package returned them: their types decide how values are compared and added. No two rows of one statement may have the
// same key: PostgreSQL refuses that (SQLSTATE 21000), or only one of them counts.
type Write struct {
	Mode    Mode
	Table   string
	Columns []Column
	Key     []string // names the row: upsert, update, delete; ignore: any conflict where empty
	Add     []string // upsert, update: these add the value to what is there, null counting as nothing
}

// Check returns an error of class definition where the write cannot work: a key or add column that is not among Columns,
// no key where one is needed, nothing to update.
func (w Write) Check() error {
	if len(w.Columns) == 0 {
		return fault.New(fault.Definition, "%s into table %s has no columns", w.Mode, w.Table)
	}
	for _, list := range [][]string{w.Key, w.Add} {
		for _, name := range list {
			if !slices.ContainsFunc(w.Columns, func(c Column) bool { return c.Name == name }) {
				return fault.New(fault.Definition, "column %q is not among the columns written to table %s", name, w.Table).
					WithHint("%s", fault.DidYouMean(name, w.Names()))
			}
		}
	}
	needsKey := w.Mode == Upsert || w.Mode == Update || w.Mode == Delete
	switch {
	case needsKey && len(w.Key) == 0:
		return fault.New(fault.Definition, "mode %s needs a key", w.Mode).WithHint("name the columns that identify a row: key: [id]")
	case w.Mode == Update && len(w.values()) == 0:
		return fault.New(fault.Definition, "mode update has nothing to update: all columns of %s are its key", w.Table)
	}
	for _, c := range w.values() {
		if slices.Contains(w.Add, c.Name) && !addable(c.Kind) {
			return fault.New(fault.Definition, "column %s of table %s is of type %s, which cannot be added to", c.Name, w.Table, c.Type)
		}
	}
	return nil
}

func addable(kind record.Kind) bool {
	return kind == record.Int || kind == record.Decimal || kind == record.Float || kind == record.Text || kind == record.Absent
}

// SQL returns the statement that writes n rows, bound row by row in the order of Columns. One statement may have at most
// MaxBinds / len(Columns) rows.
func (w Write) SQL(d Dialect, n int) string {
	var b strings.Builder
	switch w.Mode {
	case Insert, Ignore, Upsert:
		b.WriteString("insert into " + quote(w.Table) + " as t (" + quoteColumns(w.Names()) + ") values ")
		w.rows(&b, d, n, false)
		b.WriteString(w.onConflict(d))
	default:
		b.WriteString("with s (" + quoteColumns(w.Names()) + ") as (values ")
		w.rows(&b, d, n, isPostgres(d))
		b.WriteString(") " + w.change(d, "s"))
	}
	return b.String()
}

// rows appends n rows of placeholders. Where the types are not known from a target list, as in the values of an update,
// PostgreSQL is told them in the first row.
func (w Write) rows(b *strings.Builder, d Dialect, n int, typed bool) {
	bind := 0
	for row := range n {
		if row > 0 {
			b.WriteByte(',')
		}
		for i, c := range w.Columns {
			b.WriteByte("(,"[min(i, 1)])
			bind++
			if !isPostgres(d) {
				b.WriteByte('?')
				continue
			}
			b.WriteString(d.Placeholder(bind))
			if typed && row == 0 {
				b.WriteString("::" + bindType(c.Type))
			}
		}
		b.WriteByte(')')
	}
}

// bindType returns a type without its length: a cast to varchar(3) would cut a text off that the column refuses.
func bindType(databaseType string) string {
	from, to := strings.IndexByte(databaseType, '('), strings.IndexByte(databaseType, ')')
	if databaseType[0] == '"' || from < 0 || to < from {
		return databaseType
	}
	switch base := databaseType[:from]; base {
	case "character":
		return "text" + databaseType[to+1:] // alone it means character(1)
	case "bit":
		return "bit varying" + databaseType[to+1:]
	default:
		return base + databaseType[to+1:]
	}
}

// onConflict returns what follows the rows of an insert.
func (w Write) onConflict(d Dialect) string {
	target := ""
	if len(w.Key) > 0 {
		target = " (" + quoteColumns(w.Key) + ")"
	}
	switch {
	case w.Mode == Insert:
		return ""
	case w.Mode == Ignore || len(w.values()) == 0:
		return " on conflict" + target + " do nothing"
	}
	return " on conflict" + target + " do update set " + w.assignments(d, "excluded")
}

// change returns the update or delete by the rows of a relation.
func (w Write) change(d Dialect, from string) string {
	table := quote(w.Table)
	if w.Mode == Update {
		return "update " + table + " as t set " + w.assignments(d, "s") + " from " + from + " where " + w.match()
	}
	if isPostgres(d) {
		return "delete from " + table + " as t using " + from + " where " + w.match()
	}
	key := quoteColumns(w.Key)
	if len(w.Key) == 1 {
		return "delete from " + table + " where " + key + " in (select " + key + " from " + from + ")"
	}
	return "delete from " + table + " where (" + key + ") in (select " + key + " from " + from + ")"
}

func (w Write) match() string {
	terms := make([]string, len(w.Key))
	for i, k := range w.Key {
		terms[i] = "t." + quoteColumn(k) + " = s." + quoteColumn(k)
	}
	return strings.Join(terms, " and ")
}

// assignments returns the list behind "set", with the new values taken from a relation.
func (w Write) assignments(d Dialect, from string) string {
	var terms []string
	for _, c := range w.values() {
		name := quoteColumn(c.Name)
		is, new := "t."+name, from+"."+name
		if slices.Contains(w.Add, c.Name) {
			new = "coalesce(" + sum(d, c, is, new) + ", " + is + ", " + new + ")"
		}
		terms = append(terms, name+" = "+new)
	}
	return strings.Join(terms, ", ")
}

func sum(d Dialect, c Column, a, b string) string {
	if !isPostgres(d) && c.Kind != record.Float {
		return "decimal_add(" + a + ", " + b + ")"
	}
	return a + " + " + b
}

// values returns the columns that are not part of the key.
func (w Write) values() []Column {
	var values []Column
	for _, c := range w.Columns {
		if !slices.Contains(w.Key, c.Name) {
			values = append(values, c)
		}
	}
	return values
}

// Names returns the names of the columns.
func (w Write) Names() []string {
	names := make([]string, len(w.Columns))
	for i, c := range w.Columns {
		names[i] = c.Name
	}
	return names
}

// quoteColumn quotes the name of a column, which may hold dots.
func quoteColumn(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteColumns(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteColumn(name)
	}
	return strings.Join(quoted, ", ")
}
