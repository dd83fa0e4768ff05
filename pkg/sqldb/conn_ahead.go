package sqldb

import (
	"context"
	"sync"
	"time"
)

// ahead is a transaction that was begun together with the COMMIT before it, for the next one to be there at once. It
// holds nothing that others wait for. Where the next one does not come soon, it is ended: a session that idles in a
// transaction looks like a fault to whoever watches the server, and is one to its timeouts.
type ahead struct {
	mutex sync.Mutex // guards open, and the connection while it is true
	open  bool
	since time.Time
	timer *time.Timer
}

// aheadIdle is how long such a transaction waits.
const aheadIdle = 200 * time.Millisecond

// markAhead notes that a transaction was begun.
func (c *Conn) markAhead() {
	c.ahead.mutex.Lock()
	defer c.ahead.mutex.Unlock()
	c.ahead.open, c.ahead.since = true, time.Now()
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
		c.ahead.open = false
		c.rollback(context.Background())
	}
}

// takeAhead reports whether a transaction was begun ahead, and hands it over.
func (c *Conn) takeAhead() bool {
	c.ahead.mutex.Lock()
	defer c.ahead.mutex.Unlock()
	open := c.ahead.open
	c.ahead.open = false
	return open
}

// leaveAhead ends a transaction that was begun ahead, for what is to come does not belong into it.
func (c *Conn) leaveAhead() {
	if !c.open && c.takeAhead() {
		c.rollback(context.Background())
	}
}
