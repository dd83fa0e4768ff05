package readers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// shareBind is what the values of a share are called as binds.
const shareBind = "batchctl_share_"

// condition is the share as SQL, for rows in the order of a keyset.
func (s *columnShare) condition(keyset []string) string {
	column, bound := "q."+quoteSQLName(s.Column), 0
	bind := func() string {
		bound++
		return fmt.Sprintf(":%s%d", shareBind, bound-1)
	}
	switch {
	case s.Modulo > 0:
		// Added once more, because the remainder of a negative number is negative.
		condition := fmt.Sprintf("((%s %% %d) + %d) %% %d = %d", column, s.Modulo, s.Modulo, s.Modulo, s.Is)
		if s.Is == 0 {
			condition = "(" + condition + " or " + column + " is null)"
		}
		return condition
	case s.Value != nil:
		return column + " = " + bind()
	case s.Range:
		return s.interval(column, bind, s.leavesNulls(keyset))
	}
	binds := make([]string, len(s.Rest))
	for i := range binds {
		binds[i] = bind()
	}
	return "(" + column + " is null or " + column + " not in (" + strings.Join(binds, ", ") + "))"
}

// leavesNulls reports whether null, which belongs to the share, is left out of its rows because a key is never null. That is
// checked when the rows have been read: asking for null with them would keep an index from giving their order.
func (s *columnShare) leavesNulls(keyset []string) bool {
	return s != nil && s.Range && s.From == nil && s.To != nil && slices.Contains(keyset, s.Column)
}

func (s *columnShare) interval(column string, bind func() string, withoutNulls bool) string {
	switch {
	case s.From == nil && s.To == nil:
		return "1 = 1"
	case withoutNulls:
		return column + " < " + bind()
	case s.From == nil:
		return "(" + column + " < " + bind() + " or " + column + " is null)"
	case s.To == nil:
		return column + " >= " + bind()
	}
	from := bind()
	return column + " >= " + from + " and " + column + " < " + bind()
}

// argument returns the value of a bind of the share.
func (s *columnShare) argument(d sqldb.Dialect, name string) (any, bool) {
	var i int
	if s == nil {
		return nil, false
	}
	values := s.values()
	if _, err := fmt.Sscanf(name, shareBind+"%d", &i); err != nil || i >= len(values) {
		return nil, false
	}
	v, err := values[i].value()
	return keyArgument(d, v), err == nil
}

// text returns the query, restricted to the share where there is one.
func (r *sqlReader) text() string {
	if r.share == nil {
		return r.conf.Query.Text
	}
	return "select q.* from (\n" + trimSQL(r.conf.Query.Text) + "\n) as q where " + r.share.condition(r.conf.Keyset)
}

// Take implements batch.Divisible.
func (r *sqlReader) Take(share json.RawMessage) error {
	r.share = new(columnShare)
	return json.Unmarshal(share, r.share)
}

// Fits implements batch.Divisible.
func (r *sqlReader) Fits(ctx context.Context, d batch.Division) error {
	kind, err := r.dividedBy(ctx, d)
	if err == nil && d.By == "values" {
		_, err = r.byValues(d, kind)
	}
	return err
}

// dividedBy returns the kind of the column that the rows are divided by.
func (r *sqlReader) dividedBy(ctx context.Context, d batch.Division) (record.Kind, error) {
	at := r.conf.Query.Node
	switch {
	case d.By == "files":
		return 0, at.Errorf("partition: by: files is for readers of files").WithCode("bad_partition").WithHint("divide a query by range, modulo or values of a column")
	case d.Column == "":
		return 0, at.Errorf("partition: by: %s needs a column of the query", d.By).WithCode("bad_partition").WithHint("add column: NAME to partition")
	case len(r.conf.Keyset) == 0:
		return 0, at.Errorf("partition: the reader needs a keyset").WithCode("bad_partition").
			WithHint("add keyset: [COLUMNS] to the reader: a share has no order of its own that a restart could rely on")
	}
	schema, err := r.Schema(ctx)
	if err != nil {
		return 0, err
	}
	i, ok := schema.Index(d.Column)
	if !ok {
		return 0, at.Errorf("partition: column %q is not in the result of the query", d.Column).WithCode("unknown_column").
			WithHint("%s", fault.DidYouMean(d.Column, schema.Names()))
	}
	kind := schema.Field(i).Kind
	if fits, hint := divisible(d.By, kind); !fits {
		return 0, at.Errorf("partition: by: %s does not fit column %s, which is %s", d.By, d.Column, kind).WithCode("bad_partition").WithHint("%s", hint)
	}
	return kind, nil
}

// Divide implements batch.Divisible. Whole numbers are divided evenly between the smallest and the largest, everything else
// so that the shares have about the same number of rows now.
func (r *sqlReader) Divide(ctx context.Context, d batch.Division) ([]json.RawMessage, error) {
	kind, err := r.dividedBy(ctx, d)
	if err != nil {
		return nil, err
	}
	switch d.By {
	case "modulo":
		return marshalShares(moduloShares(d))
	case "range":
		return r.byRange(ctx, d, kind)
	}
	shares, err := r.byValues(d, kind)
	if err != nil {
		return nil, err
	}
	return marshalShares(shares)
}

func (r *sqlReader) byValues(d batch.Division, kind record.Kind) ([]columnShare, error) {
	return valueShares(d, kind, &record.Format{Location: r.env.Location})
}

func (r *sqlReader) byRange(ctx context.Context, d batch.Division, kind record.Kind) ([]json.RawMessage, error) {
	var borders []record.Value
	err := r.asking(ctx, func(q sqldb.Querier) (err error) {
		if kind == record.Int {
			borders, err = r.evenBorders(ctx, q, d)
		} else {
			borders, err = r.rankedBorders(ctx, q, d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return marshalShares(rangeShares(d, borders))
}

// asking calls fn with a connection.
func (r *sqlReader) asking(ctx context.Context, fn func(q sqldb.Querier) error) (err error) {
	db, err := r.env.Connect(r.conf.Connection)
	if err != nil {
		return err
	}
	if err := r.binds.evaluate(db.Dialect()); err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return fn(conn)
}

// evenBorders are whole numbers at even distances between the smallest and the largest.
func (r *sqlReader) evenBorders(ctx context.Context, q sqldb.Querier, d batch.Division) ([]record.Value, error) {
	column := "q." + quoteSQLName(d.Column)
	rows, err := r.ask(ctx, q, "select min("+column+") as low, max("+column+") as high from (\n"+trimSQL(r.conf.Query.Text)+"\n) as q", 2)
	if err != nil || len(rows) == 0 || rows[0][0].IsNull() {
		return nil, err
	}
	low, high := big.NewInt(rows[0][0].Int()), big.NewInt(rows[0][1].Int())
	width := new(big.Int).Add(new(big.Int).Sub(high, low), big.NewInt(1))
	var borders []record.Value
	for i := 1; i < d.Count; i++ {
		offset := new(big.Int).Mul(width, big.NewInt(int64(i)))
		border := offset.Div(offset, big.NewInt(int64(d.Count))).Add(offset, low).Int64()
		if border > low.Int64() && (len(borders) == 0 || border > borders[len(borders)-1].Int()) {
			borders = append(borders, record.OfInt(border))
		}
	}
	return borders, nil
}

// rankedBorders are values of the column, so chosen that about the same number of rows lies between them.
func (r *sqlReader) rankedBorders(ctx context.Context, q sqldb.Querier, d batch.Division) ([]record.Value, error) {
	column := "q." + quoteSQLName(d.Column)
	text := "(\n" + trimSQL(r.conf.Query.Text) + "\n) as q"
	counted, err := r.ask(ctx, q, "select count("+column+") as n, 0 as other from "+text, 2)
	if err != nil {
		return nil, err
	}
	total := counted[0][0].Int()
	var ranks []string
	for i := int64(1); i < int64(d.Count); i++ {
		ranks = append(ranks, fmt.Sprint(total*i/int64(d.Count)+1))
	}
	if len(ranks) == 0 || total == 0 {
		return nil, nil
	}
	found, err := r.ask(ctx, q, "select distinct border from (select "+column+" as border, row_number() over (order by "+column+") as place from "+text+
		" where "+column+" is not null) as ranked where place in ("+strings.Join(ranks, ", ")+") order by border", 1)
	var borders []record.Value
	for _, row := range found {
		borders = append(borders, row[0])
	}
	return borders, err
}

// ask returns the rows of a query about the reader's own.
func (r *sqlReader) ask(ctx context.Context, q sqldb.Querier, text string, columns int) (found [][]record.Value, err error) {
	statement, args, err := r.binds.statement(q.Dialect(), text, r.shareOrKey)
	if err != nil {
		return nil, err
	}
	cursor, err := sqldb.OpenCursor(ctx, q, statement, args...)
	if err != nil {
		return nil, r.wrong(err)
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	arena := new(record.Arena)
	for cursor.Next() {
		row := make([]record.Value, columns)
		if err := cursor.Scan(row, arena); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, cursor.Err()
}

// shareOrKey returns the values of binds that the reader has made itself.
func (r *sqlReader) shareOrKey(d sqldb.Dialect, name string) (any, bool) {
	if v, ok := r.share.argument(d, name); ok {
		return v, true
	}
	return r.key.argument(d, name)
}
