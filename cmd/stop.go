package cmd

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
)

func newStopCommand(a *app) *cobra.Command {
	var wait bool
	c := &cobra.Command{
		Use:   "stop EXECUTION",
		Short: "Ask a running execution to stop at its next chunk boundary",
		Long: "stop asks the process of a running execution, wherever it runs, to finish the chunk in hand and stop. The\n" +
			"execution can be restarted.",
		Example:           "  batchctl stop 17\n  batchctl stop 17 --wait",
		Args:              oneArgument("the id of an execution; batchctl list shows them"),
		ValidArgsFunction: a.completeExecutions(batch.Status.Running),
		RunE: func(c *cobra.Command, args []string) error {
			return runStop(a, c, args[0], wait)
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "return when the execution has ended")
	return c
}

func executionID(c *cobra.Command, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, usageError(c, "%q is not the id of an execution", text).WithHint("batchctl list shows the ids")
	}
	return id, nil
}

// stopPoll is how often --wait looks whether the execution has ended.
const stopPoll = 100 * time.Millisecond

func runStop(a *app, c *cobra.Command, which string, wait bool) error {
	id, err := executionID(c, which)
	if err != nil {
		return err
	}
	return a.look(c.Context(), func(ctx context.Context, store *meta.Store) error {
		if err := store.RequestStop(ctx, id); err != nil {
			return err
		}
		if wait {
			return a.awaitEnd(ctx, store, id)
		}
		a.note("execution %d was asked to stop at its next chunk boundary\n", id)
		return a.tellStatus(ctx, store, id)
	})
}

// statusDocument is what became of an execution, as JSON.
type statusDocument struct {
	ExecutionID int64        `json:"execution_id"`
	Status      batch.Status `json:"status"`
	StopAsked   bool         `json:"stop_asked"`
}

func (a *app) tellStatus(ctx context.Context, store *meta.Store, id int64) error {
	if !a.json() {
		return nil
	}
	details, err := store.Execution(ctx, id)
	if err == nil {
		a.document(statusDocument{id, details.Execution.Status, !details.StopAsked.IsZero()})
	}
	return err
}

// awaitEnd returns when an execution has ended, also where its process died.
func (a *app) awaitEnd(ctx context.Context, store *meta.Store, id int64) error {
	for {
		if _, err := store.Sweep(ctx); err != nil {
			return err
		}
		details, err := store.Execution(ctx, id)
		if err != nil {
			return err
		}
		if !details.Execution.Status.Running() {
			a.note("execution %d is %s\n", id, details.Execution.Status)
			return a.tellStatus(ctx, store, id)
		}
		select {
		case <-time.After(stopPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func newAbandonCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "abandon EXECUTION",
		Short: "Make sure that the instance of a failed or stopped execution is never continued",
		Long: "abandon ends the history of an instance that failed or stopped and is not to be continued: run and restart refuse it\n" +
			"from then on. Rows that it has committed, and files that are complete, stay as they are; hidden files of unfinished\n" +
			"steps are removed.",
		Example:           "  batchctl abandon 17",
		Args:              oneArgument("the id of an execution; batchctl list shows them"),
		ValidArgsFunction: a.completeExecutions(batch.Status.Restartable),
		RunE: func(c *cobra.Command, args []string) error {
			return runAbandon(a, c, args[0])
		},
	}
}

// abandonDocument is what abandon did, as JSON.
type abandonDocument struct {
	ExecutionID int64        `json:"execution_id"`
	Status      batch.Status `json:"status"`
	Removed     []string     `json:"removed_files"`
	Warnings    []string     `json:"warnings"`
}

func runAbandon(a *app, c *cobra.Command, which string) error {
	id, err := executionID(c, which)
	if err != nil {
		return err
	}
	engine, err := a.engine()
	if err != nil {
		return err
	}
	d := abandonDocument{ExecutionID: id, Status: batch.Abandoned, Removed: []string{}, Warnings: []string{}}
	err = a.look(c.Context(), func(ctx context.Context, store *meta.Store) error {
		removed, err := engine.Abandon(ctx, store, id)
		d.Removed = append(d.Removed, removed...)
		if fault.CodeOf(err) != "leftovers" {
			return err
		}
		d.Warnings = append(d.Warnings, fault.Printable(err.Error()))
		return nil
	})
	if err != nil {
		return err
	}
	if a.json() {
		a.document(d)
		return nil
	}
	a.note("execution %d is ABANDONED: its instance is never continued\n", id)
	for _, path := range d.Removed {
		a.note("removed the unfinished file %s\n", path)
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", warning)
	}
	return nil
}
