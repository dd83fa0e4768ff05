package readers

import (
	"context"
	"regexp"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

var orderBy = regexp.MustCompile(`(?i)\border\s+by\b`)

// Schema asks the database for the columns of the result without running the query, and for what is wrong with it:
// unknown tables, columns, binds, a keyset that is not in the result. Binds without a value yet count as null.
func (r *sqlReader) Schema(ctx context.Context) (*record.Schema, error) {
	db, err := r.env.Connect(r.conf.Connection)
	if err != nil {
		return nil, err
	}
	text := r.conf.Query.Text
	statement, args, err := r.binds.placeholders(db.Dialect(), text)
	if err != nil {
		return nil, err
	}
	columns, err := sqldb.Describe(ctx, db, statement, args...)
	if err != nil {
		return nil, r.wrong(err)
	}
	if len(r.conf.Keyset) == 0 && !orderBy.MatchString(text) && r.env.Notice != nil {
		r.env.Notice("the query of reader sql has no order by: a restart is refused unless its rows come in the same order; set keyset: [...]")
	}
	return r.schemaOf(columns)
}

// describe takes the columns of a result over. The schema is made once: records of all pages share it.
func (r *sqlReader) describe(columns []sqldb.Column) error {
	r.row = make([]record.Value, len(columns))
	if len(r.conf.Keyset) > 0 && r.key.started {
		columns = columns[:len(columns)-1] // the last says whether a row lies behind the key
	}
	if r.schema != nil {
		if !sameSQLColumns(r.columns, columns) {
			return r.conf.Query.Node.Errorf("reader sql: the columns of the result changed while it was read")
		}
		return nil
	}
	schema, err := r.schemaOf(columns)
	if err != nil {
		return err
	}
	r.schema, r.columns = schema, columns
	return nil
}

// schemaOf returns the schema of a result and finds the keyset in it.
func (r *sqlReader) schemaOf(columns []sqldb.Column) (*record.Schema, error) {
	fields := make([]record.Field, len(columns))
	for i, c := range columns {
		fields[i] = record.Field{Name: c.Name, Kind: c.Kind}
	}
	schema, err := record.NewSchema(fields...)
	if err != nil {
		return nil, r.conf.Query.Node.Errorf("reader sql: %s", err).WithHint("give one of them another name: select a.id, b.id as b_id")
	}
	return schema, r.key.bind(r.conf, schema)
}

func sameSQLColumns(a, b []sqldb.Column) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Kind != b[i].Kind {
			return false
		}
	}
	return true
}

// explain finds out whether a query failed because of its keyset: the database names columns of a text that no user wrote.
func (r *sqlReader) explain(ctx context.Context, err error) error {
	if fault.ClassOf(err) != fault.Definition || len(r.conf.Keyset) == 0 || r.schema != nil {
		return r.wrong(err)
	}
	if _, better := r.Schema(ctx); better != nil {
		return better
	}
	return r.wrong(err)
}

// wrong gives an error of the statement its place in the definition.
func (r *sqlReader) wrong(err error) error {
	if fault.ClassOf(err) != fault.Definition || fault.PositionOf(err).Line > 0 {
		return err
	}
	e := r.conf.Query.Node.Errorf("reader sql").WithCode(fault.CodeOf(err)).WithHint("%s", fault.HintOf(err))
	e.Err = err
	return e
}

// estimate asks the database how many rows the query has, for progress.
func (r *sqlReader) estimate(ctx context.Context) error {
	statement, args, err := r.binds.statement(r.conn.Dialect(), r.text(), r.shareOrKey)
	if err != nil {
		return err
	}
	r.total.Store(sqldb.EstimateRows(ctx, r.conn, statement, args...))
	return nil
}

// Progress returns the rows read so far and how many the database expects.
func (r *sqlReader) Progress() (done, total int64) {
	done, total = r.rows.Load(), r.total.Load()
	if total > 0 {
		total = max(total, done)
	}
	return done, total
}
