package cmd

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"batchctl/pkg/meta"
)

// jobDocument is a row of list --jobs as JSON.
type jobDocument struct {
	Job        string            `json:"job"`
	Instances  int64             `json:"instances"`
	Executions int64             `json:"executions"`
	Last       executionDocument `json:"last_execution"`
}

func runListJobs(a *app, c *cobra.Command, o listOptions, job string) error {
	if job != "" || o.status != "" {
		return usageError(c, "--jobs lists all jobs: it takes neither a name nor --status").WithHint("batchctl list JOB lists the executions of a job")
	}
	var found []meta.JobSummary
	err := a.inspect(c.Context(), func(ctx context.Context, store *meta.Store) (err error) {
		found, err = store.Jobs(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if a.json() {
		documents := []jobDocument{}
		for _, j := range found {
			documents = append(documents, jobDocument{j.Name, j.Instances, j.Executions, newExecutionDocument(j.Last.Execution, j.Last.Counters)})
		}
		a.document(documents)
		return nil
	}
	a.jobTable(found)
	return nil
}

func (a *app) jobTable(found []meta.JobSummary) {
	if len(found) == 0 {
		path, _ := a.metaPath()
		a.note("no jobs in %s\n", path)
		return
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tINSTANCES\tEXECUTIONS\tLAST\tSTATUS\tSTARTED\tPARAMETERS")
	for _, j := range found {
		last := j.Last.Execution
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", j.Name, grouped(j.Instances), grouped(j.Executions), last.ID, last.Status,
			localTime(last.Started), parameterText(last.Parameters))
	}
	w.Flush()
}
