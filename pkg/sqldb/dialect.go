package sqldb

import "batchctl/pkg/record"

// Dialect is what differs between databases in the text of statements and the values bound to them.
type Dialect interface {
	Name() string // sqlite or postgres
	// Quote returns an identifier quoted; a dotted name ("schema.table") is quoted part by part.
	Quote(identifier string) string
	// Placeholder returns the nth bind placeholder, from 1.
	Placeholder(n int) string
	// MaxBinds is how many binds one statement may have.
	MaxBinds() int
	// ColumnType returns the type that `create` gives a column of a kind. For Absent and Null it is text.
	ColumnType(kind record.Kind) string
	// Kind returns the kind that values of a database type are read as.
	Kind(databaseType string) record.Kind
	// Argument returns a value as an argument of a bind: dates as ISO text, decimals as their digits.
	Argument(v record.Value) any
	// LockRows is what ends a select so that its rows stay locked until the transaction does; "" where the transaction
	// locks more than that anyway.
	LockRows() string
	// BulkLoad reports whether Tx.CopyIn and Tx.Merge work.
	BulkLoad() bool
}

// The dialects, for what needs no connection.
var (
	SQLite   Dialect = sqliteDialect{}
	Postgres Dialect = postgresDialect{}
)

func isPostgres(d Dialect) bool { return d.Name() == "postgres" }
