//go:build !unix

package proc

import (
	"os"
	"os/exec"
)

// group is the program alone: this system has no groups of processes that could be ended together.
type group struct{ cmd *exec.Cmd }

func newGroup() *group { return &group{} }

func (g *group) join(*exec.Cmd) {}

func (g *group) started(cmd *exec.Cmd) { g.cmd = cmd }

func (g *group) terminate() { g.kill() }

// kill ends the program, and may be called on nil.
func (g *group) kill() {
	if g != nil && g.cmd != nil {
		_ = g.cmd.Process.Kill() // it may have ended
	}
}

func signalOf(*os.ProcessState) string { return "" }
