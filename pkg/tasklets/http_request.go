package tasklets

import (
	"bytes"
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/web"
)

// maxRedirects is how many redirects are followed, as browsers and net/http do.
const maxRedirects = 10

// maxCertificates is how large a file of certificates may be; what systems trust is a quarter of a MiB.
const maxCertificates = 16 << 20

// client follows redirects of requests that change nothing. Another host does not get the headers of the definition.
func (h *httpTasklet) client() (*http.Client, error) {
	var roots *x509.CertPool
	if h.conf.CA != "" {
		text, err := readWhole(h.env, string(h.conf.CA), maxCertificates, "name the authorities that sign this server's only")
		if err != nil {
			return nil, err
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fault.New(fault.Environment, "%s holds no certificate", relative(h.env.Base, string(h.conf.CA))).WithHint("PEM begins with -----BEGIN CERTIFICATE-----")
		}
	}
	client := web.Client(roots)
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		first := via[0]
		if first.Method != http.MethodGet && first.Method != http.MethodHead || len(via) > maxRedirects {
			return http.ErrUseLastResponse
		}
		next.Header.Del("Referer") // net/http puts the address there
		if next.URL.Host != first.URL.Host {
			next.Header.Del("Authorization") // net/http passes it on to other ports of a host
			for _, header := range h.conf.Headers {
				next.Header.Del(header.Name)
			}
		}
		return nil
	}
	return client, nil
}

func (h *httpTasklet) request(ctx context.Context, c *batch.Contribution) (*http.Request, error) {
	u, err := url.Parse(h.conf.URL)
	if err != nil {
		return nil, web.CheckURL(h.conf.URL)
	}
	query := u.Query()
	for _, p := range h.conf.Query {
		query.Set(p.Name, scalarText(p.Value))
	}
	if len(h.conf.Query) > 0 {
		u.RawQuery = query.Encode()
	}
	body, err := h.body()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, h.conf.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Definition, "the request cannot be made").WithHint("is the url complete?")
	}
	request.Header.Set("User-Agent", "batchctl")
	if h.conf.JSON != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if h.conf.User != "" {
		request.SetBasicAuth(h.conf.User, h.conf.Password)
	}
	if h.conf.Method == http.MethodPost || h.conf.Method == http.MethodPatch {
		// draft-ietf-httpapi-idempotency-key-header: a server that knows it does the same thing once.
		key, err := attemptKey(ctx, h.env, c)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Idempotency-Key", key)
	}
	for _, header := range h.conf.Headers {
		if strings.ContainsAny(header.Value, "\r\n\x00") {
			return nil, header.Key.Errorf("tasklet http: header %s has a line break in its value", header.Name)
		}
		request.Header.Set(header.Name, header.Value)
		if strings.EqualFold(header.Name, "host") {
			request.Host = header.Value
		}
	}
	return request, nil
}

// maxSent is how large a body may be: it is held in memory, to be sent again where a connection dies.
const maxSent = 64 << 20

func (h *httpTasklet) body() ([]byte, error) {
	switch {
	case h.conf.JSON != nil:
		return *h.conf.JSON, nil
	case h.conf.File == "":
		return []byte(h.conf.Body), nil
	}
	return readWhole(h.env, string(h.conf.File), maxSent, "send it with a program: tasklet exec")
}
