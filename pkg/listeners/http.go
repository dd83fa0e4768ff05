package listeners

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

type httpConf struct {
	URL     string             `yaml:"url,required" help:"where the request goes, a secret; empty: the listener is off"`
	Method  string             `yaml:"method" enum:"POST|PUT|PATCH|GET" default:"POST" help:"of the request"`
	Headers config.Map[string] `yaml:"headers" help:"name: value, added to the request"`
	Body    string             `yaml:"body" help:"of the request; the summary as JSON where absent"`
	Timeout config.Duration    `yaml:"timeout" default:"5s" help:"how long request and answer may take"`
}

// httpListener sends one request for each notification.
type httpListener struct {
	url     string
	method  string
	headers config.Map[string]
	body    func(n batch.Notification) ([]byte, error)
	timeout time.Duration
}

func newHTTP(conf *httpConf, _ *catalog.Env) (batch.Listener, error) {
	if off(conf.URL) {
		return nil, nil
	}
	if err := checkURL(conf.URL); err != nil {
		return nil, err
	}
	body := func(n batch.Notification) ([]byte, error) {
		switch {
		case conf.Method == http.MethodGet:
			return nil, nil
		case conf.Body != "":
			return []byte(conf.Body), nil
		}
		return n.Summary, nil
	}
	return &httpListener{conf.URL, conf.Method, conf.Headers, body, time.Duration(conf.Timeout)}, nil
}

// hiddenURL is what the job repository has in place of an address that stood in the definition.
const hiddenURL = "***"

// off reports whether there is no address. A recorded definition has none either.
func off(address string) bool { return address == "" || address == hiddenURL }

// checkURL refuses what is no address of the web, without saying what it is.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fault.New(fault.Definition, "url: expected an address that begins with http:// or https://").WithHint("its value is not shown, because addresses of listeners are secrets")
	}
	return nil
}

// Notify sends the request. Answers of 300 and more are errors: redirects are not followed, because they may turn a POST
// into a GET.
func (l *httpListener) Notify(ctx context.Context, n batch.Notification) error {
	body, err := l.body(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.timeout, tooSlow(l.timeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, l.method, l.url, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Definition, "the request cannot be made").WithHint("is the url complete?")
	}
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("User-Agent", "batchctl")
	request.Header.Set("Idempotency-Key", n.ID)
	for _, header := range l.headers {
		request.Header.Set(header.Name, header.Value)
	}
	response, err := client().Do(request)
	if err != nil {
		return unsent(ctx, l.url, err)
	}
	defer response.Body.Close()
	return refused(response)
}

// client makes one request over a connection of its own.
func client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refused returns an error where the answer is no success.
func refused(response *http.Response) error {
	code := response.StatusCode
	class := fault.Environment
	switch {
	case code < 300:
		return nil
	case code == http.StatusTooManyRequests || code >= 500:
		class = fault.Transient
	}
	return fault.New(class, "the server answered %d %s", code, cmp.Or(http.StatusText(code), "(no standard status)"))
}
