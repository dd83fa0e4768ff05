package batch

import (
	"encoding/json"
	"math"
	"time"
)

// Times say what an attempt at a step spent its time on. Goroutines of their own read, process, and write with commit, or,
// in lanes, one reads and the others do the rest. Each part is the sum over all goroutines that do it, of all partitions;
// they run side by side, so that they may add up to more than the time on the clock.
type Times struct {
	Read    time.Duration // opening the input and reading it: waiting for a source is part of that
	Process time.Duration
	Write   time.Duration // handing rows to the target
	Commit  time.Duration // flushing, the checkpoint, COMMIT, and publishing files
	// The waits are those for each other.
	ReaderWait time.Duration // for room: what was read before was not written yet
	WriterWait time.Duration // for records: nothing was read and processed yet
	Pause      time.Duration // for the step's rate, and before a chunk is tried again
	// How many goroutines there were.
	Readers, Workers, Writers int
}

// Stage is a part of what a step does.
type Stage string

// The stages that a step can wait for.
const (
	StageRead    Stage = "read"
	StageProcess Stage = "process"
	StageWrite   Stage = "write"
	StageCommit  Stage = "commit"
	StagePause   Stage = "pause"
)

// Add returns the sums of t and u.
func (t Times) Add(u Times) Times {
	return Times{
		Read: t.Read + u.Read, Process: t.Process + u.Process, Write: t.Write + u.Write, Commit: t.Commit + u.Commit,
		ReaderWait: t.ReaderWait + u.ReaderWait, WriterWait: t.WriterWait + u.WriterWait, Pause: t.Pause + u.Pause,
		Readers: t.Readers + u.Readers, Workers: t.Workers + u.Workers, Writers: t.Writers + u.Writers,
	}
}

// Busy returns the sum of all that was done.
func (t Times) Busy() time.Duration { return t.Read + t.Process + t.Write + t.Commit + t.Pause }

// WaitsFor returns the stage that bounds the step's speed, "" where nothing was measured: the busiest kind of goroutine does
// it, and of what that does it takes longest.
func (t Times) WaitsFor() Stage {
	reader := crew{t.Readers, []task{{StageRead, t.Read}}}
	writers := crew{t.Writers, []task{{StageWrite, t.Write}, {StageCommit, t.Commit}, {StagePause, t.Pause}}}
	workers := crew{size: t.Workers}
	processing := task{StageProcess, t.Process}
	if t.Writers > t.Readers { // each lane processes what it writes
		writers.tasks = append(writers.tasks, processing)
	} else {
		workers.tasks = append(workers.tasks, processing)
	}
	busiest := reader
	for _, c := range []crew{workers, writers} {
		if c.each() > busiest.each() {
			busiest = c
		}
	}
	return busiest.longest()
}

// crew is goroutines of one kind, and what they do.
type crew struct {
	size  int
	tasks []task
}

type task struct {
	stage Stage
	took  time.Duration
}

// each is how long one of them was busy.
func (c crew) each() time.Duration {
	var sum time.Duration
	for _, t := range c.tasks {
		sum += t.took
	}
	return sum / time.Duration(max(1, c.size))
}

func (c crew) longest() Stage {
	var most task
	for _, t := range c.tasks {
		if t.took > most.took {
			most = t
		}
	}
	return most.stage
}

// timesText is how times are stored: seconds with six places.
type timesText struct {
	Read       float64 `json:"read_seconds"`
	Process    float64 `json:"process_seconds"`
	Write      float64 `json:"write_seconds"`
	Commit     float64 `json:"commit_seconds"`
	ReaderWait float64 `json:"reader_wait_seconds"`
	WriterWait float64 `json:"writer_wait_seconds"`
	Pause      float64 `json:"pause_seconds"`
	Readers    int     `json:"readers"`
	Workers    int     `json:"workers"`
	Writers    int     `json:"writers"`
	WaitsFor   Stage   `json:"waits_for,omitempty"` // follows from the others, and is not read
}

// MarshalJSON writes the times in seconds, and what follows from them.
func (t Times) MarshalJSON() ([]byte, error) {
	s := func(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e6 }
	return json.Marshal(timesText{s(t.Read), s(t.Process), s(t.Write), s(t.Commit), s(t.ReaderWait), s(t.WriterWait), s(t.Pause),
		t.Readers, t.Workers, t.Writers, t.WaitsFor()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *Times) UnmarshalJSON(raw []byte) error {
	var text timesText
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	d := func(seconds float64) time.Duration { return time.Duration(math.Round(seconds*1e6)) * time.Microsecond }
	*t = Times{d(text.Read), d(text.Process), d(text.Write), d(text.Commit), d(text.ReaderWait), d(text.WriterWait), d(text.Pause),
		text.Readers, text.Workers, text.Writers}
	return nil
}
