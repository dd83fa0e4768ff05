package cmd

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

func newExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "explain [SORT [KIND]]",
		Short:   "Explain the kinds of readers, processors and writers, and their keys",
		Example: "  batchctl explain\n  batchctl explain reader csv",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return runExplain(a, c, args)
		},
	}
}

func runExplain(a *app, c *cobra.Command, args []string) error {
	sorts := plan.Explain()
	if len(args) == 0 {
		if a.json() {
			a.document(sorts)
			return nil
		}
		for _, s := range sorts {
			a.explainSort(s)
		}
		return nil
	}
	s, err := findSort(c, sorts, args[0])
	if err != nil {
		return err
	}
	if len(args) == 1 {
		return a.explained(s, func() { a.explainSort(s) })
	}
	k, err := findKind(c, s, args[1])
	if err != nil {
		return err
	}
	return a.explained(k, func() { a.explainKind(s.Name, k) })
}

func (a *app) explained(document any, text func()) error {
	if a.json() {
		a.document(document)
		return nil
	}
	text()
	return nil
}

func findSort(c *cobra.Command, sorts []plan.Sort, name string) (plan.Sort, error) {
	names := []string{}
	for _, s := range sorts {
		if s.Name == strings.TrimSuffix(name, "s") {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return plan.Sort{}, usageError(c, "unknown sort of component %q", name).WithHint("%s", fault.DidYouMean(name, names))
}

func findKind(c *cobra.Command, s plan.Sort, name string) (plan.Kind, error) {
	names := []string{}
	for _, k := range s.Kinds {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return plan.Kind{}, usageError(c, "unknown %s %q", s.Name, name).WithHint("%s", fault.DidYouMean(name, names))
}

func (a *app) explainSort(s plan.Sort) {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	for _, k := range s.Kinds {
		fmt.Fprintf(w, "%s %s\t%s\n", s.Name, k.Name, k.Summary)
	}
	w.Flush()
}

func (a *app) explainKind(sort string, k plan.Kind) {
	a.printf("%s %s: %s\n", sort, k.Name, k.Summary)
	if len(k.Keys) == 0 {
		return
	}
	a.printf("\n")
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tTYPE\tDEFAULT\tMEANING")
	for _, key := range k.Keys {
		def := key.Default
		if key.Required {
			def = "required"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", key.Name, key.Type, def, key.Help)
	}
	w.Flush()
}
