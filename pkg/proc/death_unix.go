//go:build unix && !linux

package proc

import "syscall"

// dieWithParent does nothing: the guard of the group is what there is.
func dieWithParent(*syscall.SysProcAttr) {}
