package sqldb

import (
	"context"
	"strings"
	"sync"
	"time"
)

// ahead is a transaction that was begun together with the COMMIT before it, for the next one to be there at once, and with
// it the COPY that the one before began with. It holds nothing that others wait for but a change of the table. Where the next
// one does not come soon, it is ended: a session that idles in a transaction looks like a fault to whoever watches the server,
// and is one to its timeouts.
type ahead struct {
	mutex sync.Mutex // guards open and copy, and the connection while open is true
	open  bool
	copy  string // the COPY that was begun, "" where none was
	since time.Time
	timer *time.Timer
}

// aheadIdle is how long such a transaction waits.
const aheadIdle = 200 * time.Millisecond

// markAhead notes that a transaction was begun, and a COPY in it.
func (c *Conn) markAhead(copying string) {
	c.ahead.mutex.Lock()
	defer c.ahead.mutex.Unlock()
	c.ahead.open, c.ahead.copy, c.ahead.since = true, copying, time.Now()
	if c.ahead.timer == nil {
		c.ahead.timer = time.AfterFunc(aheadIdle, c.endAhead)
	} else {
		c.ahead.timer.Reset(aheadIdle)
	}
}

// endAhead ends the transaction where nobody has taken it.
func (c *Conn) endAhead() {
	c.ahead.mutex.Lock()
	defer c.ahead.mutex.Unlock()
	if c.ahead.open && time.Since(c.ahead.since) >= aheadIdle {
		c.ahead.open, c.copying = false, c.ahead.copy
		c.rollback(context.Background())
	}
}

// takeAhead reports whether a transaction was begun ahead, and hands it over.
func (c *Conn) takeAhead() bool {
	c.ahead.mutex.Lock()
	defer c.ahead.mutex.Unlock()
	open := c.ahead.open
	if open {
		c.ahead.open, c.copying = false, c.ahead.copy
	}
	return open
}

// leaveAhead ends what was begun ahead, a transaction or a COPY, for what is to come does not belong into it, and a COPY
// that was left. An error is that one's.
func (c *Conn) leaveAhead(ctx context.Context) error {
	c.first = false
	switch {
	case c.late != nil:
		return c.endLate(ctx)
	case !c.open && c.takeAhead():
		c.rollback(context.Background())
	case c.copying != "":
		c.leaveCopy("rollback; " + beginPostgres)
	}
	return nil
}

// leaveCopy ends a COPY that was begun ahead, with no rows, and undoes what it may have done all the same: triggers of the
// statement run.
func (c *Conn) leaveCopy(undo string) {
	copying := c.copying
	c.copying = ""
	err := c.insist(context.Background(), func(s *session) error {
		if stmt, err := s.PrepareContext(context.Background(), copying); err == nil {
			if strings.Contains(copying, inBinary) { // or the server would log that there is no signature
				_ = s.wire.copyData(binarySignature, []byte(binaryTrailer))
			}
			_, _ = stmt.(copier).Exec(nil) // whatever became of it is undone
		}
		_, err := s.ExecContext(context.Background(), undo, nil)
		return err
	})
	if err != nil {
		c.broken = true
	}
}

// enterCopy notes that a COPY comes next, for which one that was begun ahead is as good where it says the same.
func (c *Conn) enterCopy(ctx context.Context, query string) error {
	if c.first {
		c.lead = query
	}
	if c.copying != query {
		if err := c.leaveAhead(ctx); err != nil {
			return err
		}
	}
	c.first, c.copying = false, ""
	return nil
}
