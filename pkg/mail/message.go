// Package mail writes mails and hands them to an SMTP server.
package mail

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// Message is a mail of plain text.
type Message struct {
	From    string // an address, also with a name: Batch <batch@example.com>
	To      []string
	Subject string
	Text    string
	Date    time.Time
	ID      string // unique, without brackets: 17.load@host; "" leaves it to the server
}

// parties returns the bare addresses of the envelope. An address that is none is an error of class definition.
func (m *Message) parties() (from string, to []string, err error) {
	if from, err = bare("from", m.From); err != nil {
		return "", nil, err
	}
	if len(m.To) == 0 {
		return "", nil, fault.New(fault.Definition, "to: the mail has no recipient").WithHint("add to: [somebody@example.com]")
	}
	for _, one := range m.To {
		address, err := bare("to", one)
		if err != nil {
			return "", nil, err
		}
		to = append(to, address)
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

// Bytes returns the mail as it is sent: RFC 5322, the text in UTF-8 as quoted-printable. Line breaks in the subject become
// blanks, so that no value can add a header.
func (m *Message) Bytes() ([]byte, error) {
	from, err := mail.ParseAddress(m.From)
	if err != nil {
		return nil, err
	}
	var to []string
	for _, one := range m.To {
		address, err := mail.ParseAddress(one)
		if err != nil {
			return nil, err
		}
		to = append(to, address.String())
	}
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("From", from.String())
	header("To", strings.Join(to, ", "))
	header("Subject", mime.QEncoding.Encode("utf-8", oneLine(m.Subject)))
	header("Date", m.Date.Format(time.RFC1123Z))
	if m.ID != "" {
		header("Message-ID", "<"+oneLine(m.ID)+">")
	}
	header("Auto-Submitted", "auto-generated") // RFC 3834: no answers from holidays
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	text := quotedprintable.NewWriter(&b)
	if _, err := text.Write([]byte(m.Text)); err != nil {
		return nil, err
	}
	err = text.Close() // it holds the last line back until then
	return b.Bytes(), err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
