// Package cmd is the command line: flags in, text out, exit codes. Nothing else in the module prints, exits, or touches
// arguments, environment, standard streams and signals.
package cmd

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"batchctl/pkg/config"
	"batchctl/pkg/plan"
)

// app is what all commands share: the world outside, and what the global flags say.
type app struct {
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	tty     bool // standard error is a terminal
	secrets *config.Secrets
	global  globalOptions
}

// Main runs batchctl with the arguments behind the program's name and returns its exit code. Secrets that become known
// on the way are left out of everything that is written.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	secrets := new(config.Secrets)
	a := &app{
		stdin:   stdin,
		stdout:  &redactingWriter{to: stdout, secrets: secrets},
		stderr:  &redactingWriter{to: stderr, secrets: secrets},
		tty:     isTerminal(stderr),
		secrets: secrets,
	}
	root := newRootCommand(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return a.report(root.Execute())
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
}

func (w *redactingWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, w.secrets.Redact(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// engine returns the front end's way into the packages below.
func (a *app) engine() (*plan.Engine, error) {
	folder, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return &plan.Engine{
		Meta:     a.metaPath(),
		Folder:   folder,
		Now:      time.Now,
		After:    time.After,
		Random:   rand.Float64,
		Local:    time.Local,
		Env:      os.LookupEnv,
		ReadFile: os.ReadFile,
		Secrets:  a.secrets,
	}, nil
}

// metaPath is where the job repository is: the flag or its twin in the environment, else under systemd's or the XDG
// state folder, so that cron and a shell share one history wherever they start.
func (a *app) metaPath() string {
	if a.global.meta != "" {
		return a.global.meta
	}
	const name = "batchctl.db"
	if folder := os.Getenv("STATE_DIRECTORY"); folder != "" {
		return filepath.Join(filepath.SplitList(folder)[0], name)
	}
	if folder := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "batchctl", name)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = string(filepath.Separator)
	}
	return filepath.Join(home, ".local", "state", "batchctl", name)
}
