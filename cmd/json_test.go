package cmd

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// jsonCalls are ways to call each command, with the exit code: where all is well, and where it is not.
var jsonCalls = map[string][]struct {
	args string
	code int
}{
	"run": {{"run good.yaml -p day=2026-11-20", 0}, {"run good.yaml -p day=2026-11-20", 7}, {"run good.yaml -p day=2026-11-20 --if-complete skip", 0},
		{"run bad.yaml", 1}, {"run wrong.yaml", 2}, {"run nowhere.yaml", 3}, {"run good.yaml -p day=soon", 2}, {"run good.yaml --dry-run -p day=2026-11-21", 0},
		{"run bad.yaml --dry-run", 1}, {"run", 2}, {"run --nosuch", 2}, {"run good.yaml --if-complete perhaps", 2}, {"run good.yaml --quiet -p day=2026-11-22", 0}},
	"restart": {{"restart 2", 1}, {"restart 99", 8}, {"restart nosuch", 2}, {"restart a b", 2}},
	"stop":    {{"stop 1", 2}, {"stop 99", 8}, {"stop all", 2}},
	"abandon": {{"abandon 4", 0}, {"abandon 4", 8}, {"abandon 99", 8}},
	"purge":   {{"purge --keep-last 9", 0}, {"purge --keep-last 0 --dry-run", 0}, {"purge", 2}, {"purge nosuch --keep-last 0", 2}},
	"list":    {{"list", 0}, {"list --jobs", 0}, {"list nosuch", 0}, {"list --status FAILD", 2}, {"list --meta wrong.yaml", 3}},
	"show":    {{"show 1", 0}, {"show 99", 8}, {"show", 2}},
	"dead-letters": {{"dead-letters list", 2}, {"dead-letters list 99", 8}, {"dead-letters list 1", 2}, {"run skips.yaml", 0},
		{"dead-letters list skips", 0}, {"dead-letters list skips --class prase", 2}, {"dead-letters show 5 1", 0}, {"dead-letters show 5 7", 2},
		{"dead-letters replay 5", 0}, {"dead-letters replay 99", 8}, {"dead-letters nosuch", 2}},
	"validate": {{"validate good.yaml", 0}, {"validate good.yaml wrong.yaml nowhere.yaml", 3}, {"validate", 2}},
	"plan":     {{"plan good.yaml -p day=2026-11-20", 0}, {"plan wrong.yaml", 2}, {"plan good.yaml", 2}},
	"init":     {{"init fresh", 0}, {"init fresh", 2}, {"init a/b", 2}},
	"preview": {{"preview good.yaml -p day=2026-11-20", 0}, {"preview good.yaml -p day=2026-11-20 --step nosuch", 2}, {"preview bad.yaml", 1}, {"preview wrong.yaml", 2},
		{"preview skips.yaml -n 1", 0}, {"preview good.yaml -n 0", 2}, {"preview", 2}},
	"graph":   {{"graph good.yaml", 0}, {"graph wrong.yaml", 2}, {"graph good.yaml --format png", 2}, {"graph", 2}},
	"explain": {{"explain", 0}, {"explain reader", 0}, {"explain reader csv", 0}, {"explain reader cvs", 2}},
	"version": {{"version", 0}, {"version x", 2}},
}

const jsonGood = `job: good
params: {day: {type: date, required: true}}
steps:
  - name: load
    reader: {type: csv, path: in.csv, columns: {id: int}}
    writer: {type: csv, path: "out-${params.day}.csv"}
`

const jsonBad = `job: bad
instance: params
steps:
  - name: load
    reader: {type: csv, path: bad.csv, columns: {id: int}}
    writer: {type: csv, path: out.csv}
`

const jsonSkips = `job: skips
steps:
  - name: load
    reader: {type: csv, path: bad.csv, columns: {id: int}}
    writer: {type: csv, path: skipped.csv}
    skip: {limit: 9}
    dead_letter: {type: jsonl, path: rejected.jsonl}
`

func TestEveryCommandPrintsOneJSONDocument(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"good.yaml": jsonGood, "bad.yaml": jsonBad, "wrong.yaml": "job: wrong\nsteps: none\n", "skips.yaml": jsonSkips, "in.csv": "id\n1\n", "bad.csv": "id\nx\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
	t.Setenv("BATCHCTL_META", filepath.Join(folder, "meta", "batchctl.db"))
	for _, c := range newRootCommand(new(app)).Commands() {
		calls := jsonCalls[c.Name()]
		if len(calls) == 0 {
			t.Errorf("%s is not tried", c.Name())
		}
	}
	for _, name := range []string{"run", "restart", "stop", "abandon", "purge", "list", "show", "dead-letters", "validate", "plan", "explain", "version"} {
		for _, call := range jsonCalls[name] {
			if code := printsOneDocument(t, call.args+" -o json"); code != call.code {
				t.Errorf("%s: exit %d, want %d", call.args, code, call.code)
			}
		}
	}
}

func TestEveryFormOfTheOutputFlagCountsWhereFlagsAreWrong(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"list --nosuch -o json", "list -o json --nosuch", "list --nosuch -ojson", "list --nosuch --output=json", "-o json nosuch", "show --output json"} {
		if code := printsOneDocument(t, call); code != exitUsage {
			t.Errorf("%s: exit %d, want %d", call, code, exitUsage)
		}
	}
	var stdout, stderr bytes.Buffer
	if Main([]string{"show", "--nosuch", "--", "-o", "json"}, strings.NewReader(""), &stdout, &stderr); stdout.Len() > 0 {
		t.Errorf("arguments behind -- were taken for flags: %s", stdout.String())
	}
}

// printsOneDocument calls a command and returns its exit code.
func printsOneDocument(t *testing.T, call string) int {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Main(strings.Fields(call), strings.NewReader(""), &stdout, &stderr)
	decoder := json.NewDecoder(bytes.NewReader(stdout.Bytes()))
	var document any
	if err := decoder.Decode(&document); err != nil {
		t.Errorf("%s: standard output is no JSON: %v: %q", call, err, stdout.String())
		return code
	}
	if _, err := decoder.Token(); err != io.EOF {
		t.Errorf("%s: something stands behind the document: %q", call, stdout.String())
	}
	if code != 0 && !saysError(document) {
		t.Errorf("%s: exit %d without an error object: %s", call, code, stdout.String())
	}
	return code
}

// saysError looks for an object with class and message below a key "errors".
func saysError(document any) bool {
	switch d := document.(type) {
	case []any:
		for _, item := range d {
			if saysError(item) {
				return true
			}
		}
	case map[string]any:
		errors, _ := d["errors"].([]any)
		for _, e := range errors {
			if object, ok := e.(map[string]any); ok && object["class"] != "" && object["message"] != "" {
				return true
			}
		}
	}
	return false
}

func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

func TestEveryCommandHasHelpAndExample(t *testing.T) {
	t.Parallel()
	root := newRootCommand(new(app))
	walk(root, func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short help %q: a line without a period is wanted", c.CommandPath(), c.Short)
		}
		if c != root && c.Name() != "version" && c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if len(line) > 120 {
				t.Errorf("%s: a line of the help is %d letters long", c.CommandPath(), len(line))
			}
		}
	})
}
