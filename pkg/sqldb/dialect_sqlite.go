package sqldb

import (
	"strconv"
	"strings"

	"batchctl/pkg/record"
)

type sqliteDialect struct{}

func (sqliteDialect) Name() string                   { return "sqlite" }
func (sqliteDialect) Quote(identifier string) string { return quote(identifier) }
func (sqliteDialect) Placeholder(n int) string       { return "?" + strconv.Itoa(n) }
func (sqliteDialect) MaxBinds() int                  { return 32766 } // SQLITE_MAX_VARIABLE_NUMBER
func (sqliteDialect) LockRows() string               { return "" }
func (sqliteDialect) BulkLoad() bool                 { return false }

func (sqliteDialect) ColumnType(kind record.Kind) string {
	switch kind {
	case record.Bool:
		return "BOOLEAN"
	case record.Int:
		return "INTEGER"
	case record.Float:
		return "REAL"
	case record.Bytes:
		return "BLOB"
	}
	return "TEXT" // also decimals: a numeric column would keep them as binary fractions
}

// Kind follows SQLite's rules of type affinity (datatype3.html, section 3.1), with the names that people use for
// decimals, dates and booleans read as they are meant.
func (sqliteDialect) Kind(databaseType string) record.Kind {
	base, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(databaseType)), "(")
	has := func(part string) bool { return strings.Contains(base, part) }
	switch base = strings.TrimSpace(base); {
	case base == "":
		return record.Absent
	case base == "DATE":
		return record.Date
	case base == "DATETIME", has("TIMESTAMP"):
		return record.DateTime
	case has("INT"):
		return record.Int
	case has("CHAR"), has("CLOB"), has("TEXT"):
		return record.Text
	case has("BLOB"):
		return record.Bytes
	case has("REAL"), has("FLOA"), has("DOUB"):
		return record.Float
	case has("BOOL"):
		return record.Bool
	case has("JSON"):
		return record.JSON
	case has("DEC"), has("NUM"):
		return record.Decimal
	}
	return record.Absent
}

func (sqliteDialect) Argument(v record.Value) any {
	switch v.Kind() {
	case record.Absent, record.Null:
		return nil
	case record.Bool:
		if v.Bool() {
			return int64(1)
		}
		return int64(0)
	case record.Int:
		return v.Int()
	case record.Float:
		return v.Float()
	case record.Bytes:
		return []byte(v.Text())
	case record.Text, record.JSON:
		return v.Text()
	}
	return string(appendPlain(nil, v))
}
