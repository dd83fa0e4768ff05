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

type runOptions struct {
	parameters    []string
	ifComplete    string
	isNew         bool
	acceptChanges bool
	asRecorded    bool
	adopt         bool
	fresh         bool
	onOverlap     string
	waitLock      durationFlag
	failOnSkip    bool
	failFast      bool
	timeout       durationFlag
	dryRun        bool
	report        string
	profiles      profiles
}

func newRunCommand(a *app) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run JOB.yaml [-p name=value]...",
		Short: "Start the job instance that the parameters name, or continue it where it failed or stopped",
		Long: "run starts the job instance that the identifying parameters name. Where an earlier execution of it failed or stopped,\n" +
			"it is continued exactly where it was; where one completed, nothing is done and the exit code is 7.\n\n" +
			"Exit codes: 0 completed, 1 failed, 2 wrong definition or usage, 3 file, database or secret out of reach, 4 skips with\n" +
			"--fail-on-skip, 5 too many skips or a check failed, 6 running already, 7 complete already, 8 not restartable, 9 nothing\n" +
			"was read, 10 timed out, 11 stopped, 130 and 143 stopped by a signal.",
		Example: "  batchctl run jobs/settlement.yaml -p date=yesterday\n" +
			"  batchctl run jobs/settlement.yaml -p date=2026-11-20 --dry-run\n" +
			"  batchctl run jobs/settlement.yaml -p date=today --on-overlap wait --wait-lock 30m\n" +
			"  batchctl run jobs/quickstart.yaml --quiet --report build/report.xml",
		Args:              oneArgument("the path of a job definition"),
		ValidArgsFunction: completeFiles(false),
		RunE: func(c *cobra.Command, args []string) error {
			return o.profiles.around(a, func() error { return runRun(a, c, o, args[0]) })
		},
	}
	flags := c.Flags()
	flags.StringArrayVarP(&o.parameters, "param", "p", nil, "a parameter of the job, `name=value`; may be given many times")
	flags.StringVar(&o.ifComplete, "if-complete", "fail", "where the instance is complete: `fail|skip`, with exit code 7 or 0")
	flags.BoolVar(&o.isNew, "new", false, "a new instance of an each_run job, also where an unfinished one is there")
	flags.BoolVar(&o.dryRun, "dry-run", false, "read and process everything, write and record nothing, and say what would have been written")
	addReportFlag(c, &o)
	addDriftFlags(c, &o)
	addOverrideFlags(c, &o)
	addProfileFlags(c, &o.profiles)
	_ = c.RegisterFlagCompletionFunc("param", completeParameters) // it fails for a flag that is not there
	return c
}

func addReportFlag(c *cobra.Command, o *runOptions) {
	c.Flags().StringVar(&o.report, "report", "", "write the summary into this `file`, also where the job fails: .json, .xml (JUnit) or .md (Markdown)")
}

// addDriftFlags adds the flags that say what to do where things are not as an earlier execution left them.
func addDriftFlags(c *cobra.Command, o *runOptions) {
	flags := c.Flags()
	flags.BoolVar(&o.acceptChanges, "accept-changes", false, "continue with the definition as it is now, although it was changed")
	flags.BoolVar(&o.asRecorded, "as-recorded", false, "continue with the definition as it was recorded, although the file was changed")
	flags.BoolVar(&o.adopt, "adopt", false, "take over what another job repository loaded of this instance, and go on behind it")
	flags.BoolVar(&o.fresh, "fresh", false, "forget how far the steps of this instance came in their targets, and begin again")
}

func (o runOptions) drift() plan.Drift {
	return plan.Drift{AcceptChanges: o.acceptChanges, AsRecorded: o.asRecorded, Adopt: o.adopt, Fresh: o.fresh}
}

func runRun(a *app, c *cobra.Command, o runOptions, path string) error {
	parameters, err := splitParameters(c, o.parameters)
	if err != nil {
		return err
	}
	if o.ifComplete != "fail" && o.ifComplete != "skip" {
		return usageError(c, "--if-complete: unknown value %q", o.ifComplete).WithHint("known: fail, skip")
	}
	overrides, err := o.overrides(c)
	if err != nil {
		return err
	}
	report, err := newReport(c, o.report)
	if err != nil {
		return err
	}
	request := plan.RunRequest{Path: path, Parameters: parameters, New: o.isNew, Drift: o.drift(), Overrides: overrides}
	if o.dryRun {
		return a.rehearse(c.Context(), request, o.failOnSkip)
	}
	return a.execute(c.Context(), o, report, func(ctx context.Context, e *plan.Engine, w plan.Watcher) (*plan.Outcome, error) {
		return e.Run(ctx, request, w)
	})
}

// splitParameters takes name=value apart at the first "=". A value may hold commas, blanks and further "=".
func splitParameters(c *cobra.Command, given []string) (map[string]string, error) {
	parameters := map[string]string{}
	for _, p := range given {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usageError(c, "-p: a parameter is given as name=value")
		}
		if _, twice := parameters[name]; twice {
			return nil, usageError(c, "-p: parameter %s is given twice", name)
		}
		parameters[name] = value
	}
	return parameters, nil
}

// A start is a way into the engine that runs a job.
type start func(context.Context, *plan.Engine, plan.Watcher) (*plan.Outcome, error)

// execute runs a job under the signals and tells how it went.
func (a *app) execute(ctx context.Context, o runOptions, r *report, run start) error {
	engine, err := a.engine()
	if err != nil {
		return a.refused(err, exitCode(err, false, false), r)
	}
	ctx, w := a.watch(ctx, a.newDisplay(a.metaShown()))
	defer w.end()
	outcome, err := run(ctx, engine, w.watcher())
	err = w.reason(err)
	if err == nil && o.failOnSkip {
		err = refuseSkips(outcome.Execution.Steps)
	}
	code := exitCode(err, outcome != nil, outcome.Worked())
	if code == exitComplete && o.ifComplete == "skip" || errors.Is(err, plan.ErrOverlapSkipped) {
		return a.nothingToDo(err)
	}
	if errors.Is(err, plan.ErrNothingToReplay) {
		return a.nothingToReplay(err)
	}
	if outcome == nil {
		return a.refused(err, code, r)
	}
	a.conclude(outcome, err, r)
	if err == nil {
		return nil
	}
	return &codedError{err: err, code: code, said: true}
}

// watch is a look at what the engine does, under the signals.
type watch struct {
	signals *signals
	shown   *teller
	end     func()
}

// watch begins to show what happens, and to hear signals, until end is called.
func (a *app) watch(ctx context.Context, d display) (context.Context, *watch) {
	ctx, signals, deaf := watchSignals(ctx)
	w := &watch{signals: signals, shown: newTeller(d)}
	silent := a.answer(signals, w.shown)
	w.end = func() {
		silent()
		deaf()
	}
	return ctx, w
}

func (w *watch) watcher() plan.Watcher { return plan.Watcher{Observer: w.shown, Stop: w.signals.stop} }

// reason is called with the error that it ended with, and says which signal it was where that stopped it.
func (w *watch) reason(err error) error {
	w.shown.flush()
	return w.signals.reason(err)
}

// answer answers SIGUSR1, and the first signal to stop, until the returned function is called.
func (a *app) answer(s *signals, t *teller) func() {
	done, ended := make(chan struct{}), make(chan struct{})
	stop := s.stop
	go func() {
		defer close(ended)
		for {
			select {
			case <-s.progress:
				t.tell(a.stderr)
			case <-stop:
				stop = nil
				t.to.Say(s.first.Error() + t.whatEnds())
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// nothingToDo tells of a job that did not need to be started.
func (a *app) nothingToDo(why error) error {
	if a.json() {
		a.document(runDocument{Status: notStarted, Reason: fault.Printable(why.Error()), Parameters: map[string]string{}, Steps: []stepDocument{}})
	}
	a.note("%s: nothing to do\n", why)
	return nil
}

// refused tells of a job that could not be started; in the report too.
func (a *app) refused(err error, code int, r *report) error {
	if err != nil {
		a.publish(runDocument{Job: "batchctl", Status: notStarted, Parameters: map[string]string{}, Steps: []stepDocument{}, Errors: a.redacted(plan.SummarizeErrors(err))}, r)
		return &codedError{err: err, code: code}
	}
	return nil
}

// publish writes the report, and the step summary of GitHub Actions. What keeps it from that does not change how the job
// ended.
func (a *app) publish(d runDocument, r *report) {
	if err := errors.Join(r.write(d), a.stepSummary(d)); err != nil {
		fmt.Fprintln(a.stderr, err)
	}
}

// conclude prints the summary of a run that was started, and what a person can do where it did not complete.
func (a *app) conclude(o *plan.Outcome, err error, r *report) {
	a.ran = true
	document := a.runDocument(o, err)
	if a.json() {
		a.document(document)
	}
	a.publish(document, r)
	if err != nil {
		a.annotate(err)
	}
	if a.global.quiet && (err == nil || a.json()) {
		return
	}
	if a.global.logFormat == "json" {
		a.logConclusion(document)
		return
	}
	fmt.Fprint(a.stderr, a.conclusion(o, err))
}

func (a *app) conclusion(o *plan.Outcome, err error) string {
	var b strings.Builder
	if !a.drawsBars() {
		fmt.Fprintf(&b, "%s\n", headline(o.Execution))
		writeSteps(&b, o.Execution)
	}
	if err != nil && !a.json() {
		b.WriteString(renderFailure(o, err))
	}
	status, rest := statusLine(o, err)
	if o.Status(err) == batch.Failed {
		status = a.red(status)
	}
	fmt.Fprintf(&b, "%s %s\n", status, rest)
	if len(o.Letters) > 0 {
		fmt.Fprintf(&b, "  list them: %s\n", o.ListLetters())
	}
	return b.String()
}

// logConclusion says how a run ended where log lines have to be JSON.
func (a *app) logConclusion(d runDocument) {
	log := a.logger().With("job", d.Job, "execution_id", d.ExecutionID)
	for _, e := range d.Errors {
		log.Error(e.Message, "class", e.Class, "code", e.Code, "file", e.File, "line", e.Line, "column", e.Column, "hint", e.Hint, "restart", d.Restart)
	}
}

// note tells a person something that is no error; quiet keeps it back.
func (a *app) note(format string, args ...any) {
	if !a.global.quiet {
		fmt.Fprintf(a.stderr, format, args...)
	}
}
