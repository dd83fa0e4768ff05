package sqldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/lib/pq"
)

// notOne is the SQLSTATE (invalid_argument_for_width_bucket_function) of a statement that did not change exactly one row.
// It is one that nothing else raises at COMMIT: the check divides a range into as many buckets as there were rows, or -1.
const notOne = "2201G"

func isNotOne(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == notOne
}

// commitWith runs a statement, COMMIT, and BEGIN for what comes next in one message. In a transaction that has failed the
// statement fails, and COMMIT is not reached. A COPY that will come next is sent with it; begun says which.
// late is a COPY that is to be ended with it: where that fails its writer has the error, and nothing was committed.
// load is what was loaded in binary, nil where nothing was.
func (s *session) commitWith(query string, args []any, load *Load, late *lateCopy, next begunCopy) (begun begunCopy, err error) {
	key := planKey(query, load)
	if _, known := s.plans[key]; late != nil && !known {
		if err := s.endLate(late); err != nil {
			return begunCopy{}, err
		}
		late = nil
	}
	name, err := s.plan(key, query, load)
	if err != nil {
		return begunCopy{}, err
	}
	text := append(s.text[:0], "execute "...)
	text = append(append(text, name...), '(')
	for i, arg := range args {
		if i > 0 {
			text = append(text, ',')
		}
		if text, err = appendLiteral(text, arg); err != nil {
			return begunCopy{}, err
		}
	}
	s.text = append(text, "); commit; "+beginPostgres...)
	if !s.wire.plain {
		next = begunCopy{}
	}
	err = s.together(string(s.text), late, next)
	if load != nil && isOtherType(err) {
		return next, load.changed()
	}
	return next, err
}

// isOtherType reports whether a prepared statement was refused because its columns have other types by now.
func isOtherType(err error) bool {
	const notSupported = "0A000"
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == notSupported
}

// together runs a message, sent with the end of a COPY before it and the beginning of another behind it.
func (s *session) together(message string, late *lateCopy, next begunCopy) (err error) {
	if late != nil {
		s.wire.follow(message)
	}
	if next.query != "" {
		s.wire.follow(next.query)
	}
	if next.rows != nil {
		s.wire.followRows(next.rows)
	}
	if late != nil {
		err = s.endLate(late)
	}
	if err == nil || len(s.wire.early) > 0 { // refused in a transaction that has failed
		_, failed := s.ExecContext(context.Background(), message, nil)
		err = cmp.Or(err, failed)
	}
	if err != nil {
		s.unsend(next.query)
	}
	return err
}

// endLate ends a COPY that was left, and says so to whoever left it unless it failed.
func (s *session) endLate(late *lateCopy) error {
	if _, err := s.endCopy(late.writer); err != nil {
		return err
	}
	return late.ended(nil)
}

// unsend takes the answer to a COPY that was sent ahead, where what it was to follow has failed. Where that was COMMIT
// itself the server waits for rows outside of a transaction, and the answer stays: then the session is of no more use.
func (s *session) unsend(copying string) {
	if len(s.wire.early) > 0 {
		_, _ = s.PrepareContext(context.Background(), copying) // refused by the server, for the transaction has failed; or by lib/pq, for there is none
	}
}

// planKey names a statement that is planned together with the columns of a load.
func planKey(query string, load *Load) string {
	if load == nil {
		return query
	}
	return query + "\n" + load.shape() + "\n" + fmt.Sprint(load.Binary)
}

// plan prepares a statement on the server, once for the life of the session, so that it fails unless it changes one row, or
// where the columns of a load are of other types than its.
func (s *session) plan(key, query string, load *Load) (name string, err error) {
	if name, known := s.plans[key]; known {
		return name, nil
	}
	name = fmt.Sprintf("batchctl_%d", len(s.plans)+1)
	text := "prepare " + name + " as with changed as (" + query + " returning 1), " +
		"checked as (select width_bucket(1, 0, 2, case count(*) when 1 then 1 else -1 end) from changed) select * from checked"
	if load != nil {
		text += " left join (" + load.shape() + ") as columns on true"
	}
	if _, err = s.ExecContext(context.Background(), text, nil); err != nil {
		return "", err
	}
	if s.plans == nil {
		s.plans = map[string]string{}
	}
	s.plans[key] = name
	if load != nil {
		return name, s.checkTypes(load)
	}
	return name, nil
}

// appendLiteral appends an argument as SQL has it.
func appendLiteral(dst []byte, arg any) ([]byte, error) {
	switch v := arg.(type) {
	case nil:
		return append(dst, "null"...), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case string:
		return append(dst, pq.QuoteLiteral(v)...), nil
	}
	return dst, fmt.Errorf("%T is no argument of a statement that ends a transaction", arg)
}
