package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/smtp"
	"net/textproto"

	"batchctl/pkg/fault"
)

// Server is where mails are handed in, with the keys that definitions have for it.
type Server struct {
	Address  string `yaml:"server,required" help:"the SMTP server, host:port; ports are 587 (submission), 465 (tls) and 25"`
	TLS      string `yaml:"tls" enum:"auto|starttls|tls|none" default:"auto" help:"auto: encrypted where the server offers it; starttls: else it is an error; tls: from the first byte; none: never"`
	User     string `yaml:"user" help:"who logs in; nobody where absent"`
	Password string `yaml:"password" help:"of the user"`

	Roots *x509.CertPool `yaml:"-"` // who may sign the server's certificate; nil: whom the system trusts
}

// Check looks at what can be known of a server without asking it.
func (s *Server) Check() error {
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return fault.New(fault.Definition, "server: expected host:port").WithHint("write smtp.example.com:587")
	}
	return nil
}

// Send hands a mail to the server. It ends with ctx, whose cause it wraps then. Errors are transient where trying again may
// help: no connection, or an answer 4xx (RFC 5321, section 4.2.1).
func (s *Server) Send(ctx context.Context, m *Message) error {
	if err := s.Check(); err != nil {
		return err
	}
	from, to, err := m.parties()
	if err != nil {
		return err
	}
	text, err := m.Bytes()
	if err != nil {
		return err
	}
	if err := s.deliver(ctx, from, to, text); err != nil {
		return classified(ctx, err)
	}
	return nil
}

func (s *Server) deliver(ctx context.Context, from string, to []string, text []byte) (err error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	end := context.AfterFunc(ctx, func() { conn.Close() })
	defer end()
	client, err := s.begin(&patience{conn, maxSaid})
	if err != nil {
		return err
	}
	if err := client.Mail(from); err != nil {
		return err
	}
	for _, one := range to {
		if err := client.Rcpt(one); err != nil {
			return err
		}
	}
	body, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := body.Write(text); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	_ = client.Quit() // the mail was accepted
	return nil
}

// maxSaid is how many bytes a server may say in one conversation: usually it is less than a thousand.
const maxSaid = 1 << 20

// patience is a connection that is heard so far and no further: net/smtp takes answers of any length.
type patience struct {
	net.Conn
	left int
}

func (p *patience) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, fault.New(fault.Transient, "mail: the server said more than 1 MiB").WithHint("is it an SMTP server?")
	}
	n, err := p.Conn.Read(b[:min(len(b), p.left)])
	p.left -= n
	return n, err
}

func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	if s.TLS == "tls" {
		return (&tls.Dialer{Config: s.tlsConfig()}).DialContext(ctx, "tcp", s.Address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", s.Address)
}

func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.host(), RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
}

func (s *Server) host() string {
	host, _, _ := net.SplitHostPort(s.Address)
	return host
}

// begin greets the server, encrypts and logs in.
func (s *Server) begin(conn net.Conn) (*smtp.Client, error) {
	client, err := smtp.NewClient(conn, s.host())
	if err != nil {
		return nil, err
	}
	offered, _ := client.Extension("STARTTLS")
	switch {
	case offered && (s.TLS == "auto" || s.TLS == "" || s.TLS == "starttls"):
		if err := client.StartTLS(s.tlsConfig()); err != nil {
			return nil, err
		}
	case s.TLS == "starttls":
		return nil, fault.New(fault.Environment, "the server offers no encryption").WithHint("tls: tls encrypts from the first byte, usually on port 465")
	}
	if s.User == "" {
		return client, nil
	}
	return client, s.login(client)
}

// login refuses to send a password in the clear, but to this very host.
func (s *Server) login(client *smtp.Client) error {
	_, encrypted := client.TLSConnectionState()
	if host := net.ParseIP(s.host()); !encrypted && s.host() != "localhost" && (host == nil || !host.IsLoopback()) {
		return fault.New(fault.Environment, "the server offers no encryption, so the password was not sent").WithHint("use a server with tls, or leave user and password out")
	}
	return client.Auth(smtp.PlainAuth("", s.User, s.Password, s.host()))
}

// classified gives an error of a conversation its class, and says what an ended ctx means.
func classified(ctx context.Context, err error) error {
	var answer *textproto.Error
	var own *fault.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &own):
		return err
	case ctx.Err() != nil:
		return fault.Wrap(fault.ClassOf(context.Cause(ctx)), context.Cause(ctx), "mail")
	case errors.As(err, &certificate):
		return fault.Wrap(fault.Environment, err, "mail")
	case errors.As(err, &answer) && answer.Code >= 500:
		return fault.Wrap(fault.Environment, err, "mail: the server refuses")
	case errors.As(err, &answer):
		return fault.Wrap(fault.Transient, err, "mail: the server asks to try later")
	case errors.Is(err, io.EOF):
		return fault.New(fault.Transient, "mail: the server hung up")
	}
	return fault.Wrap(fault.Transient, err, "mail")
}
