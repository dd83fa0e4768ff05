package plan

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Between two checkpoints what a file's writer took is in its buffer only. Leaving a bad record out must not lose it.
func TestRecordThatAFileRefusesIsLeftOutBetweenCheckpoints(t *testing.T) {
	t.Parallel()
	p := newCrashPlace(t, crashTarget{source: "table"}, "")
	p.write(t, "job.yaml", `job: bad
connections:
  source: {driver: sqlite, dsn: source.db}
steps:
  - name: load
    chunk: 10
    reader:
      type: sql
      connection: source
      query: "select * from (with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)
        select i, case when i % 77 = 5 then cast(x'ff' as text) else 'a' end as x from n)"
      keyset: [i]
    writer: {type: jsonl, path: out.jsonl}
    skip: {limit: 50}
`)
	e := p.engine(nil)
	e.instruments.everyChunk = false
	frozen := e.Now()
	e.Now = func() time.Time { return frozen } // no checkpoint is due
	if _, err := e.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(p.folder, "out.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "\n"); got != 493 {
		t.Errorf("%d records, want 493", got)
	}
}
