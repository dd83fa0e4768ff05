package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/web"
)

func TestAddressesStayOutOfErrors(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	for name, c := range map[string]struct {
		address string
		class   fault.Class
	}{
		"nobody listens": {closed.URL + "/hooks/SECRET?token=SECRET", fault.Transient},
		"no such host":   {"http://secret-host.invalid/SECRET", fault.Transient},
		"not trusted":    {strings.Replace(untrusted.URL, "https://", "https://user:SECRET@", 1) + "/SECRET", fault.Environment},
	} {
		request, err := http.NewRequestWithContext(t.Context(), "GET", c.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := web.Client(nil).Do(request)
		if err == nil {
			response.Body.Close()
			t.Fatalf("%s: answered", name)
		}
		err = web.Unanswered(t.Context(), c.address, err)
		if fault.ClassOf(err) != c.class || strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("%s: got %v of class %s", name, err, fault.ClassOf(err))
		}
	}
	for _, address := range []string{"", "ftp://secret/", "secret", "http://", "http://secret:x:y/"} {
		if err := web.CheckURL(address); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", address, err)
		}
	}
	if err := web.CheckURL("https://example.com/a?b"); err != nil {
		t.Error(err)
	}
}

func TestUnansweredRequestHasTheCauseOfItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("stopped")
	cancel(cause)
	if err := web.Unanswered(ctx, "http://example.com", context.Canceled); err != cause {
		t.Errorf("got %v", err)
	}
}

func TestRefusalsAreTransientWhereTryingAgainMayHelp(t *testing.T) {
	t.Parallel()
	for status, class := range map[int]fault.Class{
		400: fault.Environment, 401: fault.Environment, 404: fault.Environment, 302: fault.Environment,
		408: fault.Transient, 425: fault.Transient, 429: fault.Transient, 500: fault.Transient, 503: fault.Transient, 599: fault.Transient,
	} {
		if err := web.Refused(status); err.Class != class {
			t.Errorf("%d: got class %s, want %s", status, err.Class, class)
		}
	}
}

func TestServerSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"120":                           2 * time.Minute,
		"0":                             0,
		"-5":                            0,
		"soon":                          0,
		"1.5":                           0,
		"Fri, 20 Nov 2026 01:00:30 GMT": 30 * time.Second,
		"Fri, 20 Nov 2026 00:59:00 GMT": 0,
	} {
		header := http.Header{}
		if text != "" {
			header.Set("Retry-After", text)
		}
		if got := web.RetryAfter(header, now); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
