package readers

import (
	"context"
	"encoding/json"
	"io"
	"sync/atomic"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// inlineConf is the configuration of the inline reader.
type inlineConf struct {
	Records inlineRecords `yaml:"records,required" help:"list of records, each a mapping of names to values, typed as YAML has them"`
}

// inlineRecords are records as a definition writes them.
type inlineRecords []inlineRecord

type inlineRecord struct {
	node   config.Node
	names  []string
	values []record.Value
}

// DecodeYAML reads the records. A value is null, true or false, a whole number, a decimal, or text; one with ${...} is
// the text that it stands for.
func (l *inlineRecords) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() != config.List {
		return n.Errorf("%s: expected a list of records, got %s", d.What, n.Words()).WithHint("write one record a line: - {id: 1, name: Kim}")
	}
	var wrong fault.List
	for _, item := range n.Items() {
		r, err := inlineRecordOf(d, item)
		wrong.Add(err)
		*l = append(*l, r)
	}
	return wrong.Err()
}

// YAMLType implements config.Worded.
func (inlineRecords) YAMLType() string { return "a list of records" }

func inlineRecordOf(d *config.Decoder, n config.Node) (inlineRecord, error) {
	r := inlineRecord{node: n}
	if n.Kind() != config.Mapping {
		return r, n.Errorf("expected a record, got %s", n.Words()).WithHint("a record is a mapping of names to values: {id: 1, name: Kim}")
	}
	for _, p := range n.Pairs() {
		v := p.Value.Value()
		if p.Value.Kind() != config.Scalar {
			return r, p.Value.Errorf("%s: expected one value, got %s", p.Name, p.Value.Words())
		}
		if v.Kind() == record.Text {
			var text string
			if err := d.For(p.Name).Decode(p.Value, &text); err != nil {
				return r, err
			}
			v = record.OfText(text)
		}
		r.names, r.values = append(r.names, p.Name), append(r.values, v)
	}
	return r, nil
}

// inlineReader reads the records of its definition.
type inlineReader struct {
	records inlineRecords
	schema  *record.Schema
	next    atomic.Int64
}

// newInline returns the reader of a configuration.
func newInline(conf *inlineConf, _ *catalog.Env) (batch.Reader, error) {
	var fields []record.Field
	kinds := map[string]int{}
	for _, r := range conf.Records {
		for i, name := range r.names {
			kind := r.values[i].Kind()
			at, known := kinds[name]
			switch {
			case !known:
				kinds[name] = len(fields)
				fields = append(fields, record.Field{Name: name, Kind: kind})
			case fields[at].Kind == record.Null:
				fields[at].Kind = kind
			case kind != record.Null && fields[at].Kind != kind:
				fields[at].Kind = record.Absent // of several kinds
			}
		}
	}
	for i := range fields {
		if fields[i].Kind == record.Null {
			fields[i].Kind = record.Absent
		}
	}
	schema, err := record.NewSchema(fields...)
	if err != nil {
		return nil, err
	}
	return &inlineReader{records: conf.Records, schema: schema}, nil
}

// Open goes on behind as many records as from says.
func (r *inlineReader) Open(_ context.Context, from batch.State) error {
	at := inlineState{}
	if from != nil {
		if err := json.Unmarshal(from, &at); err != nil {
			return fault.New(fault.Internal, "the reader's state is damaged: %.200s", from)
		}
	}
	if at.Records < 0 || at.Records > int64(len(r.records)) {
		return fault.Wrap(fault.Definition, batch.ErrNotRestartable, "%d records were read already, and the definition has %d", at.Records, len(r.records)).
			WithCode("input_changed").WithHint("put the records back, or start a new run")
	}
	r.next.Store(at.Records)
	return nil
}

// inlineState counts the records read.
type inlineState struct {
	Records int64 `json:"records"`
}

// Read appends a record; its origin is its place in the definition.
func (r *inlineReader) Read(ctx context.Context, into *record.Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	at := r.next.Load()
	if at == int64(len(r.records)) {
		return io.EOF
	}
	one := &r.records[at]
	place := one.node.Position()
	into.In.SetSchema(r.schema)
	row := into.AddInput(r.schema.Len(), record.Origin{Source: place.File, Line: int64(place.Line)})
	for i, name := range one.names {
		position, _ := r.schema.Index(name)
		row[position] = one.values[i]
	}
	r.next.Store(at + 1)
	return nil
}

// State covers every record read so far.
func (r *inlineReader) State() (batch.State, error) {
	return json.Marshal(inlineState{Records: r.next.Load()})
}

// Close does nothing.
func (r *inlineReader) Close() error { return nil }

// Progress counts records.
func (r *inlineReader) Progress() (done, total int64) {
	return r.next.Load(), int64(len(r.records))
}

// Schema returns the columns of all records together, of any kind where they have several.
func (r *inlineReader) Schema(context.Context) (*record.Schema, error) { return r.schema, nil }
