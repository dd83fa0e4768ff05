package writers

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// jsonConf is the configuration of the json writer, and most of the jsonl writer's.
type jsonConf struct {
	fileConf
	Decimals string `yaml:"decimals" default:"number" enum:"number|string" help:"string: for readers that would round a number"`
}

func (c *jsonConf) writer() format.JSONWriter {
	return format.JSONWriter{DecimalsAsText: c.Decimals == "string"}
}

// jsonlConf is the configuration of the jsonl writer.
type jsonlConf struct {
	jsonConf
	Append bool `yaml:"append" help:"add the records to the file that is there, all at once when the step is complete"`
}

// newJSONL returns the writer of a configuration. It opens nothing.
func newJSONL(conf *jsonlConf, env *catalog.Env) (batch.Writer, error) {
	return newFile(&conf.fileConf, fileKind{growing: true, adds: conf.Append}, &jsonlLayout{conf.writer()}, env)
}

// jsonlLayout is one object a line (jsonlines.org).
type jsonlLayout struct{ writer format.JSONWriter }

func (l *jsonlLayout) setColumns(names []string) error { return l.writer.SetColumns(names) }

func (l *jsonlLayout) begin(dst []byte) ([]byte, error) { return dst, nil }

func (l *jsonlLayout) record(dst []byte, r record.Record, positions []int, _ bool) ([]byte, error) {
	dst, err := l.writer.AppendRecord(dst, r, positions)
	return append(dst, '\n'), err
}

func (l *jsonlLayout) end(dst []byte) ([]byte, error) { return dst, nil }
