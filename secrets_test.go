package main_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

// canary is a secret with everything in it that other layers escape.
const canary = `c4nary/"S3cret" %zz&ü`

// A secretPath is a way to fail, or to succeed, with the canary in reach.
type secretPath struct {
	name string
	job  string   // the definition; CANARY, ESCAPED and DSN are filled in
	args []string // of batchctl run; nil: none but the path
	also [][]string
}

const secretReader = "reader: {type: inline, records: [{id: 1, name: a}]}\n"

func secretPaths() []secretPath {
	connection := func(driver, dsn string) string {
		return "job: s\ninstance: params\nconnections: {db: {driver: " + driver + ", dsn: '" + dsn + "', connect_timeout: 2s}}\n" +
			"steps:\n- name: load\n  " + secretReader + "  writer: {type: sql, connection: db, table: t}\n"
	}
	parameter := func(step string) string {
		return "job: s\ninstance: params\nparams: {token: {type: string, secret: true, required: true}}\n" +
			"connections: {db: {driver: sqlite, dsn: shop.db}, pg: {driver: postgres, dsn: 'DSN'}}\nsteps:\n- name: load\n" + step
	}
	token := []string{"-p", "token=" + canary}
	table := "  writer: {type: sql, connection: db, table: t, create: true}\n"
	discard := "  writer: {type: discard}\n"
	readers := "  " + secretReader
	filters := func(p string) string { return readers + "  processors:\n  - " + p + "\n" + discard }
	listener := func(keys string) string {
		return "job: s\ninstance: params\nsteps:\n- name: load\n" + readers + discard +
			"listeners:\n- {on: [job.started, step.completed, job.completed], " + keys + "}\n"
	}
	request := func(keys string) string {
		return "job: s\ninstance: params\nparams: {hidden: {type: string, secret: true, default: '${env.SECRET_VALUE}'}}\nsteps:\n- name: call\n" +
			"  tasklet: {type: http, method: GET, " + keys + "}\n"
	}
	everything := [][]string{{"plan", "job.yaml"}, {"validate", "job.yaml"}, {"show", "1"}, {"show", "1", "-o", "json"}}
	return []secretPath{
		{name: "listener nobody answers", job: listener("type: slack, url: 'http://127.0.0.1:1/c4nary'"), also: everything},
		{name: "listener whose host is the secret", job: listener("type: http, url: 'https://${env.SECRET_WORD}.invalid/x'"), also: everything},
		{name: "listener with a password", job: listener("type: http, url: 'http://u:c4nary@127.0.0.1:1/'"), also: everything},
		{name: "listener with a token", job: listener("type: http, url: 'http://127.0.0.1:1/', headers: {Authorization: c4nary}"), also: everything},
		{name: "listener without a scheme", job: listener("type: http, url: '${env.SECRET_VALUE}'"), also: everything},
		{name: "listener with an unknown key", job: listener("type: http, url: 'http://127.0.0.1:1/c4nary', retry: 1"), also: everything},
		{name: "listener of mail", job: listener("type: mail, server: '127.0.0.1:1', user: u, password: c4nary, from: a@b.c, to: [d@e.f]"), also: everything},
		{name: "listener that logs the secret", job: listener("type: log, message: 'look: ${env.SECRET_VALUE}'"), also: everything},
		{name: "recorded listener", job: listener("type: slack, url: 'http://127.0.0.1:1/c4nary'") + "# ", also: [][]string{{"edit"}, {"restart", "--as-recorded"}}},
		{name: "listener of a step", job: "job: s\nsteps:\n- name: load\n" + readers + discard + "  listeners: [{on: step.completed, type: http, url: 'http://127.0.0.1:1/c4nary'}]\n", also: everything},
		{name: "request nobody answers", job: request("url: 'http://127.0.0.1:1/', query: {api_key: c4nary, x: 1}"), also: everything},
		{name: "request with a token that is echoed", job: request("url: 'ECHO', query: {access_token: 'CANARY'}"), also: everything},
		{name: "request with a key in its address", job: request("url: 'ECHO/?q=1&apiKey=ESCAPED&x=${job.execution_id}'"), also: everything},
		{name: "request with a secret parameter in its query", job: request("url: 'ECHO', query: {x: '${params.hidden}'}"), also: everything},
		{name: "request with a secret parameter in its address", job: request("url: 'ECHO/?x=${params.hidden}'"), also: everything},
		{name: "request with an unknown key", job: request("url: 'http://127.0.0.1:1/?client_secret=c4nary', query: {token: c4nary}, expct: 1"), also: everything},
		{name: "request that ends a step as json", job: request("url: 'ECHO', query: {token: 'CANARY'}"), args: []string{"-o", "json", "--log-format", "json", "--log-level", "debug", "--report", "meta/report.json"},
			also: [][]string{{"restart", "-o", "json"}, {"list", "-o", "json"}, {"show", "1", "-o", "json"}, {"plan", "job.yaml", "-o", "json"}}},
		{name: "recorded request", job: request("url: 'ECHO/?x-amz-signature=c4nary0123456789', query: {sig: c4nary0123456789}") + "# ", also: [][]string{{"edit"}, {"restart", "--as-recorded"}, {"restart"}}},
		{name: "nobody listens", job: connection("postgres", "postgres://u:ESCAPED@127.0.0.1:1/db?sslmode=disable")},
		{name: "bad escape in url", job: connection("postgres", "postgres://u:c4nary%zz@127.0.0.1:1/db")},
		{name: "port is the password", job: connection("postgres", "postgres://u:c4nary@127.0.0.1:c4nary/db")},
		{name: "key value form", job: connection("postgres", "host=127.0.0.1 port=1 user=u password=c4nary sslmode=disable")},
		{name: "unclosed quote", job: connection("postgres", "host=127.0.0.1 port=1 password=''c4nary")},
		{name: "unknown sslmode", job: connection("postgres", "postgres://u:ESCAPED@127.0.0.1:1/db?sslmode=maybe")},
		{name: "missing root certificate", job: connection("postgres", "postgres://u:ESCAPED@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/nowhere")},
		{name: "unknown host", job: connection("postgres", "postgres://u:ESCAPED@nobody.invalid/db")},
		{name: "unknown driver", job: connection("mysql", "u:c4nary@tcp(127.0.0.1)/db")},
		{name: "unknown option", job: connection("postgres", "postgres://u:ESCAPED@127.0.0.1:1/db?sslmode=disable&sslpassword=c4nary")},
		{name: "dsn from environment", job: connection("postgres", "${env.SECRET_VALUE}")},
		{name: "part of dsn from environment", job: connection("postgres", "postgres://u:${env.SECRET_VALUE}@127.0.0.1:1/db")},
		{name: "dsn from file", job: connection("postgres", "${file:secret.txt}")},
		{name: "sqlite in a folder that cannot be made", job: connection("sqlite", "/proc/${env.SECRET_WORD}/x.db")},
		{name: "unknown key beside dsn", job: strings.Replace(connection("postgres", "postgres://u:c4nary@127.0.0.1:1/db"), "connect_timeout", "conect_timeout", 1)},
		{name: "plan of a dsn", job: connection("postgres", "postgres://u:ESCAPED@127.0.0.1:1/db?sslmode=disable"), also: [][]string{{"plan", "job.yaml"}, {"plan", "job.yaml", "-o", "json"}, {"validate", "job.yaml"}}},
		{name: "complete", job: parameter(readers + table), args: token, also: [][]string{{"show", "1"}, {"show", "1", "-o", "json"}, {"list"}, {"list", "-o", "json"}}},
		{name: "complete as json", job: parameter(readers + table), args: append([]string{"-o", "json", "--log-format", "json", "--log-level", "debug"}, token...)},
		{name: "plan with parameter", job: parameter(filters("filter: name == params.token")), args: token, also: [][]string{append([]string{"plan", "job.yaml"}, token...)}},
		{name: "conversion of the secret", job: parameter(filters("set: {x: int(params.token)}")), args: token, also: [][]string{{"show", "1"}, {"restart"}}},
		{name: "rule about the secret", job: parameter(readers + "  processors:\n  - set: {name: params.token}\n  - convert: {name: int}\n" + discard), args: token},
		{name: "missing file named by the secret", job: parameter("  reader: {type: csv, path: '/nowhere/${params.token}.csv'}\n" + discard), args: token, also: [][]string{{"show", "1", "-o", "json"}}},
		{name: "output in a folder that cannot be made", job: parameter(readers + "  writer: {type: csv, path: '/proc/${params.token}/x.csv'}\n"), args: token},
		{name: "sql error with the secret bound", job: parameter("  reader: {type: sql, connection: db, query: 'select nothing from nowhere where x = :token'}\n" + discard), args: token},
		{name: "postgres error with the secret bound", job: parameter("  reader: {type: sql, connection: pg, query: 'select cast(:token as int) as x'}\n" + discard), args: token},
		{name: "duplicate key of the secret", job: parameter("  reader: {type: inline, records: [{id: 1}, {id: 2}]}\n  processors:\n  - set: {id: params.token}\n" +
			"  writer: {type: sql, connection: pg, table: duplicates, create: true, key: [id]}\n"), args: token},
		{name: "value of a wrong type", job: strings.Replace(parameter(readers+discard), "type: string", "type: int", 1), args: token},
		{name: "value that matches no pattern", job: strings.Replace(parameter(readers+discard), "secret: true", "secret: true, pattern: '[0-9]+'", 1), args: token},
		{name: "value that is not in the list", job: strings.Replace(parameter(readers+discard), "secret: true", "secret: true, enum: [a, b]", 1), args: token},
		{name: "unknown parameter", job: parameter(readers + discard), args: []string{"-p", "tokn=" + canary}},
		{name: "no equals sign", job: parameter(readers + discard), args: []string{"-p", canary}},
		{name: "given twice", job: parameter(readers + discard), args: append(token, token...)},
		{name: "restart asks for the secret", job: parameter(filters("filter: int(params.token) > 0")), args: token, also: [][]string{{"restart"}, {"restart", "-o", "json"}}},
		{name: "secret default in the definition", job: strings.Replace(parameter(filters("set: {x: int(params.token)}")), "required: true", "default: c4nary", 1), also: [][]string{{"show", "1"}}},
		{name: "secret default from environment", job: strings.Replace(parameter(filters("set: {x: int(params.token)}")), "required: true", "default: '${env.SECRET_VALUE}'", 1)},
		{name: "changed definition", job: parameter(filters("set: {x: int(params.token)}")), args: token, also: [][]string{{"edit"}, append([]string{"restart"}, token...)}},
	}
}

func TestSecretsAppearNowhere(t *testing.T) {
	t.Parallel()
	dsn := sqltest.Postgres(t)
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := url.QueryUnescape(r.URL.RawQuery)
		http.Error(w, "no such thing: "+r.URL.RawQuery+", "+text, http.StatusNotFound)
	}))
	t.Cleanup(echo.Close)
	paths := secretPaths()
	if len(paths) < 30 {
		t.Fatalf("only %d ways, want 30", len(paths))
	}
	for _, path := range paths {
		t.Run(strings.ReplaceAll(path.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			text := strings.NewReplacer("ESCAPED", url.QueryEscape(canary), "DSN", dsn, "ECHO", echo.URL, "CANARY", canary).Replace(path.job)
			writeFile(t, folder, "job.yaml", text)
			writeFile(t, folder, "secret.txt", canary+"\n")
			commands := append([][]string{append([]string{"run", "job.yaml"}, path.args...)}, path.also...)
			for _, args := range commands {
				if args[0] == "edit" {
					writeFile(t, folder, "job.yaml", text+"# changed\n")
					continue
				}
				lookForCanary(t, strings.Join(args[:1], " "), secretly(t, folder, args))
			}
			lookThroughFiles(t, folder)
		})
	}
}

// secretly runs a command with the canary in its environment and returns all it printed.
func secretly(t *testing.T, folder string, args []string) []byte {
	t.Helper()
	c := command(t, folder, args...)
	c.Env = append(c.Env, "SECRET_VALUE="+canary, "SECRET_WORD=c4nary")
	c.WaitDelay = 30 * time.Second
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	_ = c.Run()
	if c.ProcessState == nil {
		t.Fatalf("batchctl %s did not run", args[0])
	}
	return out.Bytes()
}

func lookForCanary(t *testing.T, where string, text []byte) {
	t.Helper()
	if i := bytes.Index(text, []byte("c4nary")); i >= 0 {
		t.Errorf("%s shows the secret: ...%s...", where, text[max(0, i-80):min(len(text), i+40)])
	}
}

// lookThroughFiles looks for the canary in all that batchctl wrote: the metadata with its log and its locks.
func lookThroughFiles(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(folder, "meta"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a folder that was never made holds no secret
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lookForCanary(t, filepath.Base(path), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The address of a job repository on a server holds a password, given as a flag or in the environment.
func TestPasswordOfTheRepositoryAppearsNowhere(t *testing.T) {
	t.Parallel()
	server, err := url.Parse(sqltest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	server.User = url.UserPassword(server.User.Username(), canary) // the server trusts whoever asks
	addresses := map[string]string{
		"reached":           server.String(),
		"nobody listens":    "postgres://u:" + url.QueryEscape(canary) + "@127.0.0.1:1/db?sslmode=disable",
		"password setting":  "postgres://u@127.0.0.1:1/db?password=" + url.QueryEscape(canary),
		"not a URL":         "postgres://u:c4nary%zz@127.0.0.1/db",
		"port is password":  "postgres://u:c4nary@127.0.0.1:c4nary/db",
		"wrong lease":       "postgres://u:" + url.QueryEscape(canary) + "@127.0.0.1:1/db?lease=c4nary",
		"missing schema":    strings.Replace(server.String(), "csearch_path", "csearch_path=nowhere%20-cxx.yy", 1),
		"another scheme":    "mysql://u:c4nary@127.0.0.1/db",
		"key=value":         "host=127.0.0.1 port=1 user=u password=c4nary dbname=x",
		"unknown parameter": server.String() + "&nothing=c4nary",
	}
	for name, address := range addresses {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			writeFile(t, folder, "job.yaml", "job: s\nsteps:\n- name: load\n  "+secretReader+"  writer: {type: csv, path: out.csv}\n")
			for _, args := range [][]string{
				{"run", "job.yaml"}, {"run", "job.yaml", "-o", "json", "--log-format", "json"}, {"run", "job.yaml", "--dry-run"},
				{"run", "job.yaml", "--report", "meta/report.json"}, {"list"}, {"list", "-o", "json"}, {"list", "nobody"}, {"show", "1"}, {"show", "1", "-o", "json"},
				{"restart"}, {"stop", "1"}, {"abandon", "1"}, {"plan", "job.yaml"}, {"validate", "job.yaml"},
			} {
				c := command(t, folder, append(args, "--meta", address)...)
				c.Env = append(c.Env, "XDG_STATE_HOME="+filepath.Join(folder, "meta"))
				out, _ := c.CombinedOutput()
				lookForCanary(t, strings.Join(args, " "), out)
				if name == "reached" && args[0] == "run" && c.ProcessState.ExitCode() != 0 {
					t.Errorf("%v: %s", args, out)
				}
			}
			c := command(t, folder, "run", "job.yaml")
			c.Env = append(c.Env, "BATCHCTL_META="+address, "XDG_STATE_HOME="+filepath.Join(folder, "meta"))
			out, _ := c.CombinedOutput()
			lookForCanary(t, "BATCHCTL_META", out)
			lookThroughFiles(t, folder)
		})
	}
}
