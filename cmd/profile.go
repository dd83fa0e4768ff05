package cmd

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"runtime/trace"

	"github.com/spf13/cobra"

	"batchctl/pkg/fault"
)

// profiles are files to write while a job runs, for those who look why it takes its time.
type profiles struct {
	cpu   string // for go tool pprof
	trace string // for go tool trace
}

// addProfileFlags adds flags that help does not show: docs/performance.md says what they are for.
func addProfileFlags(c *cobra.Command, p *profiles) {
	flags := c.Flags()
	flags.StringVar(&p.cpu, "cpuprofile", "", "write where processor time goes into this `file`, for go tool pprof")
	flags.StringVar(&p.trace, "trace", "", "write what each goroutine does, and waits for, into this `file`, for go tool trace")
	_ = flags.MarkHidden("cpuprofile") // they fail for a flag that is not there
	_ = flags.MarkHidden("trace")
}

// around runs something while the profiles are taken. They are whole however it ends; where one cannot be written that is
// said, and changes nothing.
func (p profiles) around(a *app, run func() error) error {
	if p.cpu != "" && p.cpu == p.trace {
		return fault.New(fault.Definition, "--cpuprofile and --trace name the same file: %s", p.cpu).WithCode("usage")
	}
	endCPU, err := p.begin("cpuprofile", p.cpu, func(to *os.File) error { return pprof.StartCPUProfile(to) }, pprof.StopCPUProfile)
	if err != nil {
		return err
	}
	endTrace, err := p.begin("trace", p.trace, func(to *os.File) error { return trace.Start(to) }, trace.Stop)
	if err != nil {
		return errors.Join(err, endCPU())
	}
	defer func() {
		if err := errors.Join(endTrace(), endCPU()); err != nil {
			fmt.Fprintln(a.stderr, err)
		}
	}()
	return run()
}

// begin makes a file and starts to write into it; end stops that. Without a path there is nothing to do.
func (p profiles) begin(flag, path string, start func(*os.File) error, stop func()) (end func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	to, err := os.Create(path)
	if err == nil {
		if err = start(to); err != nil {
			err = errors.Join(err, to.Close())
		}
	}
	if err != nil {
		return nil, fault.Wrap(fault.Environment, err, "--%s", flag).WithHint("nothing was started; name a file that can be written")
	}
	return func() error {
		stop()
		return to.Close()
	}, nil
}
