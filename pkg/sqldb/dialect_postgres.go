package sqldb

import (
	"strconv"
	"strings"

	"batchctl/pkg/record"
)

type postgresDialect struct{}

func (postgresDialect) Name() string                   { return "postgres" }
func (postgresDialect) Quote(identifier string) string { return quote(identifier) }
func (postgresDialect) Placeholder(n int) string       { return "$" + strconv.Itoa(n) }
func (postgresDialect) MaxBinds() int                  { return 65535 }
func (postgresDialect) LockRows() string               { return " for update" }
func (postgresDialect) BulkLoad() bool                 { return true }

func (postgresDialect) ColumnType(kind record.Kind) string {
	switch kind {
	case record.Bool:
		return "boolean"
	case record.Int:
		return "bigint"
	case record.Float:
		return "double precision"
	case record.Decimal:
		return "numeric"
	case record.Date:
		return "date"
	case record.DateTime:
		return "timestamp with time zone"
	case record.Bytes:
		return "bytea"
	case record.JSON:
		return "json" // keeps the text as it is; jsonb does not
	}
	return "text"
}

func (postgresDialect) Kind(databaseType string) record.Kind {
	base, _, _ := strings.Cut(strings.ToLower(databaseType), "(")
	switch strings.TrimSpace(base) {
	case "bool", "boolean":
		return record.Bool
	case "int2", "int4", "int8", "smallint", "integer", "bigint":
		return record.Int
	case "float4", "float8", "real", "double precision":
		return record.Float
	case "numeric":
		return record.Decimal
	case "date":
		return record.Date
	case "timestamp", "timestamptz", "timestamp with time zone", "timestamp without time zone":
		return record.DateTime
	case "bytea":
		return record.Bytes
	case "json", "jsonb":
		return record.JSON
	}
	return record.Text
}

func (postgresDialect) Argument(v record.Value) any {
	switch v.Kind() {
	case record.Absent, record.Null:
		return nil
	case record.Bool:
		return v.Bool()
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

// quote quotes an identifier as standard SQL does, each part of a dotted name by itself.
func quote(identifier string) string {
	parts := strings.Split(identifier, ".")
	for i, p := range parts {
		parts[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}
