package listeners

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/web"
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
	if err := cmp.Or(web.CheckURL(conf.URL), checkTimeout(conf.Timeout)); err != nil {
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

// off reports whether there is no address. A recorded definition has none either.
func off(address string) bool { return address == "" || address == config.Hidden }

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
	response, err := web.Client(nil).Do(request)
	if err != nil {
		return web.Unanswered(ctx, l.url, err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return web.Refused(response.StatusCode)
	}
	return nil
}
