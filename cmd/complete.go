package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/meta"
	"batchctl/pkg/plan"
)

// Completion in the shell: job files, names of jobs, ids of executions, sorts and kinds. What cannot be found out
// completes to nothing.

// completeFiles completes job definitions: one, or as many as there are.
func completeFiles(many bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 && !many {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []cobra.Completion{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

func (a *app) completeJobs(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	if len(args) == 0 {
		a.peek(c, func(ctx context.Context, store *meta.Store) error {
			jobs, err := store.Jobs(ctx)
			for _, j := range jobs {
				names = append(names, j.Name)
			}
			return err
		})
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeExecutions completes ids of executions that a command can be about; nil are all.
func (a *app) completeExecutions(fits func(batch.Status) bool) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var ids []cobra.Completion
		if len(args) == 0 {
			a.peek(c, func(ctx context.Context, store *meta.Store) error {
				found, err := store.Executions(ctx, meta.Filter{Limit: 50})
				for _, s := range found {
					if e := s.Execution; fits == nil || fits(e.Status) {
						about := strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Instance.Name, e.Status, parameterText(e.Parameters)))
						ids = append(ids, cobra.CompletionWithDesc(fmt.Sprint(e.ID), about))
					}
				}
				return err
			})
		}
		return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// peek reads the job repository, and does nothing where that is not possible.
func (a *app) peek(c *cobra.Command, fn func(context.Context, *meta.Store) error) {
	if environmentTwins(c) == nil {
		_ = a.inspect(c.Context(), fn)
	}
}

func completeKinds(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	if len(args) == 0 {
		for _, p := range plan.Parts() {
			names = append(names, cobra.CompletionWithDesc(p.Name, p.Summary))
		}
	}
	for _, s := range plan.Explain() {
		switch {
		case len(args) == 0:
			names = append(names, s.Name)
		case len(args) == 1 && s.Name == args[0]:
			for _, k := range s.Kinds {
				names = append(names, cobra.CompletionWithDesc(k.Name, k.Summary))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
