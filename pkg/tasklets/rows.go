package tasklets

import (
	"path/filepath"
	"strings"

	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// rowsConf says what stands in the files of a tasklet that works on rows.
type rowsConf struct {
	Format           string                        `yaml:"format" enum:"csv|jsonl|lines" help:"what a row is; without it what the ending of the first file's name says: .csv, .tsv, .jsonl, .ndjson, .txt, .log"`
	Columns          config.Map[config.ColumnType] `yaml:"columns" help:"types of columns, for their order; others of csv are text, those of jsonl what they are"`
	Header           bool                          `yaml:"header" default:"true" help:"of csv: the first line of each file names the columns; false: they are called 1, 2, 3"`
	Delimiter        string                        `yaml:"delimiter" default:"','" help:"of csv: between fields; \\t for a tab"`
	DecimalSeparator string                        `yaml:"decimal_separator" default:"." enum:".|," help:"point or comma"`
	DateFormat       string                        `yaml:"date_format" help:"pattern of date columns, such as dd.MM.yyyy; without it yyyy-MM-dd"`
	DatetimeFormat   string                        `yaml:"datetime_format" help:"pattern of datetime columns; without it ISO 8601"`
	Encoding         string                        `yaml:"encoding" help:"of the files that are read; what is written is UTF-8"`
	MaxRecord        config.Size                   `yaml:"max_record" default:"16MiB" help:"a larger row is refused"`
	MaxExpansion     int                           `yaml:"max_expansion" default:"200" help:"a compressed file that expands to more than so many times its size, and to more than 64 MiB, is refused; 0: never"`
	Compression      string                        `yaml:"compression" default:"none" enum:"none|gzip|zstd" help:"of the files that are written; those that are read say it themselves"`
}

// table is what rows are, and how they are read and ordered.
type table struct {
	conf     *rowsConf
	env      *catalog.Env
	kind     string // csv, jsonl, lines
	order    []orderColumn
	format   record.Format
	encoding string // of the files that are read

	first *rowReader // the first of the files that has rows or a header: all have to have the same columns
}

// maxRow bounds max_record: places within a record are kept in 32 bits.
const maxRow = 1 << 30

// newTable checks what does not need the files. named is one of them: its ending may say what a row is.
func newTable(conf *rowsConf, by orderList, named string, env *catalog.Env) (*table, error) {
	t := &table{conf: conf, env: env, order: by.columns, kind: conf.Format}
	if t.kind == "" {
		t.kind = kindByName(named)
	}
	var err error
	switch {
	case t.kind == "" && named != "":
		return nil, fault.New(fault.Definition, "the name of %s does not say what a row is", relative(env.Base, named)).
			WithHint("add format: csv, jsonl or lines")
	case conf.MaxRecord < 1 || conf.MaxRecord > maxRow:
		return nil, fault.New(fault.Definition, "max_record must be between 1 byte and 1 GiB")
	case conf.MaxExpansion < 0:
		return nil, fault.New(fault.Definition, "max_expansion is negative")
	}
	if conf.Encoding != "" {
		if t.encoding, err = files.NormalEncoding(conf.Encoding); err != nil {
			return nil, err
		}
	}
	if err := t.setFormat(); err != nil {
		return nil, err
	}
	if t.kind == "csv" {
		if _, err := t.csvReader(); err != nil {
			return nil, err
		}
	}
	return t, t.typeOrder()
}

// kindByName returns what a row of a file is by the ending of its name, before that of a compression.
func kindByName(name string) string {
	name = strings.ToLower(filepath.Base(name))
	for _, compressed := range []string{".gz", ".zst", ".bz2"} {
		name = strings.TrimSuffix(name, compressed)
	}
	switch filepath.Ext(name) {
	case ".csv", ".tsv":
		return "csv"
	case ".jsonl", ".ndjson":
		return "jsonl"
	case ".txt", ".log":
		return "lines"
	}
	return ""
}

func (t *table) setFormat() (err error) {
	t.format.Location = t.env.Location
	if t.conf.DecimalSeparator != "" {
		t.format.DecimalSeparator = t.conf.DecimalSeparator[0]
	}
	for _, l := range []struct {
		key, pattern string
		to           *string
	}{{"date_format", t.conf.DateFormat, &t.format.Date}, {"datetime_format", t.conf.DatetimeFormat, &t.format.DateTime}} {
		if l.pattern == "" {
			continue
		}
		if *l.to, err = record.Layout(l.pattern); err != nil {
			return fault.Wrap(fault.Definition, err, "%s", l.key)
		}
	}
	return nil
}

// typeOrder gives the columns of the order their types.
func (t *table) typeOrder() error {
	for i := range t.order {
		column := &t.order[i]
		kind, typed := t.conf.Columns.Get(column.name)
		switch {
		case typed:
			column.kind = record.Kind(kind)
		case t.kind == "csv" || t.kind == "lines":
			column.kind = record.Text
		}
	}
	for _, c := range t.conf.Columns {
		if t.kind == "lines" {
			return c.Key.Errorf("lines have no columns").WithHint("the order of lines is that of their text; for others use format: csv with a delimiter")
		}
	}
	if t.kind == "lines" && len(t.order) > 0 && (len(t.order) > 1 || t.order[0].name != "line") {
		return t.order[0].node.Errorf("lines have no column %q", t.order[0].name).WithHint("by: line, or by: line desc")
	}
	return nil
}

func (t *table) csvReader() (*format.CSVReader, error) {
	delimiter := t.conf.Delimiter
	if delimiter == `\t` {
		delimiter = "\t"
	}
	return format.NewCSVReader(format.CSVReaderOptions{Delimiter: delimiter, MaxRecord: int(t.conf.MaxRecord)})
}
