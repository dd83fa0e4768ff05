package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
	"batchctl/pkg/plan"
)

type listOptions struct {
	status string
	limit  int
	jobs   bool
}

func newListCommand(a *app) *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use:   "list [JOB]",
		Short: "List executions, the newest first, or all jobs",
		Example: "  batchctl list\n  batchctl list settlement --status FAILED,STOPPED\n  batchctl list --jobs\n" +
			"  batchctl list settlement -n 1 -o json",
		Args:              atMost(1, "list takes the name of one job"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(c *cobra.Command, args []string) error {
			return runList(a, c, o, strings.Join(args, ""))
		},
	}
	c.Flags().StringVar(&o.status, "status", "", "only executions of this `status`, such as FAILED; several with commas")
	c.Flags().IntVarP(&o.limit, "limit", "n", 20, "how many executions at most; 0 is all")
	c.Flags().BoolVar(&o.jobs, "jobs", false, "list the jobs: their instances, executions, and how the last one went")
	return c
}

// executionDocument is a row of list as JSON, and the head of show.
type executionDocument struct {
	ExecutionID int64             `json:"execution_id"`
	Job         string            `json:"job"`
	InstanceID  int64             `json:"instance_id"`
	Status      batch.Status      `json:"status"`
	ExitStatus  string            `json:"exit_status"`
	ExitMessage string            `json:"exit_message,omitempty"`
	Parameters  map[string]string `json:"parameters"`
	Created     *time.Time        `json:"created"`
	Started     *time.Time        `json:"started"`
	Ended       *time.Time        `json:"ended"`
	Counters    map[string]int64  `json:"counters"`
}

func newExecutionDocument(e *batch.JobExecution, counters batch.Counters) executionDocument {
	return executionDocument{
		ExecutionID: e.ID, Job: e.Instance.Name, InstanceID: e.Instance.ID, Status: e.Status,
		ExitStatus: e.Exit.Code, ExitMessage: e.Exit.Description, Parameters: plan.ShownParameters(e.Parameters),
		Created: known(e.Created), Started: known(e.Started), Ended: known(e.Ended), Counters: counters.Named(),
	}
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func runList(a *app, c *cobra.Command, o listOptions, job string) error {
	if o.jobs {
		return runListJobs(a, c, o, job)
	}
	filter := meta.Filter{Job: job, Limit: o.limit}
	if o.limit < 0 {
		return usageError(c, "--limit: %d is no number of executions", o.limit).WithHint("0 is all")
	}
	for _, s := range strings.FieldsFunc(o.status, func(r rune) bool { return r == ',' }) {
		status := batch.Status(strings.ToUpper(strings.TrimSpace(s)))
		if !slices.Contains(statuses, status) {
			return usageError(c, "--status: unknown status %q", s).WithHint("%s", fault.DidYouMean(string(status), statusNames()))
		}
		filter.Status = append(filter.Status, status)
	}
	var found []meta.ExecutionSummary
	err := a.inspect(c.Context(), func(ctx context.Context, store *meta.Store) (err error) {
		found, err = store.Executions(ctx, filter)
		return err
	})
	if err != nil {
		return err
	}
	if a.json() {
		documents := []executionDocument{}
		for _, s := range found {
			documents = append(documents, newExecutionDocument(s.Execution, s.Counters))
		}
		a.document(documents)
		return nil
	}
	a.listTable(found, job)
	return nil
}

// statuses are those that an execution can have in the job repository.
var statuses = []batch.Status{batch.Starting, batch.Started, batch.Stopping, batch.Stopped, batch.Failed, batch.Completed, batch.Abandoned}

func statusNames() []string {
	names := make([]string, len(statuses))
	for i, s := range statuses {
		names[i] = string(s)
	}
	return names
}

// look opens the job repository and marks what died without saying so.
func (a *app) look(ctx context.Context, fn func(context.Context, *meta.Store) error) error {
	return a.with(ctx, (*plan.Engine).OpenStore, fn)
}

// inspect is look for commands that only show. Where the job repository cannot be written (a full disk, another user's
// file) they show it as it is.
func (a *app) inspect(ctx context.Context, fn func(context.Context, *meta.Store) error) error {
	return a.with(ctx, func(e *plan.Engine, ctx context.Context) (*meta.Store, error) {
		store, err := e.OpenStore(ctx)
		if err == nil || fault.ClassOf(err) != fault.Environment {
			return store, err
		}
		store, cannotRead := e.OpenReadOnly(ctx)
		if cannotRead != nil {
			return nil, err
		}
		a.note("%s\n  executions whose process has died may be shown as running\n", fault.Printable(err.Error()))
		return store, nil
	}, fn)
}

func (a *app) with(ctx context.Context, open func(*plan.Engine, context.Context) (*meta.Store, error), fn func(context.Context, *meta.Store) error) error {
	engine, err := a.engine()
	if err != nil {
		return err
	}
	store, err := open(engine, ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return fn(ctx, store)
}

func (a *app) listTable(found []meta.ExecutionSummary, job string) {
	if len(found) == 0 {
		of := ""
		if job != "" {
			of = " of job " + job
		}
		a.note("no such executions%s in %s\n", of, a.metaShown())
		return
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "EXECUTION\tJOB\tSTATUS\tSTARTED\tELAPSED\tREAD\tWRITTEN\tSKIPPED\tPARAMETERS")
	for _, s := range found {
		e := s.Execution
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Instance.Name, e.Status, localTime(e.Started), elapsed(e.Started, e.Ended),
			grouped(s.Counters.Read), grouped(s.Counters.Write), grouped(s.Counters.Skip()), parameterText(e.Parameters))
	}
	w.Flush()
}

func localTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func elapsed(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "-"
	}
	return shortDuration(to.Sub(from))
}

func parameterText(parameters []batch.Parameter) string {
	shown := plan.ShownParameters(parameters)
	parts := make([]string, len(parameters))
	for i, p := range parameters {
		parts[i] = p.Name + "=" + shown[p.Name]
	}
	return strings.Join(parts, " ")
}
