package batchtest

import (
	"errors"
	"fmt"
	"sync"

	"batchctl/pkg/fault"
)

// Mode is what a fuse does at the operation it blows at.
type Mode int

const (
	// Fail lets that one operation return an error; every later operation works again. It is the bad moment of a process
	// that lives on: a full disk, a server that was away. The step fails, or retries, with everything else in order.
	Fail Mode = iota
	// Kill ends the process as SIGKILL does, as far as a test can tell from outside: the operation returns an error, and so
	// does every later one without having any effect. What was done before stays done. Only Close still reaches the wrapped
	// component, as the kernel closes the files and connections of a dead process; an open transaction is rolled back.
	Kill
)

// String returns fail or kill.
func (m Mode) String() string { return [...]string{"fail", "kill"}[m] }

// Point is one operation of a run: the Nth, from 1, of its name. Other than an operation's number among all, it is the
// same in every run of the same job, even where reading goes on beside writing.
type Point struct {
	Name string
	N    int
}

// String returns name#n, fit for the name of a subtest.
func (p Point) String() string { return fmt.Sprintf("%s#%d", p.Name, p.N) }

// The errors of a blown fuse.
var (
	ErrFailed = errors.New("failed by the fuse")
	ErrKilled = errors.New("killed by the fuse")
)

// Fuse counts the operations of everything that it wraps, and blows at one of them. Operations with an effect count
// twice: NAME.before, where blowing means that the effect did not happen, and NAME.after, where it did happen and nobody
// was told. A harness runs a job once with a fuse that never blows, then once for each of its Points:
//
//	whole := batchtest.NewFuse(0, batchtest.Kill)
//	run(whole)
//	for _, point := range whole.Points() {
//		run(batchtest.NewFuseAt(point, batchtest.Kill)) // fails
//		run(batchtest.NewFuse(0, batchtest.Kill))       // the restart, to compare with the first run
//	}
//
// The points are:
//
//	reader.open  reader.read
//	writer.open.before, .after  writer.write.before, .after  writer.flush.before, .after
//	writer.finish.before, .after  writer.publish.before, .after
//	ledger.claim.before, .after  ledger.load
//	ledger.commit.begin    before the transaction
//	ledger.commit.open     in it, before anything is written
//	ledger.commit.before   all is written, COMMIT is not sent
//	ledger.commit.after    it is committed, and nobody was told
//	tx.savepoint  tx.rollback_to  tx.release
//	repository.start_step.before, .after  repository.save_step.before, .after
//	repository.save_job.before, .after  repository.last_step  repository.step_count
//	file.OPERATION.before, .after   see Fuse.File
//
// A request to stop is polled by time, so StopRequested does not count. A fuse is safe for use by several goroutines.
type Fuse struct {
	// Class is the class of the error in mode Fail: Environment where empty, so that nothing skips or retries it.
	Class fault.Class

	mode   Mode
	number int   // blow at this one of all operations; 0: do not count that way
	at     Point // blow at this point; the zero Point: do not

	call func() // instead of blowing

	mu     sync.Mutex
	points []Point
	counts map[string]int
	blown  *Point
}

// NewFuse returns a fuse that blows at the nth of all operations, from 1; 0 never blows and counts.
func NewFuse(n int, mode Mode) *Fuse {
	return &Fuse{mode: mode, number: n, counts: make(map[string]int)}
}

// NewFuseAt returns a fuse that blows at a point which an earlier run of the same job came to.
func NewFuseAt(point Point, mode Mode) *Fuse {
	return &Fuse{mode: mode, at: point, counts: make(map[string]int)}
}

// NewFuseCalling returns a fuse that calls a function at a point, and lets the run go on afterwards: for what others do
// while a process is suspended. It counts as blown.
func NewFuseCalling(point Point, call func()) *Fuse {
	f := NewFuseAt(point, Fail)
	f.call = call
	return f
}

// Step counts one operation and returns the error it has to return, nil where it may go on. Tests call it for operations
// of their own; the wrappers call it for theirs.
func (f *Fuse) Step(name string) error {
	blows, err := f.count(name)
	if blows && f.call != nil {
		f.call()
		return nil
	}
	return err
}

func (f *Fuse) count(name string) (blows bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown != nil && f.mode == Kill {
		return true, f.dead(name)
	}
	f.counts[name]++
	point := Point{Name: name, N: f.counts[name]}
	f.points = append(f.points, point)
	if f.blown != nil || len(f.points) != f.number && point != f.at {
		return false, nil
	}
	f.blown = &point
	if f.mode == Kill {
		return true, f.dead(name)
	}
	class := f.Class
	if class == "" {
		class = fault.Environment
	}
	return true, fault.Wrap(class, ErrFailed, "%s", point)
}

func (f *Fuse) dead(name string) error {
	return fault.Wrap(fault.Internal, ErrKilled, "%s", name)
}

// Ops returns how many operations were counted.
func (f *Fuse) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.points)
}

// Points returns the operations that were counted, in the order they came.
func (f *Fuse) Points() []Point {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Point(nil), f.points...)
}

// Blown returns where the fuse blew. A harness whose fuse did not blow has tested nothing, and says so.
func (f *Fuse) Blown() (Point, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown == nil {
		return Point{}, false
	}
	return *f.blown, true
}

// Dead reports whether the fuse has killed the process.
func (f *Fuse) Dead() bool {
	_, blown := f.Blown()
	return blown && f.mode == Kill
}

// File is a hook for files.Hooked: every operation on a file that has an effect counts as file.OPERATION.before and
// file.OPERATION.after, a write also as file.write.half, when the first half of its bytes is written.
func (f *Fuse) File(point, _ string) error { return f.Step("file." + point) }

// around counts an operation before and after its effect. In mode Fail an error of the effect itself wins.
func (f *Fuse) around(name string, effect func() error) error {
	if err := f.Step(name + ".before"); err != nil {
		return err
	}
	if err := effect(); err != nil {
		return err
	}
	return f.Step(name + ".after")
}
