package readers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlKeyset is the place of a reader in an order by key.
type sqlKeyset struct {
	columns  []string
	wrong    func(format string, args ...any) *fault.Error // an error at the query
	at       []int                                         // where the columns stand in a row
	behind   int                                           // where it stands whether a row lies behind the key, in queries that compare
	last     []sqlKeyValue                                 // of the row read last
	started  bool                                          // there is such a row
	compared bool                                          // a query went on behind a key, which hides keys that are null
	repeated int                                           // rows of the running query with the key that it began at
}

// sqlKeyValue is a value with memory of its own.
type sqlKeyValue struct {
	value  record.Value
	memory []byte
}

func (k *sqlKeyset) reset() {
	k.last, k.started, k.compared, k.repeated = k.last[:0], false, false, 0
}

// bind finds the key's columns in the result.
func (k *sqlKeyset) bind(conf *sqlConf, schema *record.Schema) error {
	k.at, k.behind = k.at[:0], schema.Len()
	for _, name := range conf.Keyset {
		i, ok := schema.Index(name)
		if !ok {
			return conf.Query.Node.Errorf("reader sql: keyset column %q is not in the result of the query", name).WithCode("unknown_column").
				WithHint("%s", fault.DidYouMean(name, schema.Names()))
		}
		k.at = append(k.at, i)
	}
	return nil
}

// keyBind is what the values of a key are called as binds; names of users do not begin like this.
const keyBind = "batchctl_key_"

// query returns a user's query in the order of the key, from where the reader stands, and at most limit rows of it that
// have not been read; 0 is all. It begins with the last row that was read, not behind it: only the database can say
// which keys are equal, and a second row with that key would be lost. It brings a column more, which says of each row
// whether it lies behind.
func (k *sqlKeyset) query(text string, limit int) string {
	var columns, binds []string
	for i, name := range k.columns {
		columns = append(columns, "q."+quoteSQLName(name))
		binds = append(binds, fmt.Sprintf(":%s%d", keyBind, i))
	}
	key, values := strings.Join(columns, ", "), strings.Join(binds, ", ")
	output, where := "q.*", ""
	if k.started {
		output += ", (" + key + ") > (" + values + ") as batchctl_behind"
		where = " where (" + key + ") >= (" + values + ")"
		k.compared, k.repeated = true, 0
	}
	query := "select " + output + " from (\n" + trimSQL(text) + "\n) as q" + where + " order by " + key
	switch {
	case limit > 0 && k.started:
		query += fmt.Sprintf(" limit %d", limit+1)
	case limit > 0:
		query += fmt.Sprintf(" limit %d", limit)
	}
	return query
}

// trimSQL takes one semicolon off the end of a query, so that it can stand in brackets.
func trimSQL(text string) string {
	return strings.TrimSuffix(strings.TrimSpace(text), ";")
}

// quoteSQLName quotes the name of a column, in which a point is a character like any other.
func quoteSQLName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// argument returns the value of a bind of the key.
func (k *sqlKeyset) argument(d sqldb.Dialect, name string) (any, bool) {
	var i int
	if _, err := fmt.Sscanf(name, keyBind+"%d", &i); err != nil || i >= len(k.last) {
		return nil, false
	}
	return keyArgument(d, k.last[i].value), true
}

// keyArgument binds a value so that the database compares it as it compared the column: numbers and bytes by their type,
// everything else as the text that the database gave.
func keyArgument(d sqldb.Dialect, v record.Value) any {
	switch v.Kind() {
	case record.Date, record.DateTime, record.Decimal:
		if v.Text() != "" {
			return v.Text()
		}
	}
	return d.Argument(v)
}

// advance notes the key of a row. repeated says that it is the row that the query began at, which has been read.
func (k *sqlKeyset) advance(row []record.Value) (repeated bool, err error) {
	for i, at := range k.at {
		if row[at].IsNull() {
			return false, k.wrong("reader sql: keyset column %q is null in a row behind %s", k.columns[i], k.words()).WithCode("null_key").
				WithHint("leave such rows out of the query, or order by columns that are never null")
		}
	}
	if len(row) > k.behind && !isTrue(row[k.behind]) {
		k.repeated++
		if k.repeated > 1 {
			return false, k.twice()
		}
		return true, nil
	}
	if k.started && k.equal(row) {
		return false, k.twice()
	}
	for len(k.last) < len(k.at) {
		k.last = append(k.last, sqlKeyValue{})
	}
	for i, at := range k.at {
		k.last[i].keep(row[at])
	}
	k.started = true
	return false, nil
}

// keep copies a value, into memory that is used again for the next row.
func (k *sqlKeyValue) keep(v record.Value) {
	k.memory = append(k.memory[:0], v.Text()...)
	k.value = v.WithText(record.String(k.memory))
}

func isTrue(v record.Value) bool {
	return v.Kind() == record.Bool && v.Bool() || v.Kind() == record.Int && v.Int() != 0
}

func (k *sqlKeyset) equal(row []record.Value) bool {
	for i, at := range k.at {
		if !row[at].Equal(k.last[i].value) {
			return false
		}
	}
	return true
}

func (k *sqlKeyset) twice() error {
	return k.wrong("reader sql: keyset is not unique: %s twice, so a restart could lose rows", k.words()).WithCode("keyset_not_unique").
		WithHint("add a column that tells these rows apart to keyset")
}

// words names the last key: seller_id=3, id=99.
func (k *sqlKeyset) words() string {
	if !k.started {
		return "the beginning"
	}
	parts := make([]string, len(k.last))
	for i := range k.last {
		parts[i] = k.columns[i] + "=" + k.last[i].value.String()
	}
	return strings.Join(parts, ", ")
}

func (k *sqlKeyset) state(rows int64) (batch.State, error) {
	s := sqlState{Rows: rows, Keyset: k.columns}
	if k.started {
		for i := range k.last {
			s.After = append(s.After, keyText(k.last[i].value))
		}
	}
	return json.Marshal(s)
}

// checkNulls looks for keys that are null, where a comparison has left their rows out without a word.
func (r *sqlReader) checkNulls(ctx context.Context) error {
	text := r.text()
	switch {
	case r.share.leavesNulls(r.conf.Keyset):
		text = r.conf.Query.Text
	case !r.key.compared:
		return nil
	}
	var conditions []string
	for _, name := range r.conf.Keyset {
		conditions = append(conditions, "q."+quoteSQLName(name)+" is null")
	}
	var q sqldb.Querier = r.conn
	if r.tx != nil {
		if err := r.cursor.Close(); err != nil {
			return err
		}
		r.cursor, q = nil, r.tx
	}
	text = "select 1 as one from (\n" + trimSQL(text) + "\n) as q where (" + strings.Join(conditions, " or ") + ") limit 1"
	statement, args, err := r.binds.statement(q.Dialect(), text, r.shareOrKey)
	if err != nil {
		return err
	}
	rows, err := q.Query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() {
		return r.conf.Query.Node.Errorf("reader sql: keyset (%s) is null in some rows, which were not read", strings.Join(r.conf.Keyset, ", ")).
			WithCode("null_key").WithHint("leave such rows out of the query, or order by columns that are never null")
	}
	return sqldb.Classify(rows.Err())
}
