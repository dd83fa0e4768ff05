//go:build unix

package proc

import (
	"os"
	"os/exec"
	"syscall"
)

// group is a group of processes: a program and all that it starts, unless that makes itself a group of its own.
//
// Its leader is a guard: a shell that ignores what ends the others, and waits for the end of its input. Only this process
// has the other end of that, so the end comes when this process dies, however it does, and the guard then kills its group.
// The guard also keeps the group's number from being given to others. Where there is no shell the program is the leader, and
// only it is killed by the kernel when this process dies.
type group struct {
	id    int // 0 where there is none
	guard *exec.Cmd
	life  *os.File // open as long as this process lives
}

// guarding ends all processes of its own group, itself included, when its input ends.
const guarding = `trap '' TERM INT HUP QUIT TSTP; read _; kill -KILL 0`

func newGroup() *group {
	g := &group{}
	end, life, err := os.Pipe()
	if err != nil {
		return g
	}
	defer end.Close()
	guard := exec.Command("sh", "-c", guarding)
	guard.Dir, guard.Env = "/", []string{}
	guard.Stdin = end
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := guard.Start(); err != nil {
		life.Close()
		return g
	}
	return &group{id: guard.Process.Pid, guard: guard, life: life}
}

// join says that a command is to start in the group, and to be killed when the thread that starts it ends.
func (g *group) join(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.id}
	dieWithParent(cmd.SysProcAttr)
}

func (g *group) started(cmd *exec.Cmd) {
	if g.id == 0 {
		g.id = cmd.Process.Pid
	}
}

// terminate asks all processes of the group to end, also those that are suspended.
func (g *group) terminate() {
	g.signal(syscall.SIGTERM)
	g.signal(syscall.SIGCONT)
}

// kill ends all processes of the group, and may be called on nil.
func (g *group) kill() {
	if g == nil {
		return
	}
	g.signal(syscall.SIGKILL)
	if g.guard != nil {
		_ = g.guard.Wait() // it was killed
		g.guard = nil
		g.life.Close()
	}
}

func (g *group) signal(s syscall.Signal) {
	if g.id > 0 {
		_ = syscall.Kill(-g.id, s) // nobody may be left
	}
}

// signalOf returns the name of the signal that ended a process, "" where it ended by itself.
func signalOf(state *os.ProcessState) string {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal().String()
	}
	return ""
}
