package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times under /proc: Linux counts a hundred a second for programs.
const tick = 10 * time.Millisecond

// peakBytes returns the largest resident set of a process that has ended.
func peakBytes(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return usage.Maxrss
	}
	return usage.Maxrss * 1024
}

// busyTime is the CPU time that all programs of the machine have used; zero where nothing tells.
func busyTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	var ticks int64
	for i, field := range strings.Fields(first)[1:] {
		if n, err := strconv.ParseInt(field, 10, 64); err == nil && i != 3 && i != 4 && i < 8 { // idle, waiting for disks
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// ownTime is the CPU time of this program alone.
func ownTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// familyTime is the CPU time of a process, of its children, and of those it had.
func familyTime(pid int) time.Duration {
	total := processTime(pid, true)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return total
	}
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			total += processTime(n, false)
		}
	}
	return total
}

func processTime(pid int, reaped bool) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const utime, stime, cutime, cstime = 11, 12, 13, 14
	which := []int{utime, stime}
	if reaped {
		which = append(which, cutime, cstime)
	}
	var ticks int64
	for _, i := range which {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * tick
}

// waitIdle waits until the machine does hardly anything for half a second, at most for a limit.
func waitIdle(limit time.Duration) bool {
	const window = 250 * time.Millisecond
	quiet := 0
	for begin := time.Now(); quiet < 2; {
		if time.Since(begin) > limit {
			return false
		}
		before := busyTime()
		time.Sleep(window)
		quiet++
		if busyTime()-before > window/10 {
			quiet = 0
		}
	}
	return true
}

// describeMachine says what the figures were measured on.
func describeMachine() string {
	parts := []string{fmt.Sprintf("%d cores", runtime.NumCPU())}
	if model := procField("/proc/cpuinfo", "model name"); model != "" {
		parts[0] += " " + strings.Join(strings.Fields(strings.NewReplacer("(R)", "", "(TM)", "").Replace(model)), " ")
	}
	if kib, err := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		parts = append(parts, fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20)))
	}
	parts = append(parts, runtime.GOOS+"/"+runtime.GOARCH+kernel(), runtime.Version())
	return strings.Join(parts, ", ")
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return " " + strings.TrimSpace(string(text))
}

func procField(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// versionOf runs a program and returns the first line it prints.
func versionOf(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(first)
}
