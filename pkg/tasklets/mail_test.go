package tasklets_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// mailServer is an SMTP server on this host. It takes every mail, and hands out what it heard of each.
func mailServer(t *testing.T, refuse string) (address string, heard chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	heard = make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			heard <- converse(conn, refuse)
		}
	}()
	return listener.Addr().String(), heard
}

func converse(conn net.Conn, refuse string) string {
	defer conn.Close()
	var said strings.Builder
	fmt.Fprint(conn, "220 here\r\n")
	in := bufio.NewScanner(conn)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		said.WriteString(in.Text() + "\n")
		switch word, _, _ := strings.Cut(in.Text(), " "); {
		case refuse != "" && strings.HasPrefix(in.Text(), "RCPT"):
			fmt.Fprint(conn, refuse+"\r\n")
		case word == "DATA":
			fmt.Fprint(conn, "354 go on\r\n")
			for in.Scan() && in.Text() != "." {
				said.WriteString(in.Text() + "\n")
			}
			fmt.Fprint(conn, "250 taken\r\n")
		case word == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return said.String()
		default:
			fmt.Fprint(conn, "250 fine\r\n")
		}
	}
	return said.String()
}

func TestMailArrivesWithItsFiles(t *testing.T) {
	t.Parallel()
	address, heard := mailServer(t, "")
	p := newPlace(t)
	p.patient = true
	p.write("out/a.csv", strings.Repeat("id,name\n", 100))
	p.write("out/보고서.txt", "\x00\xff binary")
	c := p.does("mail", "{server: '"+address+"', from: Batch <b@example.com>, to: ops@example.com, cc: [c@example.com, d@example.com], bcc: boss@example.com, "+
		"subject: 'Report: 보고서', body: \"Done.\\n.\\nRows: 5\\n\", attach: out/*}")
	all := <-heard
	for _, want := range []string{"RCPT TO:<ops@example.com>\nRCPT TO:<c@example.com>\nRCPT TO:<d@example.com>\nRCPT TO:<boss@example.com>\n"} {
		if !strings.Contains(all, want) {
			t.Errorf("the server did not hear %q", want)
		}
	}
	_, text, _ := strings.Cut(all, "DATA\n")
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if subject != "Report: 보고서" || m.Header.Get("Cc") != "<c@example.com>, <d@example.com>" || strings.Contains(text, "boss@") {
		t.Errorf("got %q, %v", subject, m.Header)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("got %s, %v", kind, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct{ name, text string }{{"", "Done.\n..\nRows: 5\n"}, {"a.csv", p.read("out/a.csv")}, {"보고서.txt", "\x00\xff binary"}} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(part)
		if part.Header.Get("Content-Transfer-Encoding") == "base64" {
			got = decodeBase64(t, got)
		}
		if err != nil || part.FileName() != want.name || strings.ReplaceAll(string(got), "\r\n", "\n") != want.text {
			t.Errorf("got %s %q, %v", part.FileName(), got, err)
		}
	}

	// A restart sends it again, with the same id.
	again := &batch.Contribution{Earlier: c.Kept}
	p.names.SetInt("step.execution_id", 99)
	if err := p.runAgain("mail", "{server: '"+address+"', from: b@example.com, to: [o@example.com], subject: x}", again); err != nil {
		t.Fatal(err)
	}
	if second := <-heard; m.Header.Get("Message-ID") == "" || !strings.Contains(second, "Message-ID: "+m.Header.Get("Message-ID")) {
		t.Errorf("got %s, and first %s", second, m.Header.Get("Message-ID"))
	}
}

func TestMailThatIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.patient = true
	for answer, class := range map[string]fault.Class{"550 no such user": fault.Environment, "451 later": fault.Transient} {
		address, _ := mailServer(t, answer)
		p.refuses("mail", "{server: '"+address+"', from: b@example.com, to: o@example.com, subject: x}", class, answer[4:])
	}
	address, _ := mailServer(t, "")
	p.refuses("mail", "{server: '"+address+"', from: b@example.com, to: nobody, subject: x}", fault.Definition, `"nobody" is not a mail address`)
	p.refuses("mail", "{server: '"+address+"', from: b@example.com, to: o@example.com, bcc: [x y], subject: x}", fault.Definition, "bcc")
	p.refuses("mail", "{server: example, from: b@example.com, to: o@example.com, subject: x}", fault.Definition, "expected host:port")
	p.refuses("mail", "{server: '"+address+"', from: b@example.com, to: o@example.com, subject: x, attach: none.csv}", fault.Environment, "none.csv")
	p.refuses("mail", "{server: '"+address+"', from: b@example.com, to: o@example.com, subject: x, timeout: 0s}", fault.Definition, "more than nothing")
	p.write("large", strings.Repeat("x", 26<<20))
	p.refuses("mail", "{server: '"+address+"', from: b@example.com, to: o@example.com, subject: x, attach: large}", fault.Environment, "larger than 25 MiB")
	p.refuses("mail", "{server: '127.0.0.1:1', from: b@example.com, to: o@example.com, subject: x}", fault.Transient, "refused")
}

func decodeBase64(t *testing.T, text []byte) []byte {
	t.Helper()
	got, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "").Replace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}
