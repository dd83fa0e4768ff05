package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// startMeasured starts a command. The function that it returns, to be called when the command has ended, fails the test
// where the command's peak memory was above most bytes. The peak is the kernel's high-water mark of resident memory, looked
// at every few milliseconds: what wait4(2) tells of a child counts the memory of the process that started it as well.
func startMeasured(t *testing.T, c *exec.Cmd, most int64) (check func()) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	peak := make(chan int64, 1)
	go func() { peak <- watchMemory(c.Process.Pid, ended) }()
	return func() {
		t.Helper()
		close(ended)
		highest := <-peak
		t.Logf("peak memory %d MiB", highest>>20)
		if highest == 0 && runtime.GOOS == "linux" {
			t.Error("the memory of the process could not be measured")
		}
		if highest > most {
			t.Errorf("peak memory %d MiB, want at most %d", highest>>20, most>>20)
		}
	}
}

func watchMemory(pid int, ended <-chan struct{}) (peak int64) {
	for {
		peak = max(peak, highWater(pid))
		select {
		case <-ended:
			return peak
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// highWater is the peak of a process's resident memory in bytes; zero where the process is gone.
func highWater(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\nVmHWM:")
	var kibibytes int64
	if _, err := fmt.Sscan(rest, &kibibytes); err != nil {
		return 0
	}
	return kibibytes << 10
}
