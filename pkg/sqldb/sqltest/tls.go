package sqltest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// TLS returns the DSN, with sslmode=require, of the server that a DSN (a URL) names, or of a Proxy, behind one that speaks TLS with
// a certificate of its own: throw-away servers do not. It ends with the test.
func TLS(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &encrypting{target: u.Host, config: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}, conns: map[net.Conn]bool{}}
	e.group.Go(func() { e.serve(listener) })
	t.Cleanup(func() {
		_ = listener.Close()
		e.cut()
		e.group.Wait()
	})
	u.Host = listener.Addr().String()
	query := u.Query()
	query.Set("sslmode", "require")
	u.RawQuery = query.Encode()
	return u.String()
}

// certificate makes a certificate that nobody vouches for.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// encrypting stands before a server that speaks no TLS.
type encrypting struct {
	target string
	config *tls.Config
	group  sync.WaitGroup
	mutex  sync.Mutex
	conns  map[net.Conn]bool
}

func (e *encrypting) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", e.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		narrow(client, server)
		e.mutex.Lock()
		e.conns[client], e.conns[server] = true, true
		e.mutex.Unlock()
		e.group.Go(func() { e.link(client, server) })
	}
}

func (e *encrypting) cut() {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for c := range e.conns {
		_ = c.Close()
	}
}

// sslRequest is what a client asks for TLS with (PostgreSQL manual, section 55.2.11).
const sslRequest = 80877103

// link serves one client. One that does not ask for TLS is cut off.
func (e *encrypting) link(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	var request [2]uint32
	if err := binary.Read(client, binary.BigEndian, &request); err != nil || request != [2]uint32{8, sslRequest} {
		return
	}
	if _, err := client.Write([]byte{'S'}); err != nil {
		return
	}
	encrypted := tls.Server(client, e.config)
	e.group.Go(func() {
		_, _ = io.Copy(encrypted, server)
		_ = client.Close()
	})
	_, _ = io.Copy(server, encrypted)
}
