package sqltest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Fault is what a Proxy does to the next COMMIT.
type Fault int

const (
	// None lets it pass.
	None Fault = iota
	// DropCommit cuts the connection instead of handing COMMIT on: the server never sees it.
	DropCommit
	// SwallowAnswer hands COMMIT on, waits for the server's answer, and cuts the connection without handing that on.
	SwallowAnswer
	// AbandonServer drops COMMIT and cuts the client off, but leaves the server its connection, open and silent, until
	// Cut: as when a client's host loses power.
	AbandonServer
)

// Proxy stands between a client and a PostgreSQL server, and can be made to fail. It speaks no TLS; TLS stands before it.
type Proxy struct {
	listener net.Listener
	target   string
	group    sync.WaitGroup
	mutex    sync.Mutex
	passes   sync.Cond // while stalled nothing does
	stalled  bool
	fault    Fault
	passing  int           // commits that pass before the fault
	struck   chan struct{} // closed with the fault
	commits  int
	budget   int64 // bytes that pass before all is cut; below 0: no end
	conns    map[net.Conn]bool
}

// NewProxy starts a proxy for the server that a DSN (a URL) names and returns it with the DSN that goes through it. It ends with
// the test.
func NewProxy(t testing.TB, dsn string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: u.Host, budget: -1, conns: map[net.Conn]bool{}}
	p.passes.L = &p.mutex
	p.group.Go(p.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Resume()
		p.Cut()
		p.group.Wait()
	})
	u.Host = listener.Addr().String()
	return p, u.String()
}

// FailCommit does something to the next COMMIT on any connection.
func (p *Proxy) FailCommit(fault Fault) { p.FailNthCommit(fault, 1) }

// FailNthCommit does something to the nth COMMIT from now, counted over all connections. The channel is closed when that
// COMMIT has come.
func (p *Proxy) FailNthCommit(fault Fault, n int) (struck <-chan struct{}) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.fault, p.passing, p.struck = fault, n-1, make(chan struct{})
	return p.struck
}

// Commits returns how many COMMITs came so far.
func (p *Proxy) Commits() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.commits
}

// Cut closes all connections of now, in both directions.
func (p *Proxy) Cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

// CutAfter closes all connections once so many more bytes have passed, in both directions together: also in the middle of a
// message.
func (p *Proxy) CutAfter(bytes int64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.budget = bytes
}

// Cutting reports whether CutAfter still waits for its bytes.
func (p *Proxy) Cutting() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.budget >= 0
}

// pass hands bytes on, as far as they may pass.
func (p *Proxy) pass(to net.Conn, block []byte) error {
	p.mutex.Lock()
	allowed := int64(len(block))
	if p.budget >= 0 {
		allowed = min(allowed, p.budget)
		p.budget -= allowed
	}
	cut := p.budget == 0
	if cut {
		p.budget = -1
	}
	p.mutex.Unlock()
	_, err := to.Write(block[:allowed])
	if cut {
		p.Cut()
	}
	return err
}

// Stall holds all traffic back, as a network that lost its route, until Resume.
func (p *Proxy) Stall() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.stalled = true
}

// Resume ends Stall.
func (p *Proxy) Resume() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.stalled = false
	p.passes.Broadcast()
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		narrow(client, server)
		p.mutex.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mutex.Unlock()
		link := &proxyLink{proxy: p, client: client, server: server}
		p.group.Go(link.forward)
		p.group.Go(link.back)
	}
}

// narrow keeps the system from holding megabytes of what is under way: a result that has left the server as a whole would not be met
// by what happens to the server.
func narrow(conns ...net.Conn) {
	const bytes = 64 << 10
	for _, c := range conns {
		_ = c.(*net.TCPConn).SetReadBuffer(bytes)
		_ = c.(*net.TCPConn).SetWriteBuffer(bytes)
	}
}

// proxyLink is one connection through a Proxy.
type proxyLink struct {
	proxy          *Proxy
	client, server net.Conn
	mutex          sync.Mutex
	silent         bool // what the server says goes nowhere
	swallowing     bool
}

func (l *proxyLink) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// wait returns once traffic may pass.
func (l *proxyLink) wait() {
	p := l.proxy
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for p.stalled {
		p.passes.Wait()
	}
}

// forward hands the client's messages on, one by one. The first one, of a startup, has no type.
func (l *proxyLink) forward() {
	abandon := false
	defer func() {
		_ = l.client.Close()
		if !abandon {
			_ = l.server.Close()
		}
	}()
	from := bufio.NewReader(l.client)
	head := 4
	for {
		message, err := readMessage(from, head)
		if err != nil {
			return
		}
		l.wait()
		if before, ok := cutCommit(message); ok {
			fault := l.commit()
			abandon = fault == AbandonServer
			if abandon && before != "" {
				_, _ = l.server.Write(queryMessage(before)) // what COMMIT came with holds its locks
			}
			if abandon || fault == DropCommit {
				return
			}
		}
		if err := l.proxy.pass(l.server, message); err != nil {
			return
		}
		head = 5
	}
}

// commit takes the fault that awaits a COMMIT, and returns it.
func (l *proxyLink) commit() Fault {
	p := l.proxy
	p.mutex.Lock()
	p.commits++
	fault := None
	if p.fault != None {
		if p.passing == 0 {
			fault, p.fault = p.fault, None
			close(p.struck)
		}
		p.passing--
	}
	p.mutex.Unlock()
	l.mutex.Lock()
	l.swallowing, l.silent = fault == SwallowAnswer, fault == AbandonServer
	l.mutex.Unlock()
	return fault
}

// back hands the server's bytes on; an answer that is to be swallowed ends the connection.
func (l *proxyLink) back() {
	defer l.close()
	block := make([]byte, 32<<10)
	for {
		n, err := l.server.Read(block)
		if n > 0 {
			l.wait()
			l.mutex.Lock()
			swallow, silent := l.swallowing, l.silent
			l.mutex.Unlock()
			switch {
			case silent:
				continue
			case swallow:
				return
			}
			if err := l.proxy.pass(l.client, block[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readMessage reads a message of the protocol (PostgreSQL manual, section 55.7): a type where head is 5, a length that
// counts itself, a body.
func readMessage(from *bufio.Reader, head int) ([]byte, error) {
	message := make([]byte, head)
	if _, err := io.ReadFull(from, message); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(message[head-4:])-4)
	if _, err := io.ReadFull(from, body); err != nil {
		return nil, err
	}
	return append(message, body...), nil
}

// cutCommit reports whether a message is a query with COMMIT, and returns what stands before that.
func cutCommit(message []byte) (before string, ok bool) {
	if message[0] != 'Q' || len(message) <= 5 {
		return "", false
	}
	query := string(bytes.TrimRight(message[5:], "\x00"))
	if strings.EqualFold(query, "commit") {
		return "", true
	}
	before, _, ok = strings.Cut(query, "; commit; begin")
	return before, ok
}

// queryMessage returns the message of a simple query.
func queryMessage(query string) []byte {
	message := binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(query)+5))
	return append(append(message, query...), 0)
}
