// Package web makes requests whose addresses may be secrets: they never get into errors.
package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// CheckURL refuses what is no address of the web, without saying what it is.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fault.New(fault.Definition, "url: expected an address that begins with http:// or https://").WithHint("its value is not shown, because addresses may hold secrets")
	}
	return nil
}

// Client returns a client whose connections are closed after each request, and that hands redirects back. roots are who may
// sign a server's certificate; nil: whom the system trusts.
func Client(roots *x509.CertPool) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	if roots != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Unanswered says why a request was not answered, without its address, which net/http puts into every error. It is the
// cause of ctx where that ended, else of class transient; a certificate that nobody vouches for is of class environment.
func Unanswered(ctx context.Context, address string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	var unknown *net.DNSError
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		return fault.New(fault.Transient, "its host was not found").WithCode("no_answer")
	case errors.As(err, &certificate):
		return fault.New(fault.Environment, "its certificate is not trusted: %s", without(certificate.Err.Error(), address)).WithCode("certificate")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Transient, "the answer was cut short").WithCode("no_answer")
	case errors.As(err, &network):
		return fault.New(fault.Transient, "%s: %v", network.Op, network.Err).WithCode("no_answer")
	}
	return fault.New(fault.Transient, "%s", without(err.Error(), address)).WithCode("no_answer")
}

// without takes an address and its parts out of a text.
func without(text, address string) string {
	parts := []string{address}
	if u, err := url.Parse(address); err == nil {
		parts = append(parts, u.Host, u.Hostname(), u.RawQuery, u.User.String())
		if len(u.Path) > 1 {
			parts = append(parts, u.Path)
		}
	}
	for _, part := range parts {
		if part != "" {
			text = strings.ReplaceAll(text, part, "***")
		}
	}
	return text
}

// RetryAfter returns how long the server wants to be left alone, from the header Retry-After in either form (RFC 9110, section
// 10.2.3); 0 where it does not say, or says what nobody understands.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// Refused returns the error of an answer that is no success: transient where trying again may help (RFC 9110: 408, 429
// and 5xx; RFC 8470: 425), else of class environment. The code is http_404 and the like.
func Refused(status int) *fault.Error {
	class := fault.Environment
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status == http.StatusTooEarly {
		class = fault.Transient
	}
	text := cmp.Or(http.StatusText(status), "(no standard status)")
	return fault.New(class, "the server answered %d %s", status, text).WithCode("http_" + strconv.Itoa(status))
}
