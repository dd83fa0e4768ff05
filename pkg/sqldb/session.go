package sqldb

import (
	"context"
	"database/sql/driver"
	"net"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
)

// postgresConnector opens sessions. Every session knows its socket, so that a server that does not answer can be left.
type postgresConnector struct {
	config  pq.Config
	session string // statements that a session begins with
}

// Driver returns lib/pq's driver.
func (c *postgresConnector) Driver() driver.Driver { return &pq.Driver{} }

// Connect opens a session and gives it its settings.
func (c *postgresConnector) Connect(ctx context.Context) (driver.Conn, error) {
	connector, err := pq.NewConnectorConfig(c.config)
	if err != nil {
		return nil, err
	}
	l := &link{plain: c.config.SSLMode == pq.SSLModeDisable && !c.config.BinaryParameters && !c.config.DisablePreparedBinaryResult}
	connector.Dialer(l)
	stop := context.AfterFunc(ctx, l.cut)
	conn, err := connector.Connect(ctx)
	if err != nil {
		stop()
		return nil, err
	}
	s := &session{pqConn: conn.(pqConn), link: l, wire: l.wire}
	_, err = s.ExecContext(ctx, c.session, nil)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	l.connected.Store(true)
	return s, nil
}

// pqConn is what a connection of lib/pq can do.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// session is a connection of lib/pq that knows its socket.
type session struct {
	pqConn
	link  *link
	wire  *wire
	plans map[string]string // names of statements that the server has prepared, by their text
	text  []byte            // of the last message that ended a transaction, kept for the next one
}

// Close ends the session. What it has not committed by now is undone, however it ends, so a socket that broke is no error.
func (s *session) Close() error {
	_ = s.pqConn.Close()
	return nil
}

// CheckNamedValue takes the types that Argument makes as they are and leaves others to lib/pq, whose look at every value
// by reflection is slower.
func (s *session) CheckNamedValue(nv *driver.NamedValue) error {
	switch nv.Value.(type) {
	case nil, string, int64, float64, bool, []byte:
		return nil
	}
	return s.pqConn.CheckNamedValue(nv)
}

// answerGrace is how long a cancelled statement waits for the server's word before its socket is closed.
const answerGrace = time.Second

// link dials for one session: first its socket, later the short connections by which lib/pq asks the server to cancel a
// statement. When one of these is dialled, the statement's context has ended: from then on the session has a deadline,
// so that a server that does not answer cannot hold a cancelled statement for ever.
type link struct {
	socket    atomic.Pointer[net.Conn]
	connected atomic.Bool
	wire      *wire // of the session
	plain     bool  // its messages are not encrypted, and their values are in the formats that lib/pq asks for by itself
}

var _ pq.DialerContext = (*link)(nil)

// DialContext is called by lib/pq.
func (l *link) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if l.connected.Load() {
		l.setDeadline(time.Now().Add(answerGrace))
		return dialCancel(ctx, network, address)
	}
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 3 * time.Second, Count: 3}, Control: setUserTimeout}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.socket.Store(&conn)
	l.wire = newWire(conn, l.plain)
	return l.wire, nil
}

// Dial is never called: lib/pq prefers DialContext.
func (l *link) Dial(network, address string) (net.Conn, error) {
	return l.DialContext(context.Background(), network, address)
}

// DialTimeout is never called: lib/pq prefers DialContext.
func (l *link) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return l.DialContext(ctx, network, address)
}

func (l *link) setDeadline(t time.Time) {
	if conn := l.socket.Load(); conn != nil {
		_ = (*conn).SetDeadline(t)
	}
}

// cut ends whatever waits for the server.
func (l *link) cut() { l.setDeadline(time.Now()) }

func dialCancel(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: answerGrace}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(answerGrace))
	return cancelConn{conn}, nil
}

// cancelConn keeps its deadline: lib/pq would set a later one, and waits for the server to close.
type cancelConn struct{ net.Conn }

// SetDeadline does nothing.
func (cancelConn) SetDeadline(time.Time) error { return nil }
