package readers

import (
	"context"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// objectsConf is what the configurations of the json and jsonl readers share.
type objectsConf struct {
	fileConf
	Columns columnList `yaml:"columns" help:"keys to read, with their types or as a list; without it all keys, with the types they have in the file"`
	Extra   string     `yaml:"extra" default:"ignore" enum:"ignore|fail" help:"what to do with keys that columns does not name: ignore them, or refuse the record"`
}

// jsonlConf is the configuration of the jsonl reader.
type jsonlConf struct {
	objectsConf
	HeaderRecord *headConf `yaml:"header_record" help:"the first line of each file, which says what the file holds; it is no record, and must be there"`

	Trailer *trailerConf `yaml:"trailer" help:"the last line of each file, which counts what stands before it; it is no record, and must be there"`
}

// jsonConf is the configuration of the json reader.
type jsonConf struct {
	objectsConf
	Root string `yaml:"root" help:"the keys that lead to the array, such as data.items; without it the array is outermost"`
}

// newJSONL returns a reader of files with one JSON object a line.
func newJSONL(conf *jsonlConf, env *catalog.Env) (batch.Reader, error) {
	r, err := newObjects(&conf.objectsConf, format.JSONReaderOptions{Lines: true}, env)
	if err != nil {
		return nil, err
	}
	if err := r.head.define(conf.HeaderRecord, env); err != nil {
		return nil, err
	}
	r.head.line, r.head.row, r.head.next = r.lineAtHand, r.rowAtHand, func() error { return r.scan.Next() }
	if err := r.head.apart(r.conf.Columns.names()); err != nil {
		return nil, err
	}
	r.start = func() error { return r.head.read(r.fileSource) }
	if r.trailer, err = newTrailer(conf.Trailer, env); err != nil {
		return nil, err
	}
	if r.trailer != nil {
		r.trailer.line, r.trailer.row = r.lineAtHand, r.rowAtHand
	}
	return r, nil
}

// newJSON returns a reader of files with an array of JSON objects.
func newJSON(conf *jsonConf, env *catalog.Env) (batch.Reader, error) {
	var root []string
	if conf.Root != "" {
		root = strings.Split(conf.Root, ".")
	}
	for _, key := range root {
		if key == "" {
			return nil, fault.New(fault.Definition, "reader json: root %q has an empty key", conf.Root).
				WithHint("write the keys with a point between them, as in root: data.items")
		}
	}
	r, err := newObjects(&conf.objectsConf, format.JSONReaderOptions{Root: root}, env)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// maxKeys is how many columns a schema grows to.
const maxKeys = 1000

// objectReader reads JSON objects as records. Without declared columns its schema grows with the keys that it meets.
type objectReader struct {
	*fileSource
	conf   *objectsConf
	scan   *format.JSONReader
	format record.Format
	schema *record.Schema // nil before the first key
	shape  int64          // of the objects that positions is for
	// positions are where the keys of an object stand in the schema, -1 for those that are not read.
	positions []int // as many as the longest such object had fields
}

func newObjects(conf *objectsConf, o format.JSONReaderOptions, env *catalog.Env) (*objectReader, error) {
	source, err := newFileSource(&conf.fileConf, env)
	if err != nil {
		return nil, err
	}
	o.MaxRecord = int(conf.MaxRecord)
	scan := format.NewJSONReader(o)
	source.scan, source.lines = scan, o.Lines
	r := &objectReader{fileSource: source, conf: conf, scan: scan, format: record.Format{Location: env.Location}}
	source.sharing = sharing{
		kind: "json", byLine: o.Lines, format: &r.format, open: r.Open, schema: r.Schema, take: r.take, value: r.valueAtHand,
	}
	return r, nil
}

// Open goes on behind from.
func (r *objectReader) Open(ctx context.Context, from batch.State) error {
	from, err := r.beginning(from)
	if err != nil {
		return err
	}
	names, err := r.open(from)
	if err != nil {
		return err
	}
	if err := r.begin(names); err != nil {
		return err
	}
	return r.enter(ctx, from)
}

// begin sets the schema: the declared columns, or the keys met before.
func (r *objectReader) begin(names []string) (err error) {
	r.shape = -1
	if r.declared() {
		r.schema, err = r.declaredSchema()
		return err
	}
	fields := r.head.fields()
	for _, name := range names {
		if !r.head.adds(name) {
			fields = append(fields, record.Field{Name: name})
		}
	}
	r.schema, err = record.NewOpenSchema(fields...)
	return err
}

func (r *objectReader) declared() bool { return len(r.conf.Columns.columns) > 0 }

// declaredSchema is what the file gives to its records, and the declared columns.
func (r *objectReader) declaredSchema() (*record.Schema, error) {
	columns, err := r.conf.Columns.schema()
	if err != nil || r.head.conf == nil {
		return columns, err
	}
	return record.NewSchema(append(r.head.fields(), columns.Fields()...)...)
}

// typed reports whether values are converted to the types of declared columns.
func (r *objectReader) typed() bool { return r.conf.Columns.typed }

// Read appends a record. Keys that the object does not have are absent.
func (r *objectReader) Read(ctx context.Context, into *record.Chunk) error {
	if err := r.read(ctx, r.bad); err != nil {
		return err
	}
	return r.take(into)
}

// take appends the record at hand.
func (r *objectReader) take(into *record.Chunk) error {
	rec := r.scan.Record()
	if rec.Shape != r.shape || len(rec.Fields) > len(r.positions) {
		if err := r.learn(rec); err != nil {
			return err
		}
	}
	if into.In.Schema() != r.schema {
		into.In.SetSchema(r.schema)
	}
	arena := &into.In.Arena
	raw := arena.Copy(rec.Raw)
	row := into.AddInput(r.schema.Len(), record.Origin{Source: r.name(), Line: rec.Line, Raw: raw})
	copy(row, r.head.values)
	for i := range rec.Fields {
		at := r.positions[i]
		if at < 0 {
			continue
		}
		if err := r.set(&row[at], &rec.Fields[i], at, raw, arena); err != nil {
			into.DropInput()
			return r.bad(r.mismatch(err, rec.Line, r.schema.Field(at).Name))
		}
	}
	return r.trailer.add(r.schema, row)
}

// valueAtHand returns what the object at hand has in a column: null where that is absent, or not what its type asks for. Of
// a key without a type it is the text.
func (r *objectReader) valueAtHand(column string) record.Value {
	if v, added := r.head.value(column); added {
		return v
	}
	rec := r.scan.Record()
	at := slices.IndexFunc(rec.Fields, func(f format.JSONField) bool { return string(f.Key) == column })
	if at < 0 {
		return record.NullValue
	}
	arena, raw := &r.sharing.scratch.In.Arena, record.String(rec.Raw)
	arena.Reset()
	v := rec.Fields[at].Value(raw, arena)
	i, declared := r.schema.Index(column)
	if declared && r.typed() {
		if err := r.set(&v, &rec.Fields[at], i, raw, arena); err != nil {
			return record.NullValue
		}
		return v
	}
	if v.IsNull() || v.Kind() == record.Int && r.sharing.only != nil && r.sharing.only.Modulo > 0 {
		return v
	}
	return record.OfText(record.String(v.AppendCanonical(nil)))
}

func (r *objectReader) lineAtHand() (raw []byte, line int64) {
	rec := r.scan.Record()
	return rec.Raw, rec.Line
}

// rowAtHand returns the object at hand as a row of other columns, its keys: those of a header record or a trailer.
func (r *objectReader) rowAtHand(columns *columnList) ([]record.Value, error) {
	rec := r.scan.Record()
	raw := string(rec.Raw)
	var row []record.Value
	for _, c := range columns.columns {
		at := slices.IndexFunc(rec.Fields, func(f format.JSONField) bool { return string(f.Key) == c.name })
		if at < 0 {
			return nil, fault.New(fault.Parse, "it has no key %q", c.name)
		}
		arena := new(record.Arena)
		v := rec.Fields[at].Value(raw, arena)
		if columns.typed {
			var err error
			if v, err = r.format.ConvertIn(arena, v, c.kind); err != nil {
				return nil, fault.Wrap(fault.Parse, err, "key %s", c.name)
			}
		}
		row = append(row, v)
	}
	return row, nil
}

// set makes v a field's value, as its column's type where there is one.
func (r *objectReader) set(v *record.Value, f *format.JSONField, at int, raw string, arena *record.Arena) (err error) {
	kind := record.Absent
	if r.typed() {
		kind = r.schema.Field(at).Kind
	}
	switch {
	case kind == record.Text && f.Kind != record.Null:
		v.SetText(f.Text(raw, arena))
		return nil
	case kind != record.Absent && f.Kind == record.Text:
		return r.format.ParseInto(v, kind, f.Text(raw, arena))
	}
	f.ValueInto(v, raw, arena)
	if kind != record.Absent && v.Kind() != kind {
		*v, err = r.format.ConvertIn(arena, *v, kind)
	}
	return err
}

// learn finds the positions of an object's keys, and lets the schema grow by new ones.
func (r *objectReader) learn(rec *format.JSONRecord) error {
	r.shape = -1
	var grown []record.Field
	r.positions = r.positions[:0]
	for _, f := range rec.Fields {
		at, known := r.schema.Index(string(f.Key))
		switch {
		case known && at >= len(r.head.added):
		case known && !r.declared():
			return r.head.apart([]string{string(f.Key)})
		case !r.declared():
			at = r.schema.Len() + len(grown)
			grown = append(grown, record.Field{Name: string(f.Key)})
		case r.conf.Extra == "fail":
			return r.bad(fault.New(fault.Validation, "key %q is not among the columns", f.Key).At(r.at(rec.Line)).
				WithHint("%s", fault.DidYouMean(string(f.Key), r.schema.Names())))
		default:
			at = -1
		}
		r.positions = append(r.positions, at)
	}
	if len(grown) > 0 {
		if err := r.grow(grown, rec.Line); err != nil {
			return err
		}
	}
	r.shape = rec.Shape
	return nil
}

func (r *objectReader) grow(fields []record.Field, line int64) error {
	if r.schema.Len()+len(fields) > maxKeys {
		return fault.New(fault.Definition, "more than %d different keys so far", maxKeys).At(r.at(line)).
			WithHint("keys that are data make too many columns: name those to be read in columns")
	}
	schema, err := r.schema.Grow(fields...)
	if err != nil {
		return err
	}
	r.schema = schema
	return nil
}

// bad makes the error for the record at hand.
func (r *objectReader) bad(err error) error {
	rec := r.scan.Record()
	return r.refused(err, rec.Line, rec.Raw)
}

// State covers every record read so far. It holds the keys met, so that a restart has the same columns.
func (r *objectReader) State() (batch.State, error) {
	var names []string
	if !r.declared() && r.schema != nil {
		names = r.schema.Names()
	}
	return r.state(names)
}

// Close closes the file.
func (r *objectReader) Close() error { return r.close() }

// Schema returns the declared columns; without them only reading can tell.
func (r *objectReader) Schema(context.Context) (*record.Schema, error) {
	if !r.declared() {
		return nil, nil
	}
	return r.declaredSchema()
}
