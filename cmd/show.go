package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/meta"
	"batchctl/pkg/plan"
)

func newShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "show EXECUTION",
		Short:             "Show one execution: parameters, steps, counters, errors, checkpoints",
		Example:           "  batchctl show 17\n  batchctl show 17 -o json",
		ValidArgsFunction: a.completeExecutions(nil),
		Args:              oneArgument("the id of an execution; batchctl list shows them"),
		RunE:              func(c *cobra.Command, args []string) error { return runShow(a, c, args[0]) },
	}
}

type showDocument struct {
	executionDocument
	Definition definitionDocument         `json:"definition"`
	Owner      *ownerDocument             `json:"owner,omitempty"`
	Context    map[string]json.RawMessage `json:"context"`
	Steps      []showStep                 `json:"steps"`
	Lanes      []laneDocument             `json:"checkpoints"`
	Newest     int64                      `json:"newest_execution_of_instance"`
}

type definitionDocument struct {
	Path string `json:"path"`
	Hash string `json:"sha256"`
}

type ownerDocument struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

type showStep struct {
	stepDocument
	ExitMessage string     `json:"exit_message,omitempty"`
	Started     *time.Time `json:"started"`
	Ended       *time.Time `json:"ended"`
}

type laneDocument struct {
	Step    string           `json:"step"`
	Visit   int              `json:"visit"`
	Lane    int              `json:"lane"`
	Phase   batch.Phase      `json:"phase"`
	Ordinal int64            `json:"ordinal"`
	Reader  json.RawMessage  `json:"reader,omitempty"`
	Writer  json.RawMessage  `json:"writer,omitempty"`
	Counts  map[string]int64 `json:"counters"`
	Saved   *time.Time       `json:"saved"`
}

func runShow(a *app, c *cobra.Command, which string) error {
	id, err := executionID(c, which)
	if err != nil {
		return err
	}
	var details *meta.Details
	var lanes []meta.LaneCheckpoint
	err = a.inspect(c.Context(), func(ctx context.Context, store *meta.Store) (err error) {
		if details, err = store.Execution(ctx, id); err == nil {
			lanes, err = store.Checkpoints(ctx, details.Execution.Instance)
		}
		return err
	})
	if err != nil {
		return err
	}
	if a.json() {
		a.document(newShowDocument(details, lanes))
		return nil
	}
	writeDetails(a.stdout, details, lanes)
	return nil
}

func newShowDocument(d *meta.Details, lanes []meta.LaneCheckpoint) showDocument {
	e := d.Execution
	var sum batch.Counters
	document := showDocument{Definition: definitionDocument{e.Definition.Path, e.Definition.Hash}, Context: e.Context.Exported(), Newest: d.Newest,
		Steps: []showStep{}, Lanes: []laneDocument{}}
	for _, s := range e.Steps {
		if !s.IsPartition() { // its counts are in those of its step
			sum = sum.Add(s.Counters)
		}
		document.Steps = append(document.Steps, showStep{plan.SummarizeStep(s, e.ID), s.Exit.Description, known(s.Started), known(s.Ended)})
	}
	document.executionDocument = newExecutionDocument(e, sum)
	if d.Owner != nil {
		document.Owner = &ownerDocument{d.Owner.Host, d.Owner.PID}
	}
	for _, l := range lanes {
		document.Lanes = append(document.Lanes, laneDocument{l.Lane.Step, l.Lane.Visit, l.Lane.Lane, l.Checkpoint.Phase, l.Checkpoint.Ordinal,
			l.Checkpoint.Reader, l.Checkpoint.Writer, l.Checkpoint.Counters.Named(), known(l.Updated)})
	}
	return document
}

func writeDetails(to io.Writer, d *meta.Details, lanes []meta.LaneCheckpoint) {
	e := d.Execution
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "execution\t%d of %s\n", e.ID, e.Instance.Name)
	fmt.Fprintf(w, "instance\t%d, key %s\n", e.Instance.ID, e.Instance.Key)
	fmt.Fprintf(w, "status\t%s, exit status %s\n", e.Status, e.Exit.Code)
	fmt.Fprintf(w, "started\t%s\n", localTime(e.Started))
	fmt.Fprintf(w, "ended\t%s\n", localTime(e.Ended))
	fmt.Fprintf(w, "definition\t%s\n", e.Definition.Path)
	if d.Owner != nil {
		fmt.Fprintf(w, "process\t%d on %s%s\n", d.Owner.PID, d.Owner.Host, leaseText(d))
	}
	shown := plan.ShownParameters(e.Parameters)
	for _, p := range e.Parameters {
		fmt.Fprintf(w, "parameter\t%s=%s (%s%s)\n", p.Name, shown[p.Name], p.Type, notIdentifying(p))
	}
	exported := e.Context.Exported() // the rest is the engine's
	for _, name := range sortedKeys(exported) {
		fmt.Fprintf(w, "context\t%s=%s\n", name, exported[name])
	}
	for _, l := range lanes {
		fmt.Fprintf(w, "checkpoint\t%s: %s, %s records read, saved %s\n", l.Lane.Step, l.Checkpoint.Phase, grouped(l.Checkpoint.Ordinal), localTime(l.Updated))
	}
	w.Flush()
	if len(e.Steps) > 0 {
		fmt.Fprintln(to, "steps")
		writeSteps(to, e)
		writePartitions(to, e)
		writeTimes(to, e)
	}
	if e.Exit.Description != "" {
		title := "error"
		if e.Status == batch.Completed {
			title = "note"
		}
		fmt.Fprintf(to, "%s\n  %s\n", title, e.Exit.Description)
	}
	if e.Status.Restartable() && d.Newest == e.ID {
		fmt.Fprintf(to, "restart: batchctl restart %d\n", e.ID)
	}
}

func notIdentifying(p batch.Parameter) string {
	if p.Identifying {
		return ""
	}
	return ", not identifying"
}

// leaseText says how long the owner of a running execution keeps it without being heard from, where there are leases.
func leaseText(d *meta.Details) string {
	if !d.Execution.Status.Running() || d.Owner.LeaseUntil.IsZero() {
		return ""
	}
	return ", lease until " + localTime(d.Owner.LeaseUntil)
}
