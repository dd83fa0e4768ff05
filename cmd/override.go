package cmd

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/plan"
)

// durationFlag is a duration as job files write it, with days: 90s, 10m, 2h, 1d. It is "" where it was not given.
type durationFlag struct {
	text  string
	value time.Duration
}

// Set implements pflag.Value.
func (d *durationFlag) Set(text string) error {
	value, err := config.ParseDuration(text)
	if err != nil {
		return errors.New("not a duration: write a number with a unit, as 90s, 10m, 2h or 1d")
	}
	d.text, d.value = text, time.Duration(value)
	return nil
}

// String implements pflag.Value.
func (d *durationFlag) String() string { return d.text }

// Type implements pflag.Value.
func (d *durationFlag) Type() string { return "duration" }

// addOverrideFlags adds the flags by which a run says otherwise than its definition.
func addOverrideFlags(c *cobra.Command, o *runOptions) {
	flags := c.Flags()
	flags.StringVar(&o.onOverlap, "on-overlap", "",
		"where the instance is running: `fail|skip|wait`; exit code 6 or 0, or wait until it has ended; as the definition says where not given")
	flags.Var(&o.waitLock, "wait-lock", "wait for a running execution of the instance, this `time` at most (10m where nothing says), then exit code 6")
	flags.BoolVar(&o.failOnSkip, "fail-on-skip", false, "exit code 4 where the job completes and records were skipped")
	flags.BoolVar(&o.failFast, "fail-fast", false, "skip nothing: the first record that would be skipped fails its step; retries stay")
	flags.Var(&o.timeout, "timeout", "stop the job at a chunk boundary when it takes longer than this `time`, whatever the definition says; 0s: never")
	_ = c.RegisterFlagCompletionFunc("on-overlap", cobra.FixedCompletions([]cobra.Completion{"fail", "skip", "wait"}, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"wait-lock", "timeout"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions) // it fails for a flag that is not there
	}
}

// overrides are the flags' values, checked. A bound for waiting is a wish to wait, unless another one is given.
func (o *runOptions) overrides(c *cobra.Command) (plan.Overrides, error) {
	given := plan.Overrides{FailFast: o.failFast, Overlap: job.Overlap{Do: o.onOverlap, Wait: config.Duration(o.waitLock.value)}}
	if known := []string{job.OverlapFail, job.OverlapSkip, job.OverlapWait}; o.onOverlap != "" && !contains(known, o.onOverlap) {
		return given, usageError(c, "--on-overlap: unknown value %q", o.onOverlap).WithHint("%s", fault.DidYouMean(o.onOverlap, known))
	}
	if o.waitLock.text != "" {
		if o.waitLock.value == 0 {
			return given, usageError(c, "--wait-lock: expected a time above 0").WithHint("--on-overlap fail does not wait")
		}
		if o.onOverlap == "" {
			given.Overlap.Do = job.OverlapWait
		}
	}
	if o.timeout.text != "" {
		given.Timeout = &o.timeout.value
	}
	return given, nil
}

// errSkips means that a job completed, that records were skipped, and that --fail-on-skip was given.
var errSkips = errors.New("--fail-on-skip")

// refuseSkips returns an error where any attempt at an instance has skipped records.
func refuseSkips(steps []*batch.StepExecution) error {
	skipped := int64(0)
	for _, s := range steps {
		skipped += s.Total.Skip()
	}
	if skipped == 0 {
		return nil
	}
	return fault.Wrap(fault.Validation, errSkips, "%s", skippedText(skipped)).WithCode("skips").
		WithHint("the job is complete, and all other records are written; what was skipped is in the dead letters, where the step keeps them")
}

func skippedText(n int64) string {
	if n == 1 {
		return "1 record was skipped"
	}
	return fmt.Sprintf("%s records were skipped", grouped(n))
}
