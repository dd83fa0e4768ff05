package tasklets

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/record"
	"batchctl/pkg/web"
)

func (h *httpTasklet) expected(status int) bool {
	if len(h.conf.Expect) == 0 {
		return status >= 200 && status < 300
	}
	return slices.Contains(h.conf.Expect, status)
}

// maxAnswer is how large an answer may be that the context is made of.
const maxAnswer = 4 << 20

// take takes over the answer.
func (h *httpTasklet) take(ctx context.Context, response *http.Response, c *batch.Contribution) error {
	var body []byte
	switch {
	case h.conf.To != "":
		if err := h.save(ctx, response); err != nil {
			return err
		}
	case len(h.conf.Context) > 0:
		var err error
		body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
		if err != nil {
			return h.named(web.Unanswered(ctx, h.conf.URL, err))
		}
		if len(body) > maxAnswer {
			return h.named(fault.New(fault.Environment, "the answer is larger than 4 MiB").WithCode("too_large").WithHint("write it to a file: to, and read that in a step"))
		}
	}
	text := strings.ToValidUTF8(string(body), "\ufffd")
	value := record.NullValue
	if json.Valid([]byte(text)) {
		value = record.OfJSON(text)
	}
	return h.left.leave(c, record.OfInt(int64(response.StatusCode)), record.OfText(text), value, record.OfJSON(headersOf(response)))
}

// headersOf is the headers by name, of several with one name the first.
func headersOf(response *http.Response) string {
	dst := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(response.Header)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(record.AppendJSONString(dst, strings.ToLower(name)), ':')
		dst = record.AppendJSONString(dst, response.Header.Get(name))
	}
	return string(append(dst, '}'))
}

// save writes the body to a file, which appears when it is complete.
func (h *httpTasklet) save(ctx context.Context, response *http.Response) error {
	p, err := files.Begin(output(h.env, string(h.conf.To), true))
	if err != nil {
		return err
	}
	if _, err := io.Copy(p, response.Body); err != nil {
		if fault.ClassOf(err) == fault.Internal { // not of the file
			err = h.named(web.Unanswered(ctx, h.conf.URL, err))
		}
		return errors.Join(err, p.Discard())
	}
	return errors.Join(p.Publish(), p.Close())
}
