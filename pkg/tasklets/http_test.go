package tasklets_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Asked", r.Method+" "+r.URL.RequestURI())
	w.Header().Set("X-Headers", strings.Join([]string{r.Header.Get("X-Own"), r.Header.Get("Content-Type"), r.Header.Get("Authorization")}, "|"))
	w.Header().Set("X-Key", r.Header.Get("Idempotency-Key"))
	switch r.URL.Path {
	case "/bad":
		w.WriteHeader(422)
		fmt.Fprint(w, "no such\nday")
	case "/busy":
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(503)
	case "/created":
		w.WriteHeader(201)
	case "/large":
		fmt.Fprint(w, strings.Repeat("x", 5<<20))
	case "/cut":
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "short")
	case "/moved":
		http.Redirect(w, r, "/there", http.StatusFound)
	case "/hang":
		<-r.Context().Done()
	default:
		fmt.Fprint(w, string(body))
	}
}

func TestRequestIsMadeAsItIsWritten(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	p := newPlace(t)
	p.patient = true
	p.names.SetInt("params.n", 5).SetText("params.day", "2026-11-20")
	p.write("body.txt", "from a file")
	const left = "context: {asked: 'headers[\"x-asked\"]', sent: 'headers[\"x-headers\"]', body: body, status: status}"
	for name, c := range map[string]struct{ keys, asked, sent, body string }{
		"get":   {"", "GET /a", "||", ""},
		"query": {"query: {day: '${params.day}', n: 2, s: a b&c}", "GET /a?day=2026-11-20&n=2&s=a+b%26c", "||", ""},
		"body":  {"body: 'day=${params.day}', headers: {X-Own: own, Content-Type: text/csv}", "POST /a", "own|text/csv|", "day=2026-11-20"},
		"json": {"json: {day: '${params.day}', n: '${params.n}', list: [1, two, null, true, 1.50], more: {a: '1'}}", "POST /a", "|application/json|",
			`{"day":"2026-11-20","n":5,"list":[1,"two",null,true,1.50],"more":{"a":"1"}}`},
		"file":     {"file: body.txt, method: PUT", "PUT /a", "||", "from a file"},
		"password": {"user: me, password: pw, method: DELETE", "DELETE /a", "||Basic bWU6cHc=", ""},
	} {
		if c.keys != "" {
			c.keys = ", " + c.keys
		}
		done := p.does("http", "{url: '"+server.URL+"/a', "+left+c.keys+"}")
		for value, want := range map[string]string{"asked": c.asked, "sent": c.sent, "body": c.body, "status": "200"} {
			if got := strings.ReplaceAll(strings.Trim(string(done.Context[value]), `"`), `\"`, `"`); got != want {
				t.Errorf("%s: %s is %s, want %s", name, value, got, want)
			}
		}
	}
	p.leaves(p.does("http", "{url: '"+server.URL+"', json: {id: 7, tags: [a, b]}, context: {id: json.id * 2, tag: 'json.tags[1]', text: 'json_get(body, \"id\")'}}"), "id=14", `tag="b"`, "text=7")
	p.leaves(p.does("http", "{url: '"+server.URL+"', body: plain, context: {j: json == nil}}"), "j=true")
	p.does("http", "{url: '"+server.URL+"/bad', expect: [422, 200]}")
	p.does("http", "{url: '"+server.URL+"/created', method: POST}")
}

func TestAnswersDecideByTheirStatus(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	address := strings.Replace(server.URL, "http://", "http://user:hush@", 1)
	host, _ := url.Parse(server.URL)
	p := newPlace(t)
	p.patient = true
	err := p.refuses("http", "{url: '"+address+"/bad?token=hush'}", fault.Environment, "GET http://"+host.Host+": the server answered 422 Unprocessable Entity: no such day")
	if fault.CodeOf(err) != "http_422" || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v, code %s", err, fault.CodeOf(err))
	}
	var busy *batch.BusyError
	err = p.refuses("http", "{url: '"+address+"/busy'}", fault.Transient, "503 Service Unavailable")
	if !errors.As(err, &busy) || busy.After != 90*time.Second || fault.CodeOf(err) != "http_503" {
		t.Errorf("got %v, code %s, to be tried again after %v", err, fault.CodeOf(err), busy)
	}
	p.refuses("http", "{url: '"+address+"/a', expect: [204]}", fault.Environment, "200 OK")
	p.refuses("http", "{url: '"+address+"/large', context: {x: body}}", fault.Environment, "larger than 4 MiB")
	p.refuses("http", "{url: '"+address+"/cut', context: {x: body}}", fault.Transient, "the answer was cut short")
	p.refuses("http", "{url: '"+address+"/moved', method: POST}", fault.Environment, "302 Found")
	p.leaves(p.does("http", "{url: '"+address+"/moved', context: {asked: 'headers[\"x-asked\"]'}}"), `asked="GET /there"`)
	server.Close()
	if err := p.refuses("http", "{url: '"+address+"/'}", fault.Transient, "http://"+host.Host+": dial: connect: connection refused"); strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

func TestAnswerIsWrittenToAFileWhenItIsWhole(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	p := newPlace(t)
	p.patient = true
	p.does("http", "{url: '"+server.URL+"', body: text, to: out/day.txt}")
	p.holds("out/day.txt=text")
	p.refuses("http", "{url: '"+server.URL+"/cut', to: out/cut.txt}", fault.Transient, "the answer was cut short")
	if _, err := os.Stat(filepath.Join(p.folder, "out/cut.txt")); err == nil {
		t.Error("a part has the name")
	}
	p.does("http", "{url: '"+server.URL+"/large', method: HEAD, to: out/empty.txt}")
	if text := p.read("out/empty.txt"); text != "" {
		t.Errorf("got %d bytes", len(text))
	}
	p.does("http", "{url: '"+server.URL+"/large', to: out/day.txt}")
	if text := p.read("out/day.txt"); len(text) != 5<<20 {
		t.Errorf("got %d bytes", len(text))
	}
}

func TestRepeatedRequestHasTheSameKey(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	p := newPlace(t)
	p.patient = true
	keys := "{url: '" + server.URL + "', body: x, context: {key: 'headers[\"x-key\"]'}}"
	first := p.does("http", keys)
	p.names.SetInt("step.execution_id", 99)
	again := &batch.Contribution{Earlier: first.Kept}
	if err := p.runAgain("http", keys, again); err != nil {
		t.Fatal(err)
	}
	if string(first.Context["key"]) != string(again.Context["key"]) || len(first.Context["key"]) < 5 {
		t.Errorf("got %s and %s", first.Context["key"], again.Context["key"])
	}
	if other := p.does("http", keys); string(other.Context["key"]) == string(first.Context["key"]) {
		t.Error("another visit has the same key")
	}
}

func TestRedirectToAnotherHostDoesNotGetTheHeaders(t *testing.T) {
	t.Parallel()
	var got http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer first.Close()
	p := newPlace(t)
	p.patient = true
	p.does("http", "{url: '"+first.URL+"', headers: {X-Api-Key: hush}, user: me, password: hush}")
	if got == nil || got.Get("X-Api-Key") != "" || got.Get("Authorization") != "" {
		t.Errorf("got %v", got)
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer server.Close()
	server.Config.ErrorLog = nil
	p := newPlace(t)
	p.patient = true
	p.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	p.write("no.pem", "hello")
	err := p.refuses("http", "{url: '"+server.URL+"'}", fault.Environment, "its certificate is not trusted")
	if fault.CodeOf(err) != "certificate" {
		t.Errorf("got code %s", fault.CodeOf(err))
	}
	p.does("http", "{url: '"+server.URL+"', ca: ca.pem}")
	p.refuses("http", "{url: '"+server.URL+"', ca: no.pem}", fault.Environment, "no.pem holds no certificate")
}

func TestRequestTakesNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	p := newPlace(t) // its clock does not wait
	err := p.refuses("http", "{url: '"+server.URL+"/hang', timeout: 5s}", fault.Transient, "no answer within 5s")
	if fault.CodeOf(err) != "timed_out" {
		t.Errorf("got code %s", fault.CodeOf(err))
	}
}

func TestHTTPTaskletRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.patient = true
	for keys, want := range map[string]string{
		"{url: example.com}":                                "expected an address",
		"{url: 'http://x', body: a, json: {a: 1}}":          "there can be one",
		"{url: 'http://x', timeout: 0s}":                    "timeout has to be more",
		"{url: 'http://x', context: {a: nope}}":             "nope",
		"{url: 'http://x', method: FETCH}":                  "expected one of GET, POST",
		`{url: 'http://127.0.0.1:9', headers: {A: "b\nc"}}`: "header A has a line break",
	} {
		p.refuses("http", keys, fault.Definition, want)
	}
}

// What a recorded definition has in the place of a secret is not sent.
func TestSecretsThatWereNotRecordedAreAskedFor(t *testing.T) {
	t.Parallel()
	var secrets config.Secrets
	for kind, definitions := range map[string]map[string]string{
		"http": {
			"{url: 'http://127.0.0.1:1/', user: a, password: '***'}":        "password stood in the definition",
			"{url: 'http://a:***@127.0.0.1:1/'}":                            "the password in url stood",
			"{url: 'http://127.0.0.1:1/?x=1&token=***'}":                    "a secret in url stood",
			"{url: 'http://127.0.0.1:1/', query: {x: 1, key: '***'}}":       "key in query stood",
			"{url: 'http://127.0.0.1:1/', body: 'a=b&token=***'}":           "a secret in body stood",
			"{url: 'http://127.0.0.1:1/', json: {a: [{b: '***'}]}}":         "a secret in json stood",
			"{url: 'http://127.0.0.1:1/', headers: {Authorization: '***'}}": "header Authorization stood",
		},
		"exec": {"{command: [true], env: {API_TOKEN: '***'}}": "variable API_TOKEN stood"},
		"mail": {"{server: '127.0.0.1:1', user: a, password: '***', from: a@b.c, to: d@e.f, subject: x}": "password stood"},
	} {
		for keys, want := range definitions {
			p := newPlace(t)
			if _, err := p.make(kind, keys); err != nil {
				t.Errorf("%s: while checking: %v", keys, err)
			}
			p.hide = secrets.Add
			if err := p.refuses(kind, keys, fault.Definition, want); fault.CodeOf(err) != "not_recorded" {
				t.Errorf("%s: got code %s", keys, fault.CodeOf(err))
			}
		}
	}
}
