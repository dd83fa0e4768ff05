package cmd

import (
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
)

func TestTimesSayWhatAStepWaitsFor(t *testing.T) {
	t.Parallel()
	begin := time.Unix(0, 0)
	step := func(name string, took time.Duration, times batch.Times) *batch.StepExecution {
		return &batch.StepExecution{JobID: 7, Name: name, Started: begin, Ended: begin.Add(took), Times: times}
	}
	e := &batch.JobExecution{ID: 7, Steps: []*batch.StepExecution{
		step("load", 3200*time.Millisecond, batch.Times{Read: 600 * time.Millisecond, Process: 200 * time.Millisecond, Write: 2300 * time.Millisecond,
			Commit: 700 * time.Millisecond, ReaderWait: 2300 * time.Millisecond, Readers: 1, Workers: 1, Writers: 1}),
		step("load:partition0", time.Second, batch.Times{Read: time.Second, Readers: 1, Workers: 1, Writers: 1}),
		step("small", time.Second, batch.Times{Read: 9 * time.Millisecond, Readers: 1, Workers: 1, Writers: 1}),
		step("tasklet", time.Second, batch.Times{}),
		step("compute", 10*time.Second, batch.Times{Read: time.Second, Process: 39 * time.Second, Write: 3 * time.Second, Commit: time.Second,
			ReaderWait: 9 * time.Second, WriterWait: 6 * time.Second, Readers: 1, Workers: 4, Writers: 1}),
	}}
	e.Steps = append(e.Steps, &batch.StepExecution{JobID: 6, Name: "before", Times: e.Steps[0].Times})
	var out strings.Builder
	writeTimes(&out, e)
	const want = `time       read    process  write  commit  pause  on the clock  waits for
  load     600 ms  200 ms   2.3 s  700 ms  -      3.2 s         write (reading idled 2.3 s)
  compute  1.0 s   39.0 s   3.0 s  1.0 s   -      10.0 s        process (4 workers that process, reading idled 9.0 s, writing idled 6.0 s)
  (these run side by side, so that they may add up to more than the clock shows: see docs/performance.md)
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
