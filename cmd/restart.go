package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

func newRestartCommand(a *app) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "restart [EXECUTION or JOB]",
		Short: "Continue a failed or stopped execution where it was",
		Long: "restart continues a failed or stopped execution with its parameters and the definition at its recorded path.\n" +
			"Without an argument it takes the only execution that can be restarted, and lists them where there are several.\n" +
			"Secret parameters are not recorded: they come from their source again, or by -p.",
		Example:           "  batchctl restart\n  batchctl restart 17\n  batchctl restart settlement",
		Args:              atMost(1, "restart takes one execution or job; a parameter is given as -p name=value"),
		ValidArgsFunction: a.completeExecutions(batch.Status.Restartable),
		RunE: func(c *cobra.Command, args []string) error {
			return o.profiles.around(a, func() error { return runRestart(a, c, o, strings.Join(args, "")) })
		},
	}
	c.Flags().StringArrayVarP(&o.parameters, "param", "p", nil, "a secret or not identifying parameter, `name=value`")
	addReportFlag(c, &o)
	addDriftFlags(c, &o)
	addOverrideFlags(c, &o)
	addProfileFlags(c, &o.profiles)
	return c
}

func runRestart(a *app, c *cobra.Command, o runOptions, which string) error {
	parameters, err := splitParameters(c, o.parameters)
	if err != nil {
		return err
	}
	report, err := newReport(c, o.report)
	if err != nil {
		return err
	}
	overrides, err := o.overrides(c)
	if err != nil {
		return err
	}
	request := plan.RestartRequest{Which: which, Parameters: parameters, Drift: o.drift(), Overrides: overrides}
	return a.execute(c.Context(), o, report, func(ctx context.Context, e *plan.Engine, w plan.Watcher) (*plan.Outcome, error) {
		return e.Restart(ctx, request, w)
	})
}

// renderFailure is the reason why a run did not complete, and the command that continues it.
func renderFailure(o *plan.Outcome, err error) string {
	text := fault.Render(err)
	if command := o.RestartCommand(err); command != "" && !errors.Is(err, batch.ErrNotRestartable) {
		advice := "after a change of the definition: --accept-changes"
		if o.Anew {
			advice = "it begins anew: what came over standard input or went to standard output is gone; rows in a table stay there"
		}
		text += fmt.Sprintf("  restart: %s        (%s)\n", command, advice)
	}
	return text
}
