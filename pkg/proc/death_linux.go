package proc

import "syscall"

// dieWithParent has the kernel kill a child when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG).
func dieWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
