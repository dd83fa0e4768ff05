package job_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
)

const minimal = `
job: payments
steps:
  - name: load
    reader: {type: csv, path: in.csv}
    writer: {type: discard}
`

func load(t *testing.T, text string) *job.Job {
	t.Helper()
	j, err := job.Load("jobs/payments.yaml", []byte(text))
	if err != nil {
		t.Fatal(fault.Render(err))
	}
	return j
}

func TestLoadReadsTheQuickstart(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/quickstart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	j := load(t, string(text))
	step := j.Steps[0]
	path, _ := step.Reader.Body.Get("path")
	_, hasType := step.Reader.Body.Get("type")
	connection, _ := j.Connections.Get("shop")
	for name, c := range map[string]struct{ got, want any }{
		"name":        {j.Name, "quickstart"},
		"instance":    {j.Instance, job.InstanceEachRun},
		"overlap":     {j.OnOverlap.Over(job.Overlap{}), job.Overlap{Do: "fail", Wait: config.Duration(job.DefaultWait)}},
		"restartable": {j.Restartable, true},
		"step":        {step.Name, "load"},
		"chunk":       {step.ChunkSize(), 500},
		"reader":      {step.Reader.Type, "csv"},
		"path":        {path.Text(), "${params.file}"},
		"type":        {hasType, false},
		"processors":  {len(step.Processors), 2},
		"filter":      {step.Processors[0].Type + " " + step.Processors[0].Body.Text(), `filter status == "PAID"`},
		"writer":      {step.Writer.Type, "sql"},
		"kind":        {step.Writer.Kind.Position().Line > 20, true},
		"driver":      {connection.Driver, "sqlite"},
		"timeout":     {time.Duration(connection.ConnectTimeout), 10 * time.Second},
		"journal":     {connection.Journal, "wal"},
		"hash":        {len(j.Hash), 64},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
}

func TestStepsTakeWhatTheyLeaveOpenFromTheDefaults(t *testing.T) {
	t.Parallel()
	j := load(t, `
job: payments
defaults: {chunk: 200, durability: relaxed}
steps:
  - {name: a, reader: {type: csv}, writer: {type: csv}}
  - {name: b, chunk: 10, durability: full, checkpoint: metadata, reader: {type: csv}, writer: {type: csv}}
`)
	a, b := j.Steps[0], j.Steps[1]
	if a.ChunkSize() != 200 || a.Durability != "relaxed" || a.Checkpoint != "" {
		t.Errorf("got %+v", a.Tuning)
	}
	if b.ChunkSize() != 10 || b.Durability != "full" || b.Checkpoint != "metadata" {
		t.Errorf("got %+v", b.Tuning)
	}
	if got := load(t, minimal).Steps[0].ChunkSize(); got != job.DefaultChunk {
		t.Errorf("got %d", got)
	}
}

func TestIdentifyingParametersMakeTheInstanceUnlessSaidOtherwise(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]string{
		"":                                    job.InstanceEachRun,
		"params: {a: {}}":                     job.InstanceParams,
		"params: {a: {secret: true}}":         job.InstanceEachRun,
		"params: {a: {identifying: false}}":   job.InstanceEachRun,
		"params: {a: {}}\ninstance: each_run": job.InstanceEachRun,
		"instance: params":                    job.InstanceParams,
	} {
		if got := load(t, params+minimal).Instance; got != want {
			t.Errorf("%s: got %s, want %s", params, got, want)
		}
	}
}

func TestRelativePathsStartAtTheFolderOrTheWorkdir(t *testing.T) {
	t.Parallel()
	for workdir, want := range map[string]string{"": "/home/me/jobs", "workdir: ..": "/home/me", "workdir: /data": "/data", "workdir: ./x/": "/home/me/jobs/x"} {
		place := load(t, workdir+minimal).Place("/home/me")
		if place.Base != want || place.Path != "/home/me/jobs/payments.yaml" || place.Folder != "/home/me/jobs" {
			t.Errorf("%s: got %+v, want %s", workdir, place, want)
		}
	}
}

const bindable = `
job: payments
params:
  size: {type: int, default: 100}
connections:
  shop: {driver: sqlite, dsn: "build/${env.SHOP}.db"}
  uri: {driver: sqlite, dsn: "file:build/x.db?mode=ro"}
  memory: {driver: sqlite, dsn: ":memory:"}
  ledger: {driver: postgres, dsn: "${env.ADDRESS}"}
  off: {driver: postgres, dsn: "${env.NONE:-}"}
steps:
  - name: load
    chunk: ${params.size}
    reader: {type: csv, path: "${steps.load.write_count}"}
    writer: {type: discard}
    export: {total: counters.write_count}
`

func testEnv(name string) (string, bool) {
	v, ok := map[string]string{"SHOP": "seoul", "ADDRESS": "postgres://me:hunter22@db/shop"}[name]
	return v, ok
}

func TestBindResolvesTheJobsOwnKeys(t *testing.T) {
	t.Parallel()
	j := load(t, bindable)
	secrets := &config.Secrets{}
	world := &config.World{Env: testEnv, Secrets: secrets}
	parameters, err := j.Resolve(map[string]string{"size": "12"}, job.Options{Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	bound, err := j.Bind(parameters.Into(j.Names(world)), "/base", secrets)
	if err != nil {
		t.Fatal(fault.Render(err))
	}
	want := map[string]string{"shop": "/base/build/seoul.db", "uri": "file:/base/build/x.db?mode=ro", "memory": ":memory:",
		"ledger": "postgres://me:hunter22@db/shop", "off": ""}
	for name, dsn := range want {
		if got, _ := bound.Connections.Get(name); got.DSN != dsn {
			t.Errorf("%s: got %s, want %s", name, got.DSN, dsn)
		}
	}
	if got := bound.Steps[0].ChunkSize(); got != 12 {
		t.Errorf("got chunk %d", got)
	}
	if got := secrets.Redact("hunter22 in postgres://me:hunter22@db/shop"); got != "*** in ***" {
		t.Errorf("got %s", got)
	}
	if j.Steps[0].Chunk != nil || bound.Hash != j.Hash || bound.Name != j.Name || bound.Params.Names()[0] != "size" {
		t.Errorf("the loaded job changed: %+v", j)
	}
}

func TestBindRefusesWhatIsMissingOrDoesNotFit(t *testing.T) {
	t.Parallel()
	j := load(t, bindable)
	names := j.Names(&config.World{Env: func(string) (string, bool) { return "", false }})
	_, err := j.Bind(names.SetText("params.size", "many"), "/base", nil)
	got := fault.Render(err)
	for _, want := range []string{"the environment variable SHOP is not set", "the environment variable ADDRESS is not set", `chunk: expected a whole number, got text "many" from ${params.size}`} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %s", got, want)
		}
	}
	if strings.Contains(got, "NONE") {
		t.Errorf("a variable with a default is reported:\n%s", got)
	}
	_, err = j.Bind(j.Names(&config.World{Env: testEnv}).SetInt("params.size", 0), "/base", nil)
	if err == nil || !strings.Contains(err.Error(), "chunk: expected 1 to 1000000, got 0") {
		t.Errorf("got %v", err)
	}
}

func TestNamesAreThoseOfTheDefinition(t *testing.T) {
	t.Parallel()
	j := load(t, bindable)
	names := job.StepNames("load", j.Names(&config.World{Env: testEnv}))
	for name, want := range map[string]config.Availability{
		"params.size": config.Later, "params.none": config.NoSuchName, "steps.load.write_count": config.Later,
		"steps.load.exit_status": config.Later, "steps.other.write_count": config.NoSuchName, "context.total": config.Later,
		"context.none": config.NoSuchName, "job.name": config.Now, "job.execution_id": config.Later, "step.name": config.Now,
		"counters.skip_count": config.Later, "counters.none": config.NoSuchName, "env.SHOP": config.Now, "env.NONE": config.Later,
		"partition.name": config.NoSuchName, "input.header": config.NoSuchName,
	} {
		if _, got := names.Lookup(name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

func TestPasswordsOfTheDefinitionAreNotInItsErrors(t *testing.T) {
	t.Parallel()
	_, err := job.Load("job.yaml", []byte("job: x\nconnections:\n  a: {driver: pg, dsn: \"postgres://me:canary-1@db/x\"}\n  b: {driver: postgres, dsn: \"host=db password=canary-1\", nothing: 1}\n"))
	if text := fault.Render(err); err == nil || strings.Contains(text, "canary") {
		t.Errorf("got %s", text)
	}
}

func TestEveryKeyOfADefinitionIsExplained(t *testing.T) {
	t.Parallel()
	var check func(prefix string, keys []config.Key)
	seen := map[string]bool{}
	check = func(prefix string, keys []config.Key) {
		for _, k := range keys {
			seen[prefix+k.Name] = true
			if k.Help == "" || k.Type == "" {
				t.Errorf("%s%s: type %q, help %q", prefix, k.Name, k.Type, k.Help)
			}
			check(prefix+k.Name+".", k.Keys)
		}
	}
	check("", config.Keys(job.Job{}))
	for _, key := range []string{"job", "$schema", "params.type", "connections.dsn", "defaults.chunk", "steps.reader", "steps.chunk"} {
		if !seen[key] {
			t.Errorf("%s is not described", key)
		}
	}
}

func TestADefinitionFullOfMistakesIsRefusedSoon(t *testing.T) {
	var b strings.Builder
	b.WriteString("job: payments\nsteps:\n  - name: load\n")
	for i := range 9000 {
		fmt.Fprintf(&b, "    k%d: {a: '${x.y}'}\n", i)
	}
	refusedSoon(t, b.String())
	steps := "job: payments\nsteps:\n" + strings.Repeat("  - {name: a, reader: {type: csv}, writer: {type: csv}, chunk: \"${params.x}\"}\n", 1200)
	refusedSoon(t, steps)
}

// refusedSoon fails the test where a definition is not refused within 300 ms.
func refusedSoon(t *testing.T, text string) {
	t.Helper()
	var err error
	batchtest.Soon(t, 300*time.Millisecond, func() { _, err = job.Load("job.yaml", []byte(text)) })
	if err == nil {
		t.Error("the definition is not refused")
	}
}

func TestStoredTextHasNoPasswords(t *testing.T) {
	t.Parallel()
	connections := "connections:\n  a: {driver: postgres, dsn: \"postgres://me:canary-1@db/x\"}\n  b: {driver: postgres, dsn: \"host=db password=canary-2 user=me\"}\n  c: {driver: sqlite, dsn: x.db}"
	got := load(t, connections+minimal).StoredText()
	want := strings.NewReplacer("canary-1", "***", "canary-2", "***").Replace(connections + minimal)
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestOverlapIsAWordOrABoundedWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want job.Overlap
	}{
		{"fail", job.Overlap{Do: "fail"}},
		{"skip", job.Overlap{Do: "skip"}},
		{"wait", job.Overlap{Do: "wait"}},
		{"{wait: 2h}", job.Overlap{Do: "wait", Wait: config.Duration(2 * time.Hour)}},
	} {
		if got := load(t, minimal+"on_overlap: "+c.text+"\n").OnOverlap; got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.text, got, c.want)
		}
	}
}

func TestOverlapOfARunCountsMoreThanThatOfTheDefinition(t *testing.T) {
	t.Parallel()
	defined := job.Overlap{Do: "wait", Wait: config.Duration(time.Hour)}
	for _, c := range []struct{ given, below, want job.Overlap }{
		{job.Overlap{}, job.Overlap{}, job.Overlap{Do: "fail", Wait: config.Duration(job.DefaultWait)}},
		{job.Overlap{}, defined, defined},
		{job.Overlap{Do: "skip"}, defined, job.Overlap{Do: "skip", Wait: defined.Wait}},
		{job.Overlap{Wait: 5}, defined, job.Overlap{Do: "wait", Wait: 5}},
	} {
		if got := c.given.Over(c.below); got != c.want {
			t.Errorf("%+v over %+v: got %+v, want %+v", c.given, c.below, got, c.want)
		}
	}
}
