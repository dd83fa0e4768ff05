package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// usage is what a program, or several one after the other, cost.
type usage struct {
	wall   time.Duration
	cpu    time.Duration // user and system, children included
	server time.Duration // CPU of the PostgreSQL server meanwhile
	others time.Duration // CPU of everybody else meanwhile
	peak   int64         // bytes of the largest resident set
	first  time.Duration // from the start of a restart to its first commit
}

// and adds what a second program cost, run after the first.
func (u usage) and(v usage) usage {
	return usage{
		wall: u.wall + v.wall, cpu: u.cpu + v.cpu, server: u.server + v.server, others: u.others + v.others,
		peak: max(u.peak, v.peak), first: max(u.first, v.first),
	}
}

// command is a program to be measured.
type command struct {
	args   []string
	env    []string // besides the environment
	output string   // file for standard output, empty: nowhere
}

// measureCommand is the first argument with which this program measures another one.
const measureCommand = "measure-one-process"

// measured is what the measuring process reports. A process inherits the peak of the one that started it, so that a
// program of some size cannot measure a small one: a process of its own, which does nothing else, stands between.
type measured struct {
	Began     time.Time
	Wall, CPU time.Duration
	Peak      int64
	Killed    bool
	Failed    string // empty: the program ended with 0
}

// measureOne runs a program and reports what it took on file descriptor 3. SIGTERM kills the program with SIGKILL.
func measureOne(args []string) error {
	kill := make(chan os.Signal, 1)
	signal.Notify(kill, syscall.SIGTERM, syscall.SIGINT)
	child := exec.Command(args[0], args[1:]...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	begin := time.Now()
	if err := child.Start(); err != nil {
		return err
	}
	go func() {
		<-kill
		_ = child.Process.Kill() // it may have ended just now
	}()
	err := child.Wait()
	m := measured{Began: begin, Wall: time.Since(begin)}
	state := child.ProcessState
	m.CPU = state.UserTime() + state.SystemTime()
	m.Peak = peakBytes(state)
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		m.Killed = status.Signal() == syscall.SIGKILL
	}
	if err != nil {
		m.Failed = err.Error()
	}
	return json.NewEncoder(os.NewFile(3, "report")).Encode(m)
}

// running is a program that is being measured.
type running struct {
	process *exec.Cmd
	report  *os.File
	errors  *strings.Builder
	name    string
	output  *os.File
}

func (c command) start() (*running, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	r := &running{report: read, errors: new(strings.Builder), name: strings.Join(c.args, " ")}
	r.process = exec.Command(self, append([]string{measureCommand}, c.args...)...)
	r.process.Env = append(os.Environ(), c.env...)
	r.process.ExtraFiles = []*os.File{write}
	r.process.Stderr = r.errors
	if c.output != "" {
		if r.output, err = os.Create(c.output); err != nil {
			return nil, err
		}
		r.process.Stdout = r.output
	}
	return r, r.process.Start()
}

// kill ends the program with SIGKILL; wait tells what it took until then.
func (r *running) kill() error { return r.process.Process.Signal(syscall.SIGTERM) }

func (r *running) wait() (m measured, err error) {
	text, readErr := io.ReadAll(r.report)
	err = r.process.Wait()
	r.report.Close()
	if r.output != nil {
		err = firstOf(err, r.output.Close())
	}
	if err = firstOf(err, readErr); err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("measure %s: %w\n%s", r.name, err, r.errors)
	}
	return m, nil
}

// run runs a program to its end; it must end well.
func (c command) run() (usage, error) {
	r, err := c.start()
	if err != nil {
		return usage{}, err
	}
	m, err := r.wait()
	if err == nil && m.Failed != "" {
		err = fmt.Errorf("%s: %s\n%s", r.name, m.Failed, r.errors)
	}
	return usage{wall: m.Wall, cpu: m.CPU, peak: m.Peak}, err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
