package sqldb

import (
	"context"
	"strings"
	"sync"
	"time"
)

// ahead is a transaction that was begun together with the COMMIT before it, for the next one to be there at once, and with
// it the COPY that the one before began with, and rows for that. Others wait for it as they would for the next one: those that
// change the table, or have a key that is among the rows. Where the next one does not come soon, it is ended: a session that
// idles in a transaction looks like a fault to whoever watches the server, and is one to its timeouts.
type ahead struct {
	mutex sync.Mutex // guards open and copy, and the connection while open is true
	open  bool
	copy  begunCopy
	since time.Time
	timer *time.Timer
}

// begunCopy is a COPY that was begun ahead, and the rows that it was given.
type begunCopy struct {
	query string       // "" where there is none
	rows  *EncodedRows // nil: none. What they hold may be another's by now
	fill  int          // of rows, that were sent
	whole bool         // they end the COPY
}

// nextCopy returns the COPY that is expected to come first in the transaction behind this one, as it did in this one, with rows
// for it where they are there.
func (c *Conn) nextCopy(late *lateCopy) begunCopy {
	next := begunCopy{query: c.lead}
	if late == nil || late.writer.load.Next == nil || late.writer.query != c.lead {
		return next
	}
	if rows := late.writer.load.Next().as(late.writer.types); rows != nil {
		next.rows, next.fill, next.whole = rows, rows.fills, rows.whole
	}
	return next
}

// holds reports whether it was given rows, and which they are.
func (b *begunCopy) holds(rows *EncodedRows) bool {
	return b.rows != nil && b.rows == rows && b.fill == rows.fills
}

// aheadIdle is how long such a transaction waits.
const aheadIdle = 200 * time.Millisecond

// markAhead notes that a transaction was begun, and a COPY in it.
func (c *Conn) markAhead(copying begunCopy) {
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
// that was left. An error is that one's, or the connection is lost.
func (c *Conn) leaveAhead(ctx context.Context) error {
	c.first = false
	switch {
	case c.late != nil:
		return c.endLate(ctx)
	case !c.open && c.takeAhead():
		c.rollback(context.Background())
	case c.copying.query != "":
		return c.leaveCopy("rollback; " + beginPostgres)
	}
	return nil
}

// leaveCopy ends a COPY that was begun ahead, with no more rows, and undoes what it may have done all the same: triggers of the
// statement run. Where that fails the connection is lost.
func (c *Conn) leaveCopy(undo string) error {
	copying := c.copying
	c.copying = begunCopy{}
	err := c.insist(context.Background(), func(s *session) error {
		if stmt, err := s.PrepareContext(context.Background(), copying.query); err == nil {
			if head, tail := copying.missing(); tail != "" { // or the server would log that there is no signature
				_ = s.wire.copyData(head, []byte(tail))
			}
			_ = stmt.Close() // whatever became of it is undone. Exec would return before lib/pq has read all that the server says
		}
		_, err := s.ExecContext(context.Background(), undo, nil)
		return err
	})
	if err != nil {
		c.broken = true
	}
	return err
}

// missing returns what the COPY was not given of what one in binary has to begin and to end with.
func (b *begunCopy) missing() (head, tail string) {
	if !strings.Contains(b.query, inBinary) || b.whole {
		return "", ""
	}
	if b.rows == nil {
		head = binarySignature
	}
	return head, binaryTrailer
}

// enterCopy notes that a COPY comes next, for which one that was begun ahead is as good where it says the same, and was given no
// rows, or those that this one begins with: sent reports that.
func (c *Conn) enterCopy(ctx context.Context, query string, rows *EncodedRows) (sent bool, err error) {
	if c.first {
		c.lead = query
	}
	sent = c.copying.holds(rows)
	if c.copying.query != query || c.copying.rows != nil && !sent {
		sent = false
		if err := c.leaveAhead(ctx); err != nil {
			return false, err
		}
	}
	c.first, c.copying = false, begunCopy{}
	return sent, nil
}
