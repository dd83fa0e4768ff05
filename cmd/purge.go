package cmd

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

type purgeOptions struct {
	olderThan  durationFlag
	keepLast   int
	unfinished bool
	forget     bool
	targets    bool
	dryRun     bool
}

func newPurgeCommand(a *app) *cobra.Command {
	var o purgeOptions
	c := &cobra.Command{
		Use:   "purge --older-than 90d [--keep-last 20] [JOB]",
		Short: "Delete the history of instances that have ended",
		Long: "purge deletes executions, steps, counters, parameters and checkpoints of instances that have ended, also their\n" +
			"checkpoints in target databases, and makes the metadata file smaller. What is running is never deleted, nor what failed\n" +
			"or stopped and could be restarted.\n\n" +
			"An instance with identifying parameters stays known: a line that says that it is complete, so that nobody runs it\n" +
			"twice. With --forget that is deleted too, AND THE SAME PARAMETERS CAN BE RUN, AND THEIR RECORDS LOADED, A SECOND TIME.",
		Example: "  batchctl purge --older-than 90d --keep-last 20\n  batchctl purge --older-than 30d settlement --dry-run\n" +
			"  batchctl purge --older-than 1d --unfinished -o json",
		Args:              atMost(1, "purge takes the name of one job"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(c *cobra.Command, args []string) error {
			return runPurge(a, c, o, strings.Join(args, ""))
		},
	}
	flags := c.Flags()
	flags.Var(&o.olderThan, "older-than", "only instances whose last execution ended longer ago than this `time`: 90d, 12h")
	flags.IntVar(&o.keepLast, "keep-last", 0, "keep the newest `n` instances of each job, however old")
	flags.BoolVar(&o.unfinished, "unfinished", false, "also what failed or stopped and could be restarted: it is abandoned, and its unfinished files are removed")
	flags.BoolVar(&o.forget, "forget", false, "also forget that instances with identifying parameters are complete: they can be run, and load their records, AGAIN")
	flags.BoolVar(&o.targets, "targets", true, "delete checkpoints in target databases too; with --targets=false they stay")
	flags.BoolVar(&o.dryRun, "dry-run", false, "delete nothing, and say what would be deleted")
	_ = c.RegisterFlagCompletionFunc("older-than", cobra.NoFileCompletions) // it fails for a flag that is not there
	_ = c.RegisterFlagCompletionFunc("keep-last", cobra.NoFileCompletions)
	return c
}

func (o purgeOptions) request(c *cobra.Command, job string) (plan.PurgeRequest, error) {
	r := plan.PurgeRequest{Job: job, OlderThan: o.olderThan.value, Keep: o.keepLast, Unfinished: o.unfinished, Forget: o.forget,
		LeaveTargets: !o.targets, DryRun: o.dryRun}
	switch {
	case o.keepLast < 0:
		return r, usageError(c, "--keep-last: %d is no number of instances", o.keepLast)
	case o.olderThan.text == "" && !c.Flags().Changed("keep-last"):
		return r, usageError(c, "say what to delete: --older-than, --keep-last or both").
			WithHint("batchctl purge --older-than 90d --keep-last 20; --dry-run only says what would be deleted")
	}
	return r, nil
}

// purgeDocument is what purge did, as JSON.
type purgeDocument struct {
	DryRun      bool              `json:"dry_run"`
	Jobs        []purgedDocument  `json:"jobs"`
	Files       []string          `json:"removed_files"`
	Checkpoints int64             `json:"target_checkpoints"`
	Definitions int64             `json:"definitions"`
	Freed       int64             `json:"freed_bytes"`
	Left        []leftInstanceDoc `json:"left_in_place"`
}

type purgedDocument struct {
	Job        string `json:"job"`
	Instances  int    `json:"instances"`
	Executions int    `json:"executions"`
	Remembered int    `json:"remembered"`
	Abandoned  int    `json:"abandoned"`
}

type leftInstanceDoc struct {
	Job         string        `json:"job"`
	ExecutionID int64         `json:"execution_id"`
	Error       errorDocument `json:"error"`
}

func runPurge(a *app, c *cobra.Command, o purgeOptions, job string) error {
	request, err := o.request(c, job)
	if err != nil {
		return err
	}
	engine, err := a.engine()
	if err != nil {
		return err
	}
	ctx := c.Context()
	purged, err := engine.Purge(ctx, request)
	if purged == nil {
		return err
	}
	if err == nil {
		err = purged.Err()
	}
	if !a.json() {
		a.purged(request, purged)
		return err
	}
	a.document(newPurgeDocument(request, purged))
	if err != nil {
		return &codedError{err: err, code: exitCode(err, false, false), said: len(purged.Left) > 0}
	}
	return nil
}

func newPurgeDocument(r plan.PurgeRequest, p *plan.Purged) purgeDocument {
	d := purgeDocument{DryRun: r.DryRun, Jobs: []purgedDocument{}, Files: append([]string{}, p.Files...), Checkpoints: p.Checkpoints,
		Definitions: p.Definitions, Freed: p.Freed, Left: []leftInstanceDoc{}}
	for _, j := range p.Jobs {
		d.Jobs = append(d.Jobs, purgedDocument(j))
	}
	for _, l := range p.Left {
		d.Left = append(d.Left, leftInstanceDoc{l.Job, l.Execution, plan.SummarizeError(l.Err)})
	}
	return d
}

// mostNamed is how many instances that were left are named; JSON has all of them.
const mostNamed = 20

// purged prints what was deleted, and to standard error what was left.
func (a *app) purged(r plan.PurgeRequest, p *plan.Purged) {
	for i, l := range p.Left {
		if i == mostNamed {
			fmt.Fprintf(a.stderr, "and %s more\n", grouped(int64(len(p.Left)-mostNamed)))
			break
		}
		fmt.Fprintf(a.stderr, "left in place: execution %d of job %s: %s\n", l.Execution, l.Job, fault.Printable(l.Err.Error()))
	}
	if a.global.quiet {
		return
	}
	verb := "deleted"
	if r.DryRun {
		verb = "would delete"
	}
	if len(p.Jobs) == 0 {
		a.note("%s nothing\n", verb)
		return
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tINSTANCES\tEXECUTIONS\tSTILL KNOWN AS ENDED\tABANDONED")
	for _, j := range p.Jobs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", j.Job, grouped(int64(j.Instances)), grouped(int64(j.Executions)), grouped(int64(j.Remembered)), grouped(int64(j.Abandoned)))
	}
	w.Flush()
	for _, path := range p.Files {
		a.printf("removed the unfinished file %s\n", path)
	}
	if r.DryRun {
		a.note("nothing was deleted: this is a dry run\n")
		return
	}
	a.printf("deleted the history of these, %s in target databases, and %s; the metadata file is %s KiB smaller\n",
		counted(p.Checkpoints, "checkpoint"), counted(p.Definitions, "definition"), grouped(max(0, p.Freed>>10)))
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}
