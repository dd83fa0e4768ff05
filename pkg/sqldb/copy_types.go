package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"slices"

	"github.com/lib/pq"

	"batchctl/pkg/fault"
)

// Rows in binary are read as the types that their columns had when BinaryTypes looked. Had a column another type by now its bytes
// may still be taken, and mean something else. While a COPY's transaction lasts nobody can change a column; so that none
// of them commits behind a change, the statement that is sent with its COMMIT (session.commitWith) is planned together
// with the columns: PostgreSQL refuses a prepared statement whose columns have got other types (plancache.c). A plain COMMIT
// is sent when the catalogue was asked.

// remember notes a load in binary of the transaction.
func (c *Conn) remember(load *Load) {
	known := func(l *Load) bool { return l.Table == load.Table && slices.Equal(l.Columns, load.Columns) }
	if load.Binary != nil && !slices.ContainsFunc(c.loaded, known) {
		c.loaded = append(c.loaded, load)
	}
}

// checkLoaded returns an error where columns of some loads in binary are not of their types.
func (c *Conn) checkLoaded(ctx context.Context, loads []*Load) error {
	for _, l := range loads {
		if err := c.insist(ctx, func(s *session) error { return s.checkTypes(l) }); err != nil {
			return err
		}
	}
	return nil
}

// loadToCheck returns what was loaded in binary into one table, for the statement that ends the transaction; nil where
// nothing was. Others are looked at here.
func (c *Conn) loadToCheck(ctx context.Context) (*Load, error) {
	if len(c.loaded) == 0 {
		return nil, nil
	}
	if others := c.loaded[1:]; len(others) > 0 {
		if err := c.endLate(ctx); err != nil {
			return nil, err
		}
		if err := c.checkLoaded(ctx, others); err != nil {
			return nil, err
		}
	}
	return c.loaded[0], nil
}

// shape is a query without rows whose columns are those of the load.
func (l *Load) shape() string {
	return "select " + quoteColumns(l.Columns) + " from " + quote(l.Table) + " where false"
}

// columnsChanged is the code of the error of a load whose columns have other types than when it was prepared.
const columnsChanged = "columns_changed"

// changed is an error that may not come again: a session that has loaded the table before it was changed cannot load it once more,
// another one can.
func (l *Load) changed() error {
	return fault.New(fault.Transient, "columns of table %s were changed while rows were loaded into it", l.Table).
		WithCode(columnsChanged).WithHint("nothing of this chunk was committed; batchctl restart goes on with the columns as they are now")
}

// refusal returns the error of a COPY, which is another one where bytes were none of a column's type.
func (l *Load) refusal(err error) error {
	const tooShort, wrong = "08P01", "22P03" // protocol_violation, invalid_binary_representation
	var refused *pq.Error
	if l.Binary != nil && errors.As(err, &refused) && (refused.Code == tooShort || refused.Code == wrong) {
		return l.changed()
	}
	return err
}

// checkTypes returns an error where columns of a load are not of its types. It is asked in the transaction of a COPY.
func (s *session) checkTypes(l *Load) error {
	const query = "select attname::text, atttypid::int8 from pg_attribute where attnum > 0 and not attisdropped and attrelid = "
	rows, err := s.QueryContext(context.Background(), query+pq.QuoteLiteral(quote(l.Table))+"::regclass", nil)
	if err != nil {
		return err
	}
	types := map[string]BinaryType{}
	for row := make([]driver.Value, 2); err == nil; {
		if err = rows.Next(row); err == nil {
			types[row[0].(string)] = binaryTypes[uint32(row[1].(int64))]
		}
	}
	if !errors.Is(err, io.EOF) {
		return errors.Join(err, rows.Close())
	}
	for i, name := range l.Columns {
		if types[name] != l.Binary[i] {
			return errors.Join(l.changed(), rows.Close())
		}
	}
	return rows.Close()
}
