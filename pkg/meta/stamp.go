package meta

import (
	"fmt"
	"time"
)

// stampLayout is how times are stored: ISO 8601, UTC, microseconds. SQLite keeps it as text, so that it sorts and its
// date functions read it; PostgreSQL's timestamp columns take it as it is.
const stampLayout = "2006-01-02 15:04:05.000000"

// stamp returns a time as a bind argument; the zero time is null.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(stampLayout)
}

// stampInto scans a time stamp into t; null is the zero time.
type stampInto struct{ t *time.Time }

// Scan takes what drivers give: a time, or the text of one.
func (s stampInto) Scan(value any) (err error) {
	switch v := value.(type) {
	case nil:
		*s.t = time.Time{}
	case time.Time:
		*s.t = v.UTC()
	case string:
		*s.t, err = parseStamp(v)
	case []byte:
		*s.t, err = parseStamp(string(v))
	default:
		err = fmt.Errorf("%T is not a time stamp", value)
	}
	return err
}

func parseStamp(text string) (time.Time, error) {
	t, err := time.Parse("2006-01-02 15:04:05.999999999", text)
	if err != nil {
		t, err = time.Parse(time.RFC3339Nano, text)
	}
	return t.UTC(), err
}

// now is the time of a change, as exact as it is stored.
func (s *Store) now() time.Time { return s.options.Now().UTC().Truncate(time.Microsecond) }
