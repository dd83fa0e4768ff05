package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

func newGraphCommand(a *app) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "graph JOB.yaml",
		Short: "Draw the way of a job through its steps, as Mermaid or DOT",
		Long: "graph prints the flow of a definition: its steps, decisions, branches, and where each exit status leads. Mermaid is\n" +
			"drawn by GitHub and many others where it stands in Markdown; DOT by Graphviz, also as SVG. Nothing is run, and no\n" +
			"parameter is needed.",
		Example:           "  batchctl graph jobs/nightly.yaml\n  batchctl graph jobs/nightly.yaml --format dot | dot -Tsvg > nightly.svg",
		Args:              oneArgument("the path of a job definition"),
		ValidArgsFunction: completeFiles(false),
		RunE:              func(c *cobra.Command, args []string) error { return runGraph(a, c, format, args[0]) },
	}
	c.Flags().StringVar(&format, "format", "mermaid", "language of the `picture`: mermaid or dot")
	return c
}

func runGraph(a *app, c *cobra.Command, format, path string) error {
	if known := []string{"mermaid", "dot"}; !contains(known, format) {
		return usageError(c, "--format: unknown value %q", format).WithHint("%s", fault.DidYouMean(format, known))
	}
	engine, err := a.world()
	if err != nil {
		return err
	}
	g, err := engine.Draw(path)
	switch {
	case err != nil:
		return err
	case a.json():
		a.document(g)
	case format == "dot":
		a.printf("%s", dotText(g))
	default:
		a.printf("%s", mermaidText(g))
	}
	return nil
}

// mermaidShapes are the brackets around the texts of nodes.
var mermaidShapes = map[string][2]string{
	"start": {"([", "])"}, "end": {"([", "])"}, "fail": {"([", "])"}, "stop": {"([", "])"},
	"step": {"[", "]"}, "decide": {"{", "}"}, "parallel": {"[/", "\\]"}, "join": {"[\\", "/]"},
}

// mermaidText is a graph as a flowchart of Mermaid.
func mermaidText(g *plan.Graph) string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for _, n := range g.Nodes {
		shape := mermaidShapes[n.Kind]
		text := mermaidEscaped(n.Name)
		if n.Does != "" {
			text += "<br>" + mermaidEscaped(n.Does)
		}
		fmt.Fprintf(&b, "    %s%s\"%s\"%s\n", n.ID, shape[0], text, shape[1])
	}
	for _, e := range g.Edges {
		arrow := "-->"
		if e.Later {
			arrow = "-.->"
		}
		if e.On != "" {
			arrow += `|"` + mermaidEscaped(e.On) + `"|`
		}
		fmt.Fprintf(&b, "    %s %s %s\n", e.From, arrow, e.To)
	}
	return b.String()
}

func mermaidEscaped(text string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "\n", " ").Replace(text)
}

var dotShapes = map[string]string{
	"start": "oval", "end": "oval", "fail": "oval", "stop": "oval", "step": "box", "decide": "diamond", "parallel": "trapezium", "join": "invtrapezium",
}

// dotText is a graph in the language of Graphviz.
func dotText(g *plan.Graph) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph \"%s\" {\n", dotEscaped(g.Job))
	for _, n := range g.Nodes {
		text := dotEscaped(n.Name)
		if n.Does != "" {
			text += `\n` + dotEscaped(n.Does)
		}
		fmt.Fprintf(&b, "    %s [shape=%s, label=\"%s\"];\n", n.ID, dotShapes[n.Kind], text)
	}
	for _, e := range g.Edges {
		style := ""
		if e.Later {
			style = ", style=dashed"
		}
		fmt.Fprintf(&b, "    %s -> %s [label=\"%s\"%s];\n", e.From, e.To, dotEscaped(e.On), style)
	}
	b.WriteString("}\n")
	return b.String()
}

func dotEscaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(text)
}
