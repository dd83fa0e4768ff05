// Package cmd is the command line: flags in, text out, exit codes. Nothing else in the module prints, exits, or touches
// arguments, environment, standard streams and signals.
package cmd

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/plan"
)

// app is what all commands share: the world outside, and what the global flags say.
type app struct {
	stdin       io.Reader
	stdout      io.Writer
	data        io.Writer // standard output itself
	stderr      io.Writer
	terminal    io.Writer // standard error itself
	tty         bool      // standard error is a terminal
	secrets     *config.Secrets
	global      globalOptions
	annotations int  // said to GitHub Actions so far
	ran         bool // a job was started
}

// Main runs batchctl with the arguments behind the program's name and returns its exit code. Secrets that become known
// on the way are left out of everything that is written.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	secrets := new(config.Secrets)
	out := &redactingWriter{to: stdout, secrets: secrets}
	a := &app{
		stdin:    stdin,
		stdout:   out,
		data:     stdout,
		stderr:   &redactingWriter{to: stderr, secrets: secrets},
		terminal: stderr,
		tty:      isTerminal(stderr),
		secrets:  secrets,
	}
	root := newRootCommand(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(context.Background())
	if err != nil && wantsJSON(args) {
		a.global.output = "json"
	}
	code := a.report(err)
	if out.err != nil {
		return a.unwritten(out.err, code)
	}
	return code
}

// unwritten is the exit code where standard output did not take what was to be written. What a job did counts for more.
func (a *app) unwritten(err error, code int) int {
	fmt.Fprintf(a.stderr, "write standard output: %s\n", cause(err))
	if code == exitCompleted && !a.ran {
		return exitEnvironment
	}
	return code
}

// wantsJSON reports whether JSON is asked for, in arguments that could not be parsed.
func wantsJSON(args []string) bool {
	wanted := os.Getenv(TwinPrefix+"OUTPUT") == "json"
	for i, arg := range args {
		value, long := strings.CutPrefix(arg, "--output=")
		short, isShort := strings.CutPrefix(arg, "-o")
		switch {
		case arg == "--":
			return wanted
		case long:
			wanted = value == "json"
		case arg == "--output" || arg == "-o":
			wanted = i+1 < len(args) && args[i+1] == "json"
		case isShort && !strings.HasPrefix(arg, "--"):
			wanted = strings.TrimPrefix(short, "=") == "json"
		}
	}
	return wanted
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// redactingWriter leaves secrets out of what is written through it. A secret is found where it lies in one Write; all
// output of batchctl is written by the line or larger.
type redactingWriter struct {
	to      io.Writer
	secrets *config.Secrets
	err     error // the first one
}

func (w *redactingWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, w.secrets.Redact(string(p))); err != nil {
		if w.err == nil {
			w.err = err
		}
		return 0, err
	}
	return len(p), nil
}

// records is where records that are written to standard output go: as they are, since they may hold what looks like a
// secret. JSON that was asked for is all that stands there.
func (a *app) records() io.Writer {
	if a.json() {
		return nil
	}
	return a.data
}

// engine returns the front end's way into the packages below.
func (a *app) engine() (*plan.Engine, error) {
	e, err := a.world()
	if err == nil {
		e.Meta, err = a.metaPath()
		e.Locks = lockFolder()
	}
	return e, err
}

// world is an engine without a job repository.
func (a *app) world() (*plan.Engine, error) {
	folder, err := os.Getwd()
	if err != nil {
		return nil, fault.Wrap(fault.Environment, err, "the current folder is not known").WithHint("was it deleted? change to another one")
	}
	return &plan.Engine{
		Folder:   folder,
		Now:      time.Now,
		After:    time.After,
		Clock:    time.Now,
		Random:   rand.Float64,
		Local:    localZone(),
		Env:      os.LookupEnv,
		ReadFile: os.ReadFile,
		Secrets:  a.secrets,
		Stdin:    files.NewStream("standard input", a.stdin),
		Stdout:   a.records(),
	}, nil
}
