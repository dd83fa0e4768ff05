package cmd

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

func newExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [PART | SORT [KIND]]",
		Short: "Explain the keys of a definition, and the kinds of readers, processors and writers",
		Long: "explain lists what a job definition can say, from the same tables that check a definition. PART is job, param,\n" +
			"connection, defaults or step; SORT is reader, processor, writer or listener, and KIND one of its kinds.",
		Example:           "  batchctl explain\n  batchctl explain step\n  batchctl explain writers\n  batchctl explain reader csv",
		Args:              atMost(2, "explain takes a part of a definition, or a sort and a kind"),
		ValidArgsFunction: completeKinds,
		RunE: func(c *cobra.Command, args []string) error {
			return runExplain(a, c, args)
		},
	}
}

// sortDocument, kindDocument and keyDocument are what explain says, as JSON.
type sortDocument struct {
	Sort  string         `json:"sort"`
	Kinds []kindDocument `json:"kinds"`
}

type kindDocument struct {
	Kind    string        `json:"kind"`
	Summary string        `json:"summary"`
	Keys    []keyDocument `json:"keys"`
}

type keyDocument struct {
	Key      string        `json:"key"`
	Type     string        `json:"type"`
	Required bool          `json:"required"`
	Default  string        `json:"default,omitempty"` // as written in YAML
	Enum     []string      `json:"enum,omitempty"`
	Help     string        `json:"help"`
	Keys     []keyDocument `json:"keys,omitempty"`
}

func sortDocumentOf(s plan.Sort) sortDocument {
	d := sortDocument{Sort: s.Name, Kinds: []kindDocument{}}
	for _, k := range s.Kinds {
		d.Kinds = append(d.Kinds, kindDocumentOf(k))
	}
	return d
}

func kindDocumentOf(k plan.Kind) kindDocument {
	return kindDocument{k.Name, k.Summary, append([]keyDocument{}, keyDocuments(k.Keys)...)}
}

func keyDocuments(keys []config.Key) []keyDocument {
	var documents []keyDocument
	for _, k := range keys {
		documents = append(documents, keyDocument{k.Name, k.Type, k.Required, k.Default, k.Enum, k.Help, keyDocuments(k.Keys)})
	}
	return documents
}

func runExplain(a *app, c *cobra.Command, args []string) error {
	sorts := plan.Explain()
	if len(args) == 0 {
		if a.json() {
			documents := []sortDocument{sortDocumentOf(definitionSort())}
			for _, s := range sorts {
				documents = append(documents, sortDocumentOf(s))
			}
			a.document(documents)
			return nil
		}
		w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
		for _, p := range plan.Parts() {
			fmt.Fprintf(w, "%s\t%s\n", p.Name, p.Summary)
		}
		for _, s := range sorts {
			writeSort(w, s)
		}
		return w.Flush()
	}
	if part, ok := findPart(args[0]); ok {
		if len(args) > 1 {
			return usageError(c, "%s has no kinds", part.Name).WithHint("batchctl explain %s lists its keys", part.Name)
		}
		return a.explained(kindDocumentOf(part), func() { a.explainKind("", part) })
	}
	s, err := findSort(c, sorts, args[0])
	if err != nil {
		return err
	}
	if len(args) == 1 {
		return a.explained(sortDocumentOf(s), func() { a.explainSort(s) })
	}
	k, err := findKind(c, s, args[1])
	if err != nil {
		return err
	}
	return a.explained(kindDocumentOf(k), func() { a.explainKind(s.Name, k) })
}

// definitionSort has the parts of a definition as if they were kinds.
func definitionSort() plan.Sort { return plan.Sort{Name: "definition", Kinds: plan.Parts()} }

// findPart returns a part of a definition by its name, also in the plural.
func findPart(name string) (plan.Kind, bool) {
	for _, p := range plan.Parts() {
		if p.Name == name || p.Name == strings.TrimSuffix(name, "s") {
			return p, true
		}
	}
	return plan.Kind{}, false
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
	for _, p := range plan.Parts() {
		names = append(names, p.Name)
	}
	return plan.Sort{}, usageError(c, "unknown sort of component, or part of a definition, %q", name).WithHint("%s", fault.DidYouMean(name, names))
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
	writeSort(w, s)
	w.Flush()
}

func writeSort(w io.Writer, s plan.Sort) {
	for _, k := range s.Kinds {
		fmt.Fprintf(w, "%s %s\t%s\n", s.Name, k.Name, k.Summary)
	}
}

func (a *app) explainKind(sort string, k plan.Kind) {
	a.printf("%s: %s\n", strings.TrimSpace(sort+" "+k.Name), k.Summary)
	if len(k.Keys) == 0 {
		return
	}
	a.printf("\n")
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tTYPE\tDEFAULT\tMEANING")
	writeKeys(w, k.Keys, "")
	w.Flush()
}

// writeKeys writes a line for each key, those of a nested mapping below it.
func writeKeys(w io.Writer, keys []config.Key, indent string) {
	for _, key := range keys {
		def, kind := key.Default, key.Type
		if key.Required {
			def = "required"
		}
		if len(key.Enum) > 0 {
			kind = strings.Join(key.Enum, " | ")
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\n", indent, key.Name, kind, def, key.Help)
		writeKeys(w, key.Keys, indent+"  ")
	}
}
