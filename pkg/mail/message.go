// Package mail writes mails and hands them to an SMTP server.
package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"path/filepath"
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// Message is a mail of plain text, with files.
type Message struct {
	From    string // an address, also with a name: Batch <batch@example.com>
	To      []string
	Cc      []string
	Bcc     []string // get it, and are not named in it
	Subject string
	Text    string
	Date    time.Time
	ID      string // unique, without brackets: 17.load@host; "" leaves it to the server
	Files   []File
}

// File is a file that is sent with a mail.
type File struct {
	Name    string // without folders
	Content []byte
}

// parties returns the bare addresses of the envelope. An address that is none is an error of class definition.
func (m *Message) parties() (from string, to []string, err error) {
	if from, err = bare("from", m.From); err != nil {
		return "", nil, err
	}
	if len(m.To) == 0 {
		return "", nil, fault.New(fault.Definition, "to: the mail has no recipient").WithHint("add to: [somebody@example.com]")
	}
	for _, party := range []struct {
		key  string
		list []string
	}{{"to", m.To}, {"cc", m.Cc}, {"bcc", m.Bcc}} {
		for _, one := range party.list {
			address, err := bare(party.key, one)
			if err != nil {
				return "", nil, err
			}
			to = append(to, address)
		}
	}
	return from, to, nil
}

func bare(key, text string) (string, error) {
	address, err := mail.ParseAddress(text)
	if err != nil {
		return "", fault.New(fault.Definition, "%s: %q is not a mail address", key, text).WithHint("write name@example.com, or Name <name@example.com>")
	}
	return address.Address, nil
}

// Bytes returns the mail as it is sent: RFC 5322, the text in UTF-8 as quoted-printable, files as parts of their own (RFC
// 2046) in base64. Line breaks in the subject become blanks, so that no value can add a header. The same message makes the
// same bytes.
func (m *Message) Bytes() ([]byte, error) {
	var b bytes.Buffer
	if err := m.writeHead(&b); err != nil {
		return nil, err
	}
	if len(m.Files) == 0 {
		writeHeader(&b, "Content-Type", "text/plain; charset=utf-8")
		writeHeader(&b, "Content-Transfer-Encoding", "quoted-printable")
		b.WriteString("\r\n")
		err := writeText(&b, m.Text)
		return b.Bytes(), err
	}
	err := m.writeParts(&b)
	return b.Bytes(), err
}

func (m *Message) writeHead(b *bytes.Buffer) error {
	for _, party := range []struct {
		name string
		list []string
	}{{"From", []string{m.From}}, {"To", m.To}, {"Cc", m.Cc}} {
		var all []string
		for _, one := range party.list {
			address, err := mail.ParseAddress(one)
			if err != nil {
				return err
			}
			all = append(all, address.String())
		}
		if len(all) > 0 {
			writeHeader(b, party.name, strings.Join(all, ", "))
		}
	}
	writeHeader(b, "Subject", mime.QEncoding.Encode("utf-8", oneLine(m.Subject)))
	writeHeader(b, "Date", m.Date.Format(time.RFC1123Z))
	if m.ID != "" {
		writeHeader(b, "Message-ID", "<"+oneLine(m.ID)+">")
	}
	writeHeader(b, "Auto-Submitted", "auto-generated") // RFC 3834: no answers from holidays
	writeHeader(b, "MIME-Version", "1.0")
	return nil
}

// headerLine is how long a line of a header should be at most (RFC 5322, section 2.1.1).
const headerLine = 78

// writeHeader folds long headers at their blanks (RFC 5322, section 2.2.3).
func writeHeader(b *bytes.Buffer, name, value string) {
	length, _ := fmt.Fprintf(b, "%s:", name)
	for _, word := range strings.Split(value, " ") {
		if length+1+len(word) > headerLine && length > len(name)+1 {
			b.WriteString("\r\n")
			length = 0
		}
		n, _ := fmt.Fprintf(b, " %s", word)
		length += n
	}
	b.WriteString("\r\n")
}

func writeText(to io.Writer, text string) error {
	w := quotedprintable.NewWriter(to)
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close() // it holds the last line back until then
}

// writeParts writes the text and the files.
func (m *Message) writeParts(b *bytes.Buffer) error {
	parts := multipart.NewWriter(b)
	if err := parts.SetBoundary(m.boundary()); err != nil {
		return err
	}
	writeHeader(b, "Content-Type", "multipart/mixed; boundary="+parts.Boundary())
	b.WriteString("\r\n")
	text, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
	if err != nil {
		return err
	}
	if err := writeText(text, m.Text); err != nil {
		return err
	}
	for _, f := range m.Files {
		if err := writeFile(parts, f); err != nil {
			return err
		}
	}
	return parts.Close()
}

// boundary is a line that is not in the message: a hash of it.
func (m *Message) boundary() string {
	h := sha256.New()
	io.WriteString(h, m.ID+m.Text)
	for _, f := range m.Files {
		h.Write(f.Content)
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// base64Line is how many bytes make a line of 76 characters (RFC 2045, section 6.8).
const base64Line = 57

func writeFile(parts *multipart.Writer, f File) error {
	kind := mime.TypeByExtension(filepath.Ext(f.Name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	part, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type":              {kind},
		"Content-Transfer-Encoding": {"base64"},
		"Content-Disposition":       {mime.FormatMediaType("attachment", map[string]string{"filename": oneLine(f.Name)})},
	})
	if err != nil {
		return err
	}
	for rest := f.Content; len(rest) > 0; {
		n := min(base64Line, len(rest))
		if _, err := io.WriteString(part, base64.StdEncoding.EncodeToString(rest[:n])+"\r\n"); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
