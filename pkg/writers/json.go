package writers

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// newJSON returns the writer of a configuration. It opens nothing.
func newJSON(conf *jsonConf, env *catalog.Env) (batch.Writer, error) {
	return newFile(&conf.fileConf, fileKind{growing: true, closed: true}, &jsonLayout{conf.writer()}, env)
}

// jsonLayout is one array with an object on each line between its brackets.
type jsonLayout struct{ writer format.JSONWriter }

func (l *jsonLayout) setColumns(names []string) error { return l.writer.SetColumns(names) }

func (l *jsonLayout) begin(dst []byte) ([]byte, error) { return append(dst, '['), nil }

func (l *jsonLayout) record(dst []byte, r record.Record, positions []int, first bool) ([]byte, error) {
	if !first {
		dst = append(dst, ',')
	}
	return l.writer.AppendRecord(append(dst, '\n'), r, positions)
}

func (l *jsonLayout) end(dst []byte) ([]byte, error) { return append(dst, "\n]\n"...), nil }
