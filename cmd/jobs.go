package cmd

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
)

// jobDocument is a row of list --jobs as JSON.
type jobDocument struct {
	Job         string            `json:"job"`
	Description string            `json:"description,omitempty"`
	Instances   int64             `json:"instances"`
	Executions  int64             `json:"executions"`
	Last        executionDocument `json:"last_execution"`
}

func runListJobs(a *app, c *cobra.Command, o listOptions, job string) error {
	if job != "" || o.status != "" {
		return usageError(c, "--jobs lists all jobs: it takes neither a name nor --status").WithHint("batchctl list JOB lists the executions of a job")
	}
	var found []meta.JobSummary
	descriptions := map[string]string{}
	err := a.inspect(c.Context(), func(ctx context.Context, store *meta.Store) (err error) {
		if found, err = store.Jobs(ctx); err != nil {
			return err
		}
		for _, j := range found {
			descriptions[j.Name] = description(ctx, store, j.Last.Execution.Definition)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if a.json() {
		documents := []jobDocument{}
		for _, j := range found {
			documents = append(documents, jobDocument{j.Name, descriptions[j.Name], j.Instances, j.Executions, newExecutionDocument(j.Last.Execution, j.Last.Counters)})
		}
		a.document(documents)
		return nil
	}
	a.jobTable(found, descriptions)
	return nil
}

// description is what a recorded definition says of itself; nothing where it cannot be read any more.
func description(ctx context.Context, store *meta.Store, d batch.Definition) string {
	text, err := store.DefinitionText(ctx, d.Hash)
	if err != nil {
		return ""
	}
	j, err := job.Load(d.Path, []byte(text))
	if err != nil {
		return ""
	}
	return j.Description
}

func (a *app) jobTable(found []meta.JobSummary, descriptions map[string]string) {
	if len(found) == 0 {
		a.note("no jobs in %s\n", a.metaShown())
		return
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tINSTANCES\tEXECUTIONS\tLAST\tSTATUS\tSTARTED\tPARAMETERS\tDESCRIPTION")
	for _, j := range found {
		last := j.Last.Execution
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", j.Name, grouped(j.Instances), grouped(j.Executions), last.ID, last.Status,
			localTime(last.Started), parameterText(last.Parameters), descriptions[j.Name])
	}
	w.Flush()
}
