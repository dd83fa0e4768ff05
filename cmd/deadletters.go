package cmd

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

func newDeadLettersCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "dead-letters",
		Short: "List the records that were skipped, show one, put them through their step again",
		Long: "A dead letter is a record that a step left out, with the reason, kept by the step's dead_letter. They belong to the\n" +
			"instance: all executions of it together have left them behind.",
		Example: "  batchctl dead-letters list 17\n  batchctl dead-letters show 17 1042\n  batchctl dead-letters replay 17",
		Args:    noCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLettersListCommand(a), newLettersShowCommand(a), newLettersReplayCommand(a))
	return c
}

type lettersOptions struct {
	step       string
	phase      string
	class      string
	limit      int
	again      bool
	parameters []string
}

func (o *lettersOptions) addFlags(c *cobra.Command, filters bool) {
	flags := c.Flags()
	flags.StringVar(&o.step, "step", "", "only the dead letters of this `step`")
	if filters {
		flags.StringVar(&o.phase, "phase", "", "only those that were left out in this `phase`: read, process or write")
		flags.StringVar(&o.class, "class", "", "only those with an error of this `class`: parse, validation, constraint or transient")
		// It fails where there is no such flag, which the lines above rule out.
		_ = c.RegisterFlagCompletionFunc("phase", cobra.FixedCompletions(letterPhases, cobra.ShellCompDirectiveNoFileComp))
		_ = c.RegisterFlagCompletionFunc("class", cobra.FixedCompletions(letterClasses, cobra.ShellCompDirectiveNoFileComp))
	}
	flags.StringArrayVarP(&o.parameters, "param", "p", nil, "a secret parameter of the job, `name=value`: those are not recorded")
}

// The values that filters know.
var (
	letterPhases  = []string{string(batch.SkipInRead), string(batch.SkipInProcess), string(batch.SkipInWrite)}
	letterClasses = []string{string(fault.Parse), string(fault.Validation), string(fault.Constraint), string(fault.Transient)}
)

// request checks what the flags say.
func (o *lettersOptions) request(c *cobra.Command, which string) (plan.LettersRequest, error) {
	r := plan.LettersRequest{Which: which, Step: o.step, Phase: batch.SkipPhase(o.phase), Class: fault.Class(o.class), Limit: o.limit}
	for _, filter := range []struct {
		flag, value string
		known       []string
	}{{"phase", o.phase, letterPhases}, {"class", o.class, letterClasses}} {
		if filter.value != "" && !contains(filter.known, filter.value) {
			return r, usageError(c, "--%s: unknown %s %q", filter.flag, filter.flag, filter.value).WithHint("%s", fault.DidYouMean(filter.value, filter.known))
		}
	}
	if o.limit < 0 {
		return r, usageError(c, "--limit: %d is no number of dead letters", o.limit).WithHint("0 is all")
	}
	var err error
	r.Parameters, err = splitParameters(c, o.parameters)
	return r, err
}

func newLettersListCommand(a *app) *cobra.Command {
	var o lettersOptions
	c := &cobra.Command{
		Use:   "list [EXECUTION or JOB]",
		Short: "List the dead letters of an instance",
		Long: "list shows the dead letters that the instance of an execution, or of a job's last run, has left behind, in the order\n" +
			"of its input, and which execution replayed them. Without an argument it takes the only instance that has skipped\n" +
			"records.",
		Example:           "  batchctl dead-letters list\n  batchctl dead-letters list settlement --class constraint\n  batchctl dead-letters list 17 --step load -o json",
		Args:              atMost(1, "list takes one execution or job"),
		ValidArgsFunction: a.completeExecutions(nil),
		RunE: func(c *cobra.Command, args []string) error {
			request, err := o.request(c, strings.Join(args, ""))
			if err != nil {
				return err
			}
			return a.listLetters(c.Context(), request)
		},
	}
	o.addFlags(c, true)
	c.Flags().IntVarP(&o.limit, "limit", "n", 50, "how many dead letters at most; 0 is all")
	return c
}

func newLettersShowCommand(a *app) *cobra.Command {
	var o lettersOptions
	c := &cobra.Command{
		Use:               "show EXECUTION ORDINAL",
		Short:             "Show one dead letter: the record, the reason, what became of it",
		Example:           "  batchctl dead-letters show 17 1042\n  batchctl dead-letters show 17 1042 --step load -o json",
		Args:              twoArguments("the id of an execution", "the ordinal of a dead letter; batchctl dead-letters list shows them"),
		ValidArgsFunction: a.completeExecutions(nil),
		RunE: func(c *cobra.Command, args []string) error {
			request, err := o.request(c, args[0])
			if err != nil {
				return err
			}
			if _, err := executionID(c, args[0]); err != nil {
				return err
			}
			if request.Ordinal, err = ordinal(c, args[1]); err != nil {
				return err
			}
			return a.showLetter(c.Context(), request)
		},
	}
	o.addFlags(c, false)
	return c
}

func newLettersReplayCommand(a *app) *cobra.Command {
	var o lettersOptions
	var run runOptions
	c := &cobra.Command{
		Use:   "replay EXECUTION",
		Short: "Put dead letters through their step again, as an execution of its own",
		Long: "replay runs the step that left the records out once more, on its dead letters alone: with the definition as it is\n" +
			"now, the parameters of the instance, and what the step says about retries, skips and dead letters. What goes through\n" +
			"is recorded and left out of the next replay; what is refused again becomes a dead letter of the replay. A replay that\n" +
			"fails or is killed is continued with batchctl restart. Where nothing is left to be replayed the exit code is 0.",
		Example:           "  batchctl dead-letters replay 17\n  batchctl dead-letters replay 17 --step load --phase write\n  batchctl dead-letters replay 17 --again",
		Args:              oneArgument("the id of an execution; batchctl list shows them"),
		ValidArgsFunction: a.completeExecutions(nil),
		RunE: func(c *cobra.Command, args []string) error {
			request, err := o.request(c, args[0])
			if err == nil {
				_, err = executionID(c, args[0])
			}
			if err != nil {
				return err
			}
			return run.profiles.around(a, func() error {
				return a.replayLetters(c, run, plan.ReplayRequest{Which: args[0], Step: request.Step, Phase: request.Phase, Class: request.Class,
					Again: o.again, Parameters: request.Parameters})
			})
		},
	}
	o.addFlags(c, true)
	c.Flags().BoolVar(&o.again, "again", false, "replay also what went through before")
	addReportFlag(c, &run)
	addProfileFlags(c, &run.profiles)
	return c
}

func (a *app) replayLetters(c *cobra.Command, o runOptions, request plan.ReplayRequest) error {
	report, err := newReport(c, o.report)
	if err != nil {
		return err
	}
	return a.execute(c.Context(), o, report, func(ctx context.Context, e *plan.Engine, w plan.Watcher) (*plan.Outcome, error) {
		return e.Replay(ctx, request, w)
	})
}

// nothingToReplay tells of a replay that did not need to be started.
func (a *app) nothingToReplay(why error) error {
	if a.json() {
		a.document(runDocument{Status: notStarted, Reason: fault.Printable(why.Error()), Parameters: map[string]string{}, Steps: []stepDocument{}})
	}
	a.note("%s\n  hint: %s\n", why, fault.HintOf(why))
	return nil
}
