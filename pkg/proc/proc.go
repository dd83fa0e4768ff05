// Package proc runs child processes that do not outlive their caller: neither they nor what they start, whether the caller
// ends in order, is asked to stop, or is killed.
package proc

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// Command is a program to be run. Args, Grace and After are needed.
type Command struct {
	Args  []string // the program and its arguments; nothing is interpreted by a shell
	Dir   string   // the folder it runs in; a program with a relative path is looked for there
	Env   []string // NAME=value, added to the environment of this process
	Input string   // what it reads from its standard input
	// Grace is how long a group of processes may take to end after SIGTERM, before it gets SIGKILL.
	Grace time.Duration
	After func(time.Duration) <-chan time.Time // time.After
	// Line hears each line of output, called from one goroutine for stdout and another one for stderr. Longer lines than
	// MaxLine come in pieces. Nil: nobody listens.
	Line func(stream, line string)
	// Keep is how many bytes of standard output are kept for Result; above it, they are counted only.
	Keep int
}

// MaxLine is how many bytes of a line are handed out at once.
const MaxLine = 16 << 10

// Result is how a program ended.
type Result struct {
	Code   int    // its exit code; -1 where a signal ended it
	Signal string // the signal's name, "" where it ended by itself
	Stdout string // the first Keep bytes
	Size   int64  // bytes of standard output in all
	Tail   string // the last bytes of standard error, a few thousand
}

// LastLines returns the last lines of standard error that are not empty, in one, for messages: "" where nothing was said.
func (r *Result) LastLines(n int) string {
	var lines []string
	for _, l := range strings.Split(r.Tail, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	said := strings.Join(lines[max(0, len(lines)-n):], " / ")
	if len(said) > 500 {
		said = "..." + said[len(said)-500:]
	}
	return strings.ToValidUTF8(said, "")
}

// lingering is how long processes that a program has left behind may go on writing, after its own end: a logger that it
// writes through.
const lingering = time.Second

// Run starts the program and waits for its end. What it started and left running is ended as well. When ctx ends, the whole
// group of processes gets SIGTERM, after Grace SIGKILL, and the cause of ctx is returned. A program that cannot be started is
// an error of class environment.
func (c *Command) Run(ctx context.Context) (*Result, error) {
	// The kernel kills a child when the thread that started it ends (PR_SET_PDEATHSIG), which with this is the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	r, err := c.start()
	if err != nil {
		return nil, err
	}
	stopped := r.await(ctx)
	r.group.kill()
	r.release()
	if stopped {
		return nil, context.Cause(ctx)
	}
	return r.result()
}

// running is a program that has been started.
type running struct {
	command *Command
	cmd     *exec.Cmd
	group   *group
	exited  chan struct{} // closed when the program itself has ended
	silent  chan struct{} // closed when nobody can write output any more
	stdout  *stream
	stderr  *stream
	input   *os.File      // this end of standard input
	fed     chan struct{} // closed when nobody writes to it any more
	failure error         // of waiting
}

func (c *Command) start() (r *running, err error) {
	if r, err = c.prepare(); err != nil {
		return nil, err
	}
	theirs, err := r.connect()
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	if err == nil {
		r.group = newGroup()
		r.group.join(r.cmd)
		err = r.cmd.Start()
	}
	if err != nil {
		r.group.kill()
		r.close()
		return nil, c.notStarted(err)
	}
	r.group.started(r.cmd)
	r.listen()
	return r, nil
}

func (c *Command) prepare() (*running, error) {
	r := &running{command: c, exited: make(chan struct{}), silent: make(chan struct{}), fed: make(chan struct{})}
	path, err := lookUp(c.Args[0], c.Dir)
	if err != nil {
		return nil, c.notStarted(err)
	}
	r.cmd = &exec.Cmd{Path: path, Args: c.Args, Dir: c.Dir}
	if len(c.Env) > 0 {
		r.cmd.Env = append(r.cmd.Environ(), c.Env...)
	}
	return r, nil
}

// connect makes the pipes. It returns the ends that only the child is to have.
func (r *running) connect() (theirs []*os.File, err error) {
	for _, s := range []struct {
		to   **stream
		name string
		keep int
		end  *io.Writer
	}{{&r.stdout, "stdout", r.command.Keep, &r.cmd.Stdout}, {&r.stderr, "stderr", 0, &r.cmd.Stderr}} {
		ours, end, err := os.Pipe()
		if err != nil {
			return theirs, err
		}
		theirs = append(theirs, end)
		*s.to, *s.end = &stream{file: ours, name: s.name, keep: s.keep, line: r.command.Line}, end
	}
	if r.command.Input == "" {
		return theirs, nil // exec gives it the null device
	}
	end, ours, err := os.Pipe()
	if err != nil {
		return theirs, err
	}
	r.input, r.cmd.Stdin = ours, end
	return append(theirs, end), nil
}

// listen starts what goes on while the program runs. release waits for all of it.
func (r *running) listen() {
	streams := make(chan struct{})
	for _, s := range []*stream{r.stdout, r.stderr} {
		go func() {
			s.read()
			streams <- struct{}{}
		}()
	}
	go func() {
		defer close(r.fed)
		if r.input != nil {
			_, _ = io.WriteString(r.input, r.command.Input) // a program need not read all of it
			r.input.Close()
		}
	}()
	go func() {
		<-streams
		<-streams
		close(r.silent)
	}()
	go func() {
		r.failure = r.cmd.Wait()
		close(r.exited)
	}()
}

// await returns when the program has ended and is heard no more, or is to be killed. stopped says that ctx ended first.
func (r *running) await(ctx context.Context) (stopped bool) {
	select {
	case <-r.exited:
		if r.ended(lingering) {
			return false
		}
	case <-ctx.Done():
		stopped = true
	}
	r.group.terminate()
	r.ended(r.command.Grace)
	return stopped
}

// ended waits until the program has exited and its output is at the end, at most for so long.
func (r *running) ended(atMost time.Duration) bool {
	over := r.command.After(atMost)
	select {
	case <-r.exited:
	case <-over:
		return false
	}
	select {
	case <-r.silent:
		return true
	case <-over:
		return false
	}
}

// release waits for the end of everything that was started. A process that left its group may hold the output open for ever:
// it is not listened to.
func (r *running) release() {
	<-r.exited
	select {
	case <-r.silent:
	case <-r.command.After(lingering):
	}
	r.close()
	<-r.silent
	<-r.fed
}

func (r *running) close() {
	for _, s := range []*stream{r.stdout, r.stderr} {
		if s != nil {
			s.file.Close()
		}
	}
	if r.input != nil {
		r.input.Close()
	}
}

func (r *running) result() (*Result, error) {
	var exit *exec.ExitError
	if r.failure != nil && !errors.As(r.failure, &exit) {
		return nil, fault.Wrap(fault.Internal, r.failure, "wait for %s", r.command.Args[0])
	}
	state := r.cmd.ProcessState
	return &Result{
		Code: state.ExitCode(), Signal: signalOf(state),
		Stdout: string(r.stdout.kept), Size: r.stdout.size, Tail: string(r.stderr.tail),
	}, nil
}

func (c *Command) notStarted(err error) error {
	var inner *os.PathError
	var look *exec.Error
	switch {
	case errors.As(err, &look):
		err = look.Err
	case errors.As(err, &inner):
		err = inner.Err
	}
	e := fault.Wrap(fault.Environment, err, "start %s", c.Args[0]).WithCode("cannot_start")
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return e.WithHint("is it installed, and in the PATH of the user that runs batchctl? A relative path starts at the folder that the program runs in, %s", c.Dir)
	case errors.Is(err, os.ErrPermission):
		return e.WithHint("it has to be a file that may be executed: chmod +x")
	}
	return e
}

// lookUp returns the path of a program: as it is, below the folder that it is to run in, or from PATH.
func lookUp(name, dir string) (string, error) {
	if !strings.ContainsRune(name, os.PathSeparator) {
		return exec.LookPath(name)
	}
	path := name
	if !isAbsolute(name) && dir != "" {
		path = dir + string(os.PathSeparator) + name
	}
	return exec.LookPath(path)
}

func isAbsolute(path string) bool {
	return os.IsPathSeparator(path[0]) || len(path) > 1 && path[1] == ':'
}
