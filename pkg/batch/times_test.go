package batch

import (
	"encoding/json"
	"testing"
	"time"
)

func TestStepWaitsForWhatItsBusiestGoroutinesDo(t *testing.T) {
	t.Parallel()
	const s = time.Second
	one := Times{Readers: 1, Workers: 1, Writers: 1}
	with := func(of Times, read, process, write, commit, readerWait, writerWait time.Duration) Times {
		of.Read, of.Process, of.Write, of.Commit, of.ReaderWait, of.WriterWait = read, process, write, commit, readerWait, writerWait
		return of
	}
	aside, lanes := Times{Readers: 1, Workers: 4, Writers: 1}, Times{Readers: 1, Workers: 4, Writers: 4}
	paused := with(one, s, 0, s, s, 9*s, 0)
	paused.Pause = 8 * s
	cases := []struct {
		name  string
		times Times
		want  Stage
	}{
		{"nothing was measured", Times{}, ""},
		{"the writer is always busy", with(one, s, s, 8*s, 2*s, 8*s, 0), StageWrite},
		{"its commits take longest", with(one, s, s, 2*s, 7*s, 7*s, s), StageCommit},
		{"the reader is always busy", with(one, 9*s, s, s, s, 0, 8*s), StageRead},
		{"one worker beside them processes", with(one, 4*s, 7*s, 5*s, s, 3*s, s), StageProcess},
		{"writing and committing take longer than the longest single part", with(one, 4*s, 5*s, 4*s, 3*s, s, 0), StageWrite},
		{"so much as reading alone", with(one, 3*s, 0, s, 0, 0, 2*s), StageRead},
		{"workers beside one writer take all the time", with(aside, s, 36*s, 3*s, s, 8*s, 5*s), StageProcess},
		{"workers enough for the reader", with(aside, 8*s, 12*s, 3*s, s, s, 5*s), StageRead},
		{"lanes that process", with(lanes, s, 20*s, 10*s, 9*s, 8*s, s), StageProcess},
		{"lanes without records", with(lanes, 9*s, 4*s, 3*s, 2*s, 0, 30*s), StageRead},
		{"a rate", paused, StagePause},
	}
	for _, c := range cases {
		if got := c.times.WaitsFor(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTimesSurviveJSON(t *testing.T) {
	t.Parallel()
	want := Times{1500 * time.Millisecond, 2 * time.Microsecond, 3, 4 * time.Hour, 5 * time.Second, 6 * time.Second, 7 * time.Second, 8, 9, 10}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Times
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want.Write = 0 // below a microsecond
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if sum := got.Add(got); sum.Commit != 8*time.Hour || sum.Writers != 20 {
		t.Errorf("the sum is %+v", sum)
	}
}
