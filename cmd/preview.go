package cmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
	"batchctl/pkg/record"
)

type previewOptions struct {
	parameters []string
	step       string
	limit      int
}

func newPreviewCommand(a *app) *cobra.Command {
	var o previewOptions
	c := &cobra.Command{
		Use:   "preview JOB.yaml [--step NAME] [-n 20]",
		Short: "Read and process some records and show them; write nothing",
		Long: "preview shows the first records of a step as its writer would get them, with their fields and types. It begins at the\n" +
			"beginning of the input, opens databases for reading only, runs no tasklet, and records nothing.\n\n" +
			"Exit codes are those of run: 1 where a record fails, 2 for a wrong definition, 3 where a file or database is out of\n" +
			"reach.",
		Example: "  batchctl preview jobs/quickstart.yaml\n  batchctl preview jobs/settlement.yaml -p date=2026-11-20 --step settle -n 5\n" +
			"  batchctl preview jobs/quickstart.yaml -o json | jq .records",
		Args:              oneArgument("the path of a job definition"),
		ValidArgsFunction: completeFiles(false),
		RunE:              func(c *cobra.Command, args []string) error { return runPreview(a, c, o, args[0]) },
	}
	flags := c.Flags()
	flags.StringArrayVarP(&o.parameters, "param", "p", nil, "a parameter of the job, `name=value`; may be given many times")
	flags.StringVar(&o.step, "step", "", "the `step` whose records are shown; needed where several process records")
	flags.IntVarP(&o.limit, "limit", "n", 20, "how many records at most")
	_ = c.RegisterFlagCompletionFunc("param", completeParameters) // it fails for a flag that is not there
	return c
}

func runPreview(a *app, c *cobra.Command, o previewOptions, path string) error {
	parameters, err := splitParameters(c, o.parameters)
	if err != nil {
		return err
	}
	if o.limit < 1 || o.limit > maxPreview {
		return usageError(c, "--limit: %d is no number of records from 1 to %s", o.limit, grouped(maxPreview))
	}
	engine, err := a.engine()
	if err != nil {
		return err
	}
	ctx, w := a.watch(c.Context(), previewDisplay{a.newDisplay(""), a.note})
	defer w.end()
	request := plan.PreviewRequest{RunRequest: plan.RunRequest{Path: path, Parameters: parameters}, Step: o.step, Limit: o.limit}
	found, err := engine.Preview(ctx, request, w.watcher())
	err = w.reason(err)
	if found == nil {
		return err
	}
	if a.json() {
		a.document(newPreviewDocument(found, err))
	} else {
		a.printf("%s", previewTable(found))
		a.note("%s\n", previewSummary(found))
	}
	if err == nil {
		return nil
	}
	if !a.json() {
		fmt.Fprint(a.stderr, fault.Render(err))
	}
	return &codedError{err: err, code: exitCode(err, false, false), said: true}
}

// previewDisplay tells only what was left out, and why.
type previewDisplay struct {
	display
	note func(format string, args ...any)
}

func (p previewDisplay) Observe(e batch.Event) {
	switch e := e.(type) {
	case batch.RecordSkipped:
		at := fmt.Sprintf("record %d", e.Ordinal)
		if e.Line > 0 {
			at = fmt.Sprintf("%s:%d", e.Source, e.Line)
		}
		p.note("skipped %s: %s\n", at, fault.Printable(fault.Text(e.Err)))
	case batch.Notice:
		p.display.Observe(e)
	}
}

// maxPreview bounds what is held in memory.
const maxPreview = 10_000

// previewDocument is what preview found, as JSON.
type previewDocument struct {
	Step     string            `json:"step"`
	Fields   []previewField    `json:"fields"`
	Records  []json.RawMessage `json:"records"`
	More     bool              `json:"more"` // whether there may be more than these
	Counters map[string]int64  `json:"counters"`
	Errors   []errorDocument   `json:"errors,omitempty"`
}

type previewField struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

func newPreviewDocument(p *plan.Preview, err error) previewDocument {
	d := previewDocument{Step: p.Name, Fields: []previewField{}, Records: []json.RawMessage{}, More: p.More, Counters: map[string]int64{}}
	for _, f := range p.Fields {
		d.Fields = append(d.Fields, previewField{f.Name, kindText(f.Kind)})
	}
	for _, r := range p.Records {
		d.Records = append(d.Records, r.AppendJSON(nil))
	}
	if p.Step != nil {
		d.Counters = p.Step.Total.Named()
	}
	if err != nil {
		d.Errors = plan.SummarizeErrors(err)
	}
	return d
}

// previewTable is the records below the names and kinds of their fields.
func previewTable(p *plan.Preview) string {
	if len(p.Records) == 0 {
		return ""
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cell func(i int) string) {
		cells := make([]string, len(p.Fields))
		for i := range cells {
			cells[i] = cell(i)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	row(func(i int) string { return previewCell(p.Fields[i].Name) })
	row(func(i int) string { return kindText(p.Fields[i].Kind) })
	for _, r := range p.Records {
		row(func(i int) string { return previewValue(r.Get(p.Fields[i].Name)) })
	}
	table.Flush()
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// kindText names the kind of a field; it is any where each record has its own.
func kindText(k record.Kind) string {
	if k == record.Absent {
		return "any"
	}
	return k.String()
}

func previewValue(v record.Value) string {
	switch v.Kind() {
	case record.Absent:
		return "-"
	case record.Null:
		return "null"
	}
	return previewCell(v.String())
}

// previewCell is a text as a cell: control characters escaped, and not too long.
func previewCell(text string) string {
	const most = 40
	text = fault.Printable(text)
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-3]) + "..."
}

func previewSummary(p *plan.Preview) string {
	text := fmt.Sprintf("step %s: %s shown", p.Name, counted(int64(len(p.Records)), "record"))
	if p.More || p.Step == nil {
		return text + ", and there may be more"
	}
	c := p.Step.Total
	text += " of " + grouped(c.Read+c.ReadSkip)
	if c.Filter > 0 {
		text += fmt.Sprintf(", %s filtered", grouped(c.Filter))
	}
	if c.Skip() > 0 {
		text += fmt.Sprintf(", %s skipped", grouped(c.Skip()))
	}
	return text
}
