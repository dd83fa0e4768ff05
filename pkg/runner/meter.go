package runner

import (
	"sync/atomic"
	"time"

	"batchctl/pkg/batch"
)

// meter takes the times of a step execution, a few for each chunk. All goroutines of the step add to it.
type meter struct {
	clock                                                        func() time.Time // nil: nothing is measured
	read, process, write, commit, readerWait, writerWait, paused part
	readers, workers, writers                                    int
	before                                                       batch.Times // of the execution, measured by an earlier meter
}

// part is the time that one part of the work has taken.
type part struct{ nanoseconds atomic.Int64 }

func (p *part) duration() time.Duration { return time.Duration(p.nanoseconds.Load()) }

func (r *Runner) newMeter(execution *batch.StepExecution) *meter {
	return &meter{clock: r.Clock, before: execution.Times}
}

// staff notes how many goroutines there are, before they begin.
func (m *meter) staff(workers, writers int) { m.readers, m.workers, m.writers = 1, workers, writers }

// begin returns when something begins that add is told the end of.
func (m *meter) begin() time.Time {
	if m.clock == nil {
		return time.Time{}
	}
	return m.clock()
}

// add adds the time since begin, less what was counted elsewhere meanwhile, and returns it.
func (m *meter) add(to *part, begin time.Time, elsewhere time.Duration) time.Duration {
	if m.clock == nil {
		return 0
	}
	took := m.clock().Sub(begin) - elsewhere
	to.nanoseconds.Add(int64(took))
	return took
}

// times returns what has been measured of the execution.
func (m *meter) times() batch.Times {
	return m.before.Add(batch.Times{
		Read: m.read.duration(), Process: m.process.duration(), Write: m.write.duration(), Commit: m.commit.duration(),
		ReaderWait: m.readerWait.duration(), WriterWait: m.writerWait.duration(), Pause: m.paused.duration(),
		Readers: m.readers, Workers: m.workers, Writers: m.writers,
	})
}
