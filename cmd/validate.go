package cmd

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

func newValidateCommand(a *app) *cobra.Command {
	var parameters []string
	c := &cobra.Command{
		Use:   "validate JOB.yaml...",
		Short: "Check job definitions: syntax, names, expressions, columns, connections where they can be reached",
		Long: "validate checks everything about job definitions that can be known before they run, and writes nothing. Files and\n" +
			"databases that cannot be reached now, and required parameters that are not given, are warnings. Of several files the\n" +
			"highest exit code counts.",
		Example:           "  batchctl validate jobs/*.yaml\n  batchctl validate jobs/settlement.yaml -p date=today -o json",
		Args:              atLeastOne("the path of a job definition"),
		ValidArgsFunction: completeFiles(true),
		RunE: func(c *cobra.Command, args []string) error {
			given, err := splitParameters(c, parameters)
			if err != nil {
				return err
			}
			return runValidate(a, c.Context(), args, given)
		},
	}
	c.Flags().StringArrayVarP(&parameters, "param", "p", nil, "a parameter to check with, `name=value`")
	_ = c.RegisterFlagCompletionFunc("param", completeParameters) // it fails for a flag that is not there
	return c
}

type validateDocument struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Errors   []errorDocument `json:"errors"`
	Warnings []string        `json:"warnings"`
}

func runValidate(a *app, ctx context.Context, paths []string, parameters map[string]string) error {
	engine, err := a.world()
	if err != nil {
		return err
	}
	documents, code := []validateDocument{}, exitCompleted
	for _, path := range paths {
		warnings, err := engine.Validate(ctx, path, parameters)
		d := validateDocument{File: path, Valid: err == nil, Errors: []errorDocument{}, Warnings: append([]string{}, warnings...)}
		if err != nil {
			code = max(code, exitCode(err, false, false))
			d.Errors = plan.SummarizeErrors(err)
		}
		documents = append(documents, d)
		if !a.json() {
			a.validated(path, warnings, err)
		}
	}
	if a.json() {
		a.document(documents)
		a.annotateAll(documents)
	}
	if code != exitCompleted {
		return &codedError{err: fmt.Errorf("not valid"), code: code, said: true}
	}
	return nil
}

func (a *app) validated(path string, warnings []string, err error) {
	for _, w := range warnings {
		if !a.global.quiet {
			fmt.Fprintf(a.stderr, "%s: warning: %s\n", path, w)
		}
	}
	if err != nil {
		fmt.Fprint(a.stderr, fault.Render(err))
		a.annotate(err)
		return
	}
	if !a.global.quiet {
		a.printf("%s: valid\n", path)
	}
}

func newPlanCommand(a *app) *cobra.Command {
	var parameters []string
	c := &cobra.Command{
		Use:   "plan JOB.yaml [-p name=value]...",
		Short: "Show what would run: the resolved definition, steps, SQL, guarantees, and what a restart would do",
		Long: "plan shows what run would do with these parameters now: the definition with its ${...} filled in and secrets hidden,\n" +
			"the guarantee of each step, and whether a new instance would be started or which execution would be continued. It runs\n" +
			"nothing and writes nothing.",
		Example:           "  batchctl plan jobs/settlement.yaml -p date=yesterday",
		Args:              oneArgument("the path of a job definition"),
		ValidArgsFunction: completeFiles(false),
		RunE: func(c *cobra.Command, args []string) error {
			given, err := splitParameters(c, parameters)
			if err != nil {
				return err
			}
			return runPlan(a, c.Context(), args[0], given)
		},
	}
	c.Flags().StringArrayVarP(&parameters, "param", "p", nil, "a parameter of the job, `name=value`")
	_ = c.RegisterFlagCompletionFunc("param", completeParameters) // it fails for a flag that is not there
	return c
}

func runPlan(a *app, ctx context.Context, path string, parameters map[string]string) error {
	engine, err := a.engine()
	if err != nil {
		return err
	}
	described, err := engine.Describe(ctx, path, parameters)
	if err != nil {
		return err
	}
	if a.json() {
		a.document(described)
		return nil
	}
	a.planText(described)
	return nil
}

func (a *app) planText(d *plan.Description) {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "job\t%s\n", d.Job)
	if d.Description != "" {
		fmt.Fprintf(w, "description\t%s\n", d.Description)
	}
	fmt.Fprintf(w, "instance\t%s\n", d.Instance)
	fmt.Fprintf(w, "next run\t%s\n", d.NextRun)
	fmt.Fprintf(w, "on overlap\t%s\n", d.OnOverlap)
	if d.Timeout != "" {
		fmt.Fprintf(w, "timeout\t%s\n", d.Timeout)
	}
	fmt.Fprintf(w, "time zone\t%s\n", zoneText(d.TimeZone, time.Now()))
	fmt.Fprintf(w, "base folder\t%s\n", d.Base)
	for _, p := range d.Parameters {
		fmt.Fprintf(w, "parameter\t%s=%s (%s%s)\n", p.Name, p.Value, p.Type, map[bool]string{true: "", false: ", not identifying"}[p.Identifying])
	}
	for _, c := range d.Connections {
		fmt.Fprintf(w, "connection\t%s: %s\n", c.Name, c.Location)
	}
	w.Flush()
	for i, s := range d.Steps {
		if s.Chunk > 0 {
			fmt.Fprintf(a.stdout, "\nstep %d: %s, chunks of %d\n", i+1, s.Name, s.Chunk)
			if s.Partition != "" {
				fmt.Fprintf(a.stdout, "  partitions: %s\n", s.Partition)
			}
			fmt.Fprintf(a.stdout, "  guarantee: %s\n", s.Guarantee)
		} else {
			fmt.Fprintf(a.stdout, "\nstep %d: %s, %s\n", i+1, s.Name, s.Guarantee)
		}
		fmt.Fprintf(a.stdout, "%s\n", indent(s.Resolved, "  "))
	}
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by)
}
