package writers

import (
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// csvConf is the configuration of the csv writer.
type csvConf struct {
	fileConf
	Append         bool      `yaml:"append" help:"add the records to the file that is there, all at once when the step is complete; the header is written where the file is new or empty, and must be the same where it is not"`
	Header         csvHeader `yaml:"header" help:"a line with the names of the columns (default true), or a text of your own; ${input.header} is what stands before the records of the input"`
	Footer         lateText  `yaml:"footer" help:"text behind the last record; ${counters.write_count} and its like have their final values"`
	NullText       *string   `yaml:"null_text" help:"stands for null; a text that reads like it is quoted. Without it null and empty text are both written as nothing"`
	Delimiter      string    `yaml:"delimiter" default:"','" help:"between fields; one or more characters"`
	Quote          string    `yaml:"quote" default:"'\"'" help:"around fields that hold delimiter, quote or line end"`
	QuoteAll       bool      `yaml:"quote_all" help:"quote every field but null"`
	LineEnd        string    `yaml:"line_end" default:"lf" enum:"lf|crlf" help:"lf or crlf"`
	EscapeFormulas bool      `yaml:"escape_formulas" help:"put an apostrophe before texts that a spreadsheet would compute"`
}

// csvHeader is written as true, false, or a text.
type csvHeader struct {
	off  bool
	text lateText
}

// DecodeYAML reads either form.
func (h *csvHeader) DecodeYAML(d *config.Decoder, n config.Node) error {
	switch strings.ToLower(n.Text()) {
	case "true", "false", "yes", "no", "on", "off":
		var on bool
		err := d.Decode(n, &on)
		h.off = !on
		return err
	}
	if n.Text() == "" {
		return nil
	}
	return h.text.DecodeYAML(d, n)
}

// YAMLType implements config.Worded.
func (csvHeader) YAMLType() string { return "true, false or text" }

// newCSV returns the writer of a configuration. It opens nothing.
func newCSV(conf *csvConf, env *catalog.Env) (batch.Writer, error) {
	if len(conf.Quote) != 1 {
		return nil, fault.New(fault.Definition, "writer csv: the quote must be one ASCII character, not %q", conf.Quote)
	}
	options := format.CSVWriterOptions{
		Delimiter: conf.Delimiter, Quote: conf.Quote[0], CRLF: conf.LineEnd == "crlf",
		QuoteAll: conf.QuoteAll, EscapeFormulas: conf.EscapeFormulas,
	}
	if conf.NullText != nil {
		options.NullText, options.MarkText = *conf.NullText, true
	}
	w, err := format.NewCSVWriter(options)
	if err != nil {
		return nil, fault.Wrap(fault.Definition, err, "writer csv")
	}
	kind := fileKind{adds: conf.Append, closed: !conf.Footer.node.IsZero()}
	return newFile(&conf.fileConf, kind, &csvLayout{conf: conf, writer: w, header: conf.Header, footer: conf.Footer, env: env}, env)
}

// csvLayout is header, lines, footer. The header needs the columns: where the definition does not name them and there
// was no record, there is none.
type csvLayout struct {
	conf   *csvConf
	writer *format.CSVWriter
	header csvHeader
	footer lateText
	env    *catalog.Env
	names  []string
}

func (l *csvLayout) setColumns(names []string) error {
	l.names = names
	return nil
}

func (l *csvLayout) begin(dst []byte) ([]byte, error) {
	switch text, err := l.header.text.resolve(l.env); {
	case err != nil:
		return dst, err
	case text != "":
		return l.writer.AppendRaw(dst, text), nil
	case !l.header.text.node.IsZero() || l.header.off || len(l.names) == 0:
		return dst, nil
	}
	return l.writer.AppendLine(dst, l.names), nil
}

func (l *csvLayout) record(dst []byte, r record.Record, positions []int, _ bool) ([]byte, error) {
	return l.writer.AppendRecord(dst, r, positions), nil
}

func (l *csvLayout) end(dst []byte) ([]byte, error) {
	text, err := l.footer.resolve(l.env)
	if err != nil || text == "" {
		return dst, err
	}
	return l.writer.AppendRaw(dst, text), nil
}
