package mail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
)

// script is an SMTP server for one conversation: it answers each command by its first word, and keeps what it was told.
type script struct {
	answers map[string]string
	heard   chan string // the whole conversation, when it is over
}

func serve(t *testing.T, answers map[string]string) (address string, s *script) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s = &script{answers: answers, heard: make(chan string, 1)}
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		s.converse(conn)
	}()
	return listener.Addr().String(), s
}

func (s *script) converse(conn net.Conn) {
	var heard strings.Builder
	defer func() { s.heard <- heard.String() }()
	fmt.Fprint(conn, "220 here\r\n")
	in := bufio.NewScanner(conn)
	for in.Scan() {
		line := in.Text()
		heard.WriteString(line + "\n")
		word, _, _ := strings.Cut(line, " ")
		answer, ok := s.answers[word]
		switch {
		case answer == "hang up":
			return
		case answer == "hang":
			in.Scan()
			return
		case ok:
			fmt.Fprint(conn, answer+"\r\n")
		case word == "EHLO":
			fmt.Fprint(conn, "250-here\r\n250 AUTH PLAIN\r\n")
		case word == "AUTH":
			fmt.Fprint(conn, "235 welcome\r\n")
		case word == "DATA":
			fmt.Fprint(conn, "354 go on\r\n")
			for in.Scan() && in.Text() != "." {
				heard.WriteString(in.Text() + "\n")
			}
			fmt.Fprint(conn, "250 taken\r\n")
		case word == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 fine\r\n")
		}
	}
}

func message() *Message {
	return &Message{
		From: "Batch <batch@example.com>", To: []string{"ops@example.com", "Ä. Müller <am@example.com>"},
		Subject: "settlement failed\r\nBcc: everybody@example.com", Text: "Grüße,\nund ein sehr langer Text " + strings.Repeat("x", 200) + "\n.\nEnde",
		Date: time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC), ID: "17.job.failed@host",
	}
}

func TestMailArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	address, s := serve(t, nil)
	server := Server{Address: address, User: "batch", Password: "pass word"}
	if err := server.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	heard := <-s.heard
	for _, want := range []string{"MAIL FROM:<batch@example.com>", "RCPT TO:<ops@example.com>\nRCPT TO:<am@example.com>", "AUTH PLAIN AGJhdGNoAHBhc3Mgd29yZA=="} {
		if !strings.Contains(heard, want) {
			t.Errorf("the server did not hear %q:\n%s", want, heard)
		}
	}
	_, text, _ := strings.Cut(heard, "DATA\n")
	got, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Bcc") != "" || got.Header.Get("Subject") != "settlement failed Bcc: everybody@example.com" {
		t.Errorf("a line break in the subject made a header: %v", got.Header)
	}
	if got.Header.Get("Message-ID") != "<17.job.failed@host>" || got.Header.Get("Date") != "Fri, 20 Nov 2026 01:02:03 +0000" {
		t.Errorf("headers: %v", got.Header)
	}
	if !strings.Contains(text, "Gr=C3=BC=C3=9Fe,") || !strings.Contains(text, "\n..\nEnde") {
		t.Errorf("text: %s", text)
	}
}

func TestRefusalsHaveAClass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers map[string]string
		server  Server
		class   fault.Class
		says    string
	}{
		"busy":          {map[string]string{"MAIL": "451 later"}, Server{}, fault.Transient, "try later"},
		"no such user":  {map[string]string{"RCPT": "550 nobody"}, Server{}, fault.Environment, "refuses"},
		"hangs up":      {map[string]string{"DATA": "hang up"}, Server{}, fault.Transient, "hung up"},
		"wrong login":   {map[string]string{"AUTH": "535 no"}, Server{User: "u", Password: "p"}, fault.Environment, "refuses"},
		"no encryption": {nil, Server{TLS: "starttls"}, fault.Environment, "no encryption"},
		"hangs":         {map[string]string{"MAIL": "hang"}, Server{}, fault.Transient, "too slow"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			address, _ := serve(t, c.answers)
			c.server.Address = address
			ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, fault.New(fault.Transient, "too slow"))
			if name != "hangs" {
				ctx = t.Context()
			}
			defer cancel()
			err := c.server.Send(ctx, message())
			if err == nil || fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v (%s), want class %s and %q", err, fault.ClassOf(err), c.class, c.says)
			}
		})
	}
}

// RFC 5322, section 2.1.1: no line has more than 998 characters, and should not have more than 78.
func TestLongHeadersAreFolded(t *testing.T) {
	t.Parallel()
	m := message()
	m.Subject = strings.Repeat("step load failed: duplicate key ", 60)
	m.To = nil
	for i := range 60 {
		m.To = append(m.To, fmt.Sprintf("Somebody Number %d <somebody.%d@example.com>", i, i))
	}
	text, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line has %d characters: %.50q", len(line), line)
		}
	}
	read, err := mail.ReadMessage(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if to, err := read.Header.AddressList("To"); err != nil || len(to) != 60 || to[59].Name != "Somebody Number 59" {
		t.Errorf("got %v, %v", to, err)
	}
	if got := read.Header.Get("Subject"); got != strings.TrimSpace(m.Subject) {
		t.Errorf("got the subject %q", got)
	}
}

func TestServerThatDoesNotStopTalkingIsLeft(t *testing.T) {
	t.Parallel()
	address, _ := serve(t, map[string]string{"MAIL": "250 " + strings.Repeat("x", 3<<20)})
	err := (&Server{Address: address}).Send(t.Context(), message())
	if fault.ClassOf(err) != fault.Transient || !strings.Contains(err.Error(), "the server said more than 1 MiB") {
		t.Errorf("got %.200v of class %s", err, fault.ClassOf(err))
	}
}

func TestMailThatIsStoppedSaysSo(t *testing.T) {
	t.Parallel()
	address, _ := serve(t, map[string]string{"MAIL": "hang"})
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	time.AfterFunc(50*time.Millisecond, func() { cancel(stopped) })
	err := (&Server{Address: address}).Send(ctx, message())
	if !errors.Is(err, stopped) || fault.ClassOf(err) == fault.Transient {
		t.Errorf("got %v of class %s", err, fault.ClassOf(err))
	}
}

func TestWrongAddressesAreErrorsOfTheDefinition(t *testing.T) {
	t.Parallel()
	server := Server{Address: "127.0.0.1:1"}
	for name, change := range map[string]func(*Message){
		"from":         func(m *Message) { m.From = "nobody" },
		"to":           func(m *Message) { m.To = []string{"a@b.c, d@e.f"} },
		"no recipient": func(m *Message) { m.To = nil },
	} {
		m := message()
		change(m)
		if err := server.Send(t.Context(), m); fault.ClassOf(err) != fault.Definition {
			t.Errorf("%s: %v", name, err)
		}
	}
}
