package cmd

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/job"
)

// completeParameters completes -p name=value from the definition that the command line names: names that are not given
// yet, and values where there are few.
func completeParameters(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	j, err := job.Load(args[0], text)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if name, _, isValue := strings.Cut(typed, "="); isValue {
		p, _ := j.Params.Get(name)
		return valueCompletions(name, p), cobra.ShellCompDirectiveNoFileComp
	}
	given, _ := c.Flags().GetStringArray("param")
	var names []cobra.Completion
	for _, p := range j.Params {
		isGiven := slices.ContainsFunc(given, func(g string) bool { return strings.HasPrefix(g, p.Name+"=") })
		if !isGiven {
			names = append(names, cobra.CompletionWithDesc(p.Name+"=", parameterHelp(p.Value)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func parameterHelp(p job.Param) string {
	help := p.Type
	if p.Required {
		help += ", required"
	}
	if p.Description != "" {
		help += ": " + p.Description
	}
	return help
}

// valueCompletions are the values that a parameter may have, or the usual ones.
func valueCompletions(name string, p job.Param) (values []cobra.Completion) {
	known := p.Enum
	switch {
	case len(known) > 0:
	case p.Type == job.TypeBool:
		known = []string{"true", "false"}
	case p.Type == job.TypeDate:
		known = []string{"today", "yesterday"}
	}
	for _, value := range known {
		values = append(values, name+"="+value)
	}
	return values
}
