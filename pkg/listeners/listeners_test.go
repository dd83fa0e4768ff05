package listeners

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// listenerOf makes a listener of the YAML of its kind.
func listenerOf(t *testing.T, kind, yaml string) (batch.Listener, error) {
	t.Helper()
	entry, ok := Table().Lookup(kind)
	if !ok {
		t.Fatalf("there is no %s", kind)
	}
	document, err := config.Parse("job.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	conf := entry.New()
	if err := new(config.Decoder).Decode(document.Root, conf); err != nil {
		t.Fatal(err)
	}
	return entry.Build(conf, &catalog.Env{Job: "load", Base: t.TempDir(), After: time.After, Now: func() time.Time { return time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC) }})
}

func notification() batch.Notification {
	return batch.Notification{Event: "job.failed", Text: "load #7 failed: <a> & b", Summary: []byte(`{"job":"load"}`), ID: "load-7-3"}
}

// request is what a server was sent.
type request struct {
	method, body string
	header       http.Header
}

func serve(t *testing.T) (address string, got chan request) {
	t.Helper()
	got = make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Method, string(body), r.Header}
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func TestRequestsAreWhatTheirKeysSay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind, yaml, method, body string
	}{
		"summary":        {"http", "", "POST", `{"job":"load"}`},
		"own body":       {"http", "method: PUT\nbody: 'failed: 7'\n", "PUT", "failed: 7"},
		"without a body": {"http", "method: GET\n", "GET", ""},
		"slack":          {"slack", "", "POST", `{"text":"load #7 failed: &lt;a&gt; &amp; b"}`},
		"slack, told":    {"slack", "text: 'look: <https://a|b>'\nchannel: '#ops'\n", "POST", `{"text":"look: <https://a|b>","channel":"#ops"}`},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			address, sent := serve(t)
			listener, err := listenerOf(t, c.kind, "url: "+address+"/x\n"+c.yaml)
			if err != nil {
				t.Fatal(err)
			}
			if err := listener.Notify(t.Context(), notification()); err != nil {
				t.Fatal(err)
			}
			got := <-sent
			if got.method != c.method || plain(got.body) != c.body || got.header.Get("Idempotency-Key") != "load-7-3" {
				t.Errorf("sent %+v, want %s %s", got, c.method, c.body)
			}
		})
	}
}

// plain undoes the escapes of JSON that Go adds for HTML.
func plain(text string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(text)
}

func TestHeadersReplaceTheUsualOnes(t *testing.T) {
	t.Parallel()
	address, sent := serve(t)
	listener, err := listenerOf(t, "http", "url: "+address+"\nheaders: {content-type: text/plain, Authorization: Bearer x}\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Notify(t.Context(), notification()); err != nil {
		t.Fatal(err)
	}
	if got := (<-sent).header; got.Get("Content-Type") != "text/plain" || got.Get("Authorization") != "Bearer x" {
		t.Errorf("headers %v", got)
	}
}

func TestAListenerWithoutAnAddressIsOff(t *testing.T) {
	t.Parallel()
	for kind, yaml := range map[string]string{
		"http": "url: ''\n", "slack": "url: ''\n", "mail": "server: ''\nfrom: a@example.com\nto: [b@example.com]\n",
	} {
		if listener, err := listenerOf(t, kind, yaml); listener != nil || err != nil {
			t.Errorf("%s: %v, %v", kind, listener, err)
		}
	}
}

func TestListenersNeedTimeToAct(t *testing.T) {
	t.Parallel()
	for kind, keys := range map[string]string{
		"http":  "url: http://example.com",
		"slack": "url: http://example.com",
		"exec":  "command: [true]",
		"mail":  "server: localhost:25, from: a@example.com, to: [b@example.com]",
	} {
		_, err := listenerOf(t, kind, "{"+keys+", timeout: 0s}")
		if fault.ClassOf(err) != fault.Definition || !strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}

func TestErrorsDoNotHoldTheAddress(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"nobody listens": "http://127.0.0.1:1/c4nary", "with a password": "http://u:c4nary@127.0.0.1:1/", "no such host": "https://c4nary.invalid/",
		"bad port": "http://127.0.0.1:99999/c4nary", "no TLS": "",
	} {
		if address == "" {
			open, _ := serve(t)
			address = strings.Replace(open, "http:", "https:", 1) + "/c4nary"
		}
		listener, err := listenerOf(t, "http", "url: "+address+"\n")
		if err == nil {
			err = listener.Notify(t.Context(), notification())
		}
		if err == nil || strings.Contains(err.Error(), "c4nary") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnEndedContextEndsARequest(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	listener, err := listenerOf(t, "http", "url: "+server.URL+"\ntimeout: 1h\n")
	if err != nil {
		t.Fatal(err)
	}
	reason := fault.New(fault.Transient, "enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, reason)
	defer cancel()
	if err := listener.Notify(ctx, notification()); err == nil || err.Error() != "enough" {
		t.Errorf("got %v", err)
	}
}

func TestSlackTextIsJSON(t *testing.T) {
	t.Parallel()
	address, sent := serve(t)
	listener, err := listenerOf(t, "slack", "url: "+address+"\ntext: \"a \\\"quote\\\"\\nand a line\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Notify(t.Context(), notification()); err != nil {
		t.Fatal(err)
	}
	var payload struct{ Text string }
	if err := json.Unmarshal([]byte((<-sent).body), &payload); err != nil || payload.Text != "a \"quote\"\nand a line" {
		t.Errorf("%q %v", payload.Text, err)
	}
}

func TestProgramsGetTheSummaryAndTheEvent(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	listener, err := listenerOf(t, "exec", `{command: [sh, -c, 'cat > heard; echo "$BATCHCTL_JOB $BATCHCTL_EVENT $MORE" >> heard'], dir: `+folder+`, env: {MORE: "a b"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Notify(t.Context(), notification()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(folder, "heard")); err != nil || string(got) != "{\"job\":\"load\"}\nload job.failed a b\n" {
		t.Errorf("%q %v", got, err)
	}
}

func TestProgramsThatFailAreErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ yaml, says string }{
		"exit code":  {"{command: [sh, -c, 'echo first >&2; echo no such channel >&2; exit 3']}", "sh ended with exit code 3: no such channel"},
		"no program": {"{command: [nosuchprogram-x]}", "start nosuchprogram-x"},
		"no folder":  {"{command: [cat], dir: /nowhere/at/all}", "go to the folder"},
		"too slow":   {"{command: [sleep, '60'], timeout: 50ms}", "sleep took longer than 50ms and was ended"},
		"no reading": {"{command: [sh, -c, 'exec <&-; exit 1']}", "sh ended with exit code 1"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			listener, err := listenerOf(t, "exec", c.yaml)
			if err != nil {
				t.Fatal(err)
			}
			if err := listener.Notify(t.Context(), notification()); err == nil || !strings.HasPrefix(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	if _, err := listenerOf(t, "exec", "{command: []}"); fault.ClassOf(err) != fault.Definition {
		t.Errorf("an empty command: %v", err)
	}
}

func TestAMailSaysWhatHappened(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	heard := make(chan string, 1)
	go func() {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		heard <- converse(conn)
	}()
	listener, err := listenerOf(t, "mail", "{server: '"+server.Addr().String()+"', from: batch@example.com, to: [ops@example.com]}")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Notify(t.Context(), notification()); err != nil {
		t.Fatal(err)
	}
	got := <-heard
	for _, want := range []string{"Subject: load #7 failed: <a> & b", "Message-ID: <load-7-3@batchctl>", `{"job":"load"}`, "Date: Fri, 20 Nov 2026"} {
		if !strings.Contains(got, want) {
			t.Errorf("the mail does not say %q:\n%s", want, got)
		}
	}
}

// converse takes one mail and returns it.
func converse(conn net.Conn) string {
	var text strings.Builder
	in := bufio.NewScanner(conn)
	fmt.Fprint(conn, "220 here\r\n")
	for in.Scan() {
		switch {
		case in.Text() == "DATA":
			fmt.Fprint(conn, "354 go on\r\n")
			for in.Scan() && in.Text() != "." {
				text.WriteString(in.Text() + "\n")
			}
			fmt.Fprint(conn, "250 taken\r\n")
		case in.Text() == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return text.String()
		default:
			fmt.Fprint(conn, "250 fine\r\n")
		}
	}
	return text.String()
}
