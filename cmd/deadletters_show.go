package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
	"batchctl/pkg/plan"
)

// letterDocument is a dead letter as JSON. What its table or file does not keep is missing.
type letterDocument struct {
	Step        string          `json:"step"`
	Lane        int             `json:"lane"`
	Ordinal     int64           `json:"ordinal"`
	ExecutionID int64           `json:"execution_id"` // that left it out
	Phase       batch.SkipPhase `json:"phase"`
	Class       fault.Class     `json:"class"`
	Code        string          `json:"code,omitempty"`
	Message     string          `json:"message"`
	Source      string          `json:"source,omitempty"`
	Line        int64           `json:"line,omitempty"`
	Raw         string          `json:"raw,omitempty"`
	Record      json.RawMessage `json:"record,omitempty"`
	Created     *time.Time      `json:"created_at,omitempty"`
	Of          *letterOf       `json:"replay_of,omitempty"`
	Replayed    *letterReplayed `json:"replay,omitempty"`
}

// letterOf is the dead letter that a replay's own one was first.
type letterOf struct {
	ExecutionID int64  `json:"execution_id"`
	Step        string `json:"step"`
	Lane        int    `json:"lane"`
	Ordinal     int64  `json:"ordinal"`
}

// letterReplayed is what became of a dead letter in the replay that decided.
type letterReplayed struct {
	ExecutionID int64        `json:"execution_id"`
	Outcome     string       `json:"outcome"` // replayed, refused, unfinished, abandoned
	Status      batch.Status `json:"status"`
}

type lettersDocument struct {
	Job         string           `json:"job"`
	ExecutionID int64            `json:"execution_id"` // the last of the instance
	Total       int              `json:"total"`
	Left        int              `json:"not_replayed"`
	Letters     []letterDocument `json:"dead_letters"`
}

func newLetterDocument(l *plan.Letter) letterDocument {
	d := letterDocument{
		Step: l.Step, Lane: l.Lane, Ordinal: l.Ordinal, ExecutionID: l.Execution, Phase: l.Phase, Class: l.Class, Code: l.Code,
		Message: l.Message, Source: l.Source, Line: l.Line, Raw: l.Raw, Created: known(l.Created),
	}
	if json.Valid([]byte(l.Record)) {
		d.Record = json.RawMessage(l.Record)
	}
	if l.Of != nil {
		d.Of = &letterOf{l.Of.Execution, l.Of.Step, l.Of.Lane, l.Of.Ordinal}
	}
	if l.Replayed != nil {
		d.Replayed = &letterReplayed{l.Replayed.Execution, outcomeOf(l.Replayed), l.Replayed.Status}
	}
	return d
}

func outcomeOf(r *meta.LetterReplay) string {
	switch {
	case r.Through:
		return "replayed"
	case r.Status == batch.Completed:
		return "refused"
	case r.Status == batch.Abandoned:
		return "abandoned"
	}
	return "unfinished"
}

// replayText says in a few words what became of a letter.
func replayText(r *meta.LetterReplay) string {
	if r == nil {
		return ""
	}
	switch outcomeOf(r) {
	case "replayed":
		return fmt.Sprintf("replayed by %d", r.Execution)
	case "refused":
		return fmt.Sprintf("refused again by %d", r.Execution)
	case "abandoned":
		if r.Execution == 0 {
			return "in a replay that was purged"
		}
		return fmt.Sprintf("in %d, which was abandoned", r.Execution)
	}
	return fmt.Sprintf("in %d, which is %s", r.Execution, r.Status)
}

func (a *app) findLetters(ctx context.Context, r plan.LettersRequest) (*plan.Letters, error) {
	engine, err := a.engine()
	if err != nil {
		return nil, err
	}
	return engine.Letters(ctx, r)
}

func (a *app) listLetters(ctx context.Context, r plan.LettersRequest) error {
	found, err := a.findLetters(ctx, r)
	if err != nil {
		return err
	}
	if a.json() {
		d := lettersDocument{Job: found.Execution.Instance.Name, ExecutionID: found.Execution.ID, Total: found.Total, Left: found.Left,
			Letters: []letterDocument{}}
		for i := range found.Found {
			d.Letters = append(d.Letters, newLetterDocument(&found.Found[i]))
		}
		a.document(d)
		return nil
	}
	if found.Total == 0 {
		a.note("execution %d of job %s has left no such dead letters behind\n", found.Execution.ID, found.Execution.Instance.Name)
		return nil
	}
	a.letterTable(found)
	if more := found.Total - len(found.Found); more > 0 {
		a.note("and %s more: --limit 0 lists all\n", grouped(int64(more)))
	}
	if found.Left > 0 && !found.Execution.Status.Running() {
		a.note("%s not replayed: batchctl dead-letters replay %d\n", grouped(int64(found.Left)), found.Execution.ID)
	}
	return nil
}

func (a *app) letterTable(found *plan.Letters) {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tORDINAL\tPHASE\tCLASS\tCODE\tPOSITION\tREPLAY\tMESSAGE")
	for i := range found.Found {
		l := &found.Found[i]
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Step, l.Ordinal, l.Phase, l.Class, dash(l.Code), dash(position(l)),
			dash(replayText(l.Replayed)), oneLine(l.Message))
	}
	w.Flush()
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// position is where a letter's record stood: a line of a file, or a letter that was replayed.
func position(l *plan.Letter) string {
	switch {
	case l.Line > 0:
		return fmt.Sprintf("%s:%d", l.Source, l.Line)
	case l.Source != "":
		return l.Source
	case l.Of != nil:
		return fmt.Sprintf("letter %d of %d", l.Of.Ordinal, l.Of.Execution)
	}
	return ""
}

// oneLine is a message as a cell of a table: on one line, and not too long.
func oneLine(text string) string {
	const most = 120
	text = fault.Printable(strings.Join(strings.Fields(text), " "))
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-3]) + "..."
}

func (a *app) showLetter(ctx context.Context, r plan.LettersRequest) error {
	found, err := a.findLetters(ctx, r)
	if err != nil {
		return err
	}
	switch len(found.Found) {
	case 0:
		return fault.New(fault.Definition, "execution %s has no dead letter %d", r.Which, r.Ordinal).WithCode("no_such_letter").
			WithHint("batchctl dead-letters list %s shows what there is", r.Which)
	case 1:
	default:
		if steps := stepsOf(found); len(steps) > 1 {
			return fault.New(fault.Definition, "%d steps have a dead letter %d: %s", len(steps), r.Ordinal, strings.Join(steps, ", ")).
				WithCode("ambiguous").WithHint("name one with --step")
		}
	}
	if a.json() {
		var all []letterDocument
		for i := range found.Found {
			all = append(all, newLetterDocument(&found.Found[i]))
		}
		if len(all) == 1 {
			a.document(all[0])
			return nil
		}
		a.document(all)
		return nil
	}
	for i := range found.Found {
		a.letterText(&found.Found[i])
	}
	return nil
}

func stepsOf(found *plan.Letters) (steps []string) {
	for _, l := range found.Found {
		if !contains(steps, l.Step) {
			steps = append(steps, l.Step)
		}
	}
	return steps
}

// letterText writes a letter: what is known about it line by line, then the record.
func (a *app) letterText(l *plan.Letter) {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "dead letter\t%d of step %s, execution %d\n", l.Ordinal, l.Step, l.Execution)
	if l.Of != nil {
		fmt.Fprintf(w, "replay of\tdead letter %d of step %s, execution %d\n", l.Of.Ordinal, l.Of.Step, l.Of.Execution)
	}
	fmt.Fprintf(w, "left out\tin phase %s, %s\n", l.Phase, localTime(l.Created))
	fmt.Fprintf(w, "reason\t%s\n", fault.Printable(l.Message))
	fmt.Fprintf(w, "class\t%s\n", strings.TrimSpace(string(l.Class)+" "+l.Code))
	if l.Source != "" {
		fmt.Fprintf(w, "position\t%s\n", position(l))
	}
	fmt.Fprintf(w, "replay\t%s\n", dash(replayText(l.Replayed)))
	w.Flush()
	if l.Raw != "" {
		a.printf("raw\n%s\n", shifted(fault.Printable(l.Raw)))
	}
	if l.Record != "" {
		a.printf("record\n%s\n", shifted(prettyRecord(l.Record)))
	}
}

// prettyRecord is a JSON object with each field on a line of its own, and its numbers as they are.
func prettyRecord(text string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		return fault.Printable(text)
	}
	return b.String()
}

func shifted(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

func ordinal(c *cobra.Command, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, usageError(c, "%q is not the ordinal of a dead letter", text).WithHint("it is the place of the record in the input, from 1")
	}
	return n, nil
}

// twoArguments says what is missing instead of cobra's count of arguments.
func twoArguments(first, second string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageError(c, "missing argument: %s", first)
		case len(args) == 1:
			return usageError(c, "missing argument: %s", second)
		case len(args) > 2:
			return usageError(c, "unexpected argument %q", args[2])
		}
		return nil
	}
}
