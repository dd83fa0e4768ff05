package tasklets

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/web"
)

// httpConf is the configuration of the http tasklet.
type httpConf struct {
	URL      string                        `yaml:"url,required" help:"where the request goes; errors do not show more than its host"`
	Method   string                        `yaml:"method" enum:"GET|POST|PUT|PATCH|DELETE|HEAD" help:"GET, or with body or json POST, where absent"`
	Query    config.Map[config.AnyScalar]  `yaml:"query" help:"name: value, added to the url"`
	Headers  config.Map[string]            `yaml:"headers" help:"name: value"`
	User     string                        `yaml:"user" help:"who logs in (basic authentication)"`
	Password string                        `yaml:"password" help:"of the user"`
	Body     string                        `yaml:"body" help:"text to send"`
	JSON     *jsonText                     `yaml:"json" help:"YAML that is sent as JSON"`
	File     config.Path                   `yaml:"file" help:"a file to send"`
	Expect   []int                         `yaml:"expect" help:"answers that complete the step; 200 to 299 where absent"`
	To       config.Path                   `yaml:"to" help:"a file that the body of the answer is written to"`
	Timeout  config.Duration               `yaml:"timeout" default:"30s" help:"how long the request may take, its answer included"`
	CA       config.Path                   `yaml:"ca" help:"a file of certificates (PEM) that may sign the server's; without it those that the system trusts"`
	Context  config.Map[config.Expression] `yaml:"context" help:"name: expression over status, body (its text), json (its value, null where it is none) and headers (by names in lower case) of the answer, put into the job's context"`
}

// httpTasklet makes a request. Begun anew, it makes it again, with the same idempotency key.
type httpTasklet struct {
	conf *httpConf
	env  *catalog.Env
	left *leftovers
}

func newHTTP(conf *httpConf, env *catalog.Env) (batch.Tasklet, error) {
	var wrong fault.List
	if conf.URL != "" { // while checking: not known yet
		wrong.Add(web.CheckURL(conf.URL))
	}
	bodies := 0
	for _, there := range []bool{conf.Body != "", conf.JSON != nil, conf.File != ""} {
		if there {
			bodies++
		}
	}
	if bodies > 1 {
		wrong.Add(fault.New(fault.Definition, "tasklet http: of body, json and file there can be one"))
	}
	if conf.Method == "" {
		conf.Method = http.MethodGet
		if bodies > 0 {
			conf.Method = http.MethodPost
		}
	}
	if conf.Timeout <= 0 {
		wrong.Add(fault.New(fault.Definition, "tasklet http: timeout has to be more than nothing"))
	}
	wrong.Add(hideRequest(env, conf))
	left, err := newLeftovers(conf.Context, env, record.Field{Name: "status", Kind: record.Int}, record.Field{Name: "body", Kind: record.Text},
		record.Field{Name: "json", Kind: record.JSON}, record.Field{Name: "headers", Kind: record.JSON})
	wrong.Add(err)
	return &httpTasklet{conf, env, left}, wrong.Err()
}

// Run makes the request and judges the answer.
func (h *httpTasklet) Run(ctx context.Context, c *batch.Contribution) error {
	ctx, end := within(ctx, h.env.After, time.Duration(h.conf.Timeout),
		fault.New(fault.Transient, "no answer within %s", shown(h.conf.Timeout)).WithCode("timed_out"))
	defer end()
	request, err := h.request(ctx, c)
	if err != nil {
		return err
	}
	client, err := h.client()
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return h.named(web.Unanswered(ctx, h.conf.URL, err))
	}
	defer response.Body.Close()
	if !h.expected(response.StatusCode) {
		refused := web.Refused(response.StatusCode)
		said, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		if text := strings.Join(strings.Fields(strings.ToValidUTF8(string(said), "")), " "); text != "" {
			refused.Err = errors.New(text)
		}
		return h.named(&batch.BusyError{After: web.RetryAfter(response.Header, h.env.Now()), Err: refused})
	}
	return h.take(ctx, response, c)
}

// named says where a request went: scheme and host, since the rest of an address may be a secret.
func (h *httpTasklet) named(err error) error {
	u, parseErr := url.Parse(h.conf.URL)
	if parseErr != nil || errors.Is(err, batch.ErrStopped) {
		return err
	}
	return fault.Wrap(fault.ClassOf(err), err, "%s %s://%s", h.conf.Method, u.Scheme, u.Host).WithHint("%s", fault.HintOf(err)).WithCode(fault.CodeOf(err))
}
