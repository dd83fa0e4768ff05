package writers

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/record"
)

// fileConf is what the configurations of all writers of files share.
type fileConf struct {
	Path        config.Path `yaml:"path,required" help:"file to write; it appears under this name when the step is complete"`
	Columns     []string    `yaml:"columns" help:"fields to write, in this order; without it all fields of the records"`
	Compression string      `yaml:"compression" default:"none" enum:"none|gzip|zstd" help:"of the file; its name is path, so let that end with .gz or .zst"`
	Exists      string      `yaml:"exists" default:"replace" enum:"replace|fail" help:"what to do where the file exists already"`
}

// A layout makes the bytes of one kind of file. It keeps nothing of what it has written.
type layout interface {
	// setColumns says what the columns are: before begin, and again whenever columns have joined.
	setColumns(names []string) error
	// begin appends what stands before the first record.
	begin(dst []byte) ([]byte, error)
	// record appends a record whose columns stand at positions; first is the first of the file.
	record(dst []byte, r record.Record, positions []int, first bool) ([]byte, error)
	// end appends what stands behind the last record.
	end(dst []byte) ([]byte, error)
	// reread yields the rows of a text that the layout made.
	reread(from kept) iter.Seq2[record.Record, error]
}

// fileState is where a writer of a file stands.
type fileState struct {
	files.Mark
	Columns  []string `json:"columns,omitempty"`
	Rows     int64    `json:"rows"`
	Begun    bool     `json:"begun,omitempty"`    // what stands before the first record is written
	Finished bool     `json:"finished,omitempty"` // what stands behind the last record is written
}

// fileWriter writes records to a file that appears when it is published. Until then they are in a partial file beside
// it, that Open cuts back to what a state covers.
type fileWriter struct {
	output  files.Output
	layout  layout
	columns columns
	begins  func() // called when the file is begun; nil does nothing

	outlet
	state   fileState // its Mark is the partial file's; that here is not kept up
	scratch []byte
}

// fileKind is what sets the kinds of files apart, beside their bytes.
type fileKind struct {
	growing bool // records need not have the same columns
	adds    bool // the file is added to what is there
	closed  bool // it ends in a way that nothing can be added behind
}

// newFile returns a writer of a file.
func newFile(conf *fileConf, kind fileKind, l layout, env *catalog.Env) (batch.Writer, error) {
	if twice := repeated(conf.Columns); twice != "" {
		return nil, fault.New(fault.Definition, "column %q stands twice in columns", twice)
	}
	if conf.Path == "-" {
		return newStdout(conf, kind, l, env)
	}
	if kind.adds && conf.Exists == "fail" {
		return nil, fault.New(fault.Definition, "append: true adds to a file that exists, and exists: fail refuses it").
			WithHint("remove one of the two")
	}
	if kind.adds && conf.Compression != "" && conf.Compression != "none" {
		return nil, fault.New(fault.Definition, "append: true and compression do not go together").
			WithHint("write a compressed file for each run, with ${...} in its path")
	}
	compressor, err := files.NewCompressor(conf.Compression)
	if err != nil {
		return nil, err
	}
	path := string(conf.Path)
	switch {
	case env.Replay != "" && (kind.closed || compressor != nil):
		path = besides(path, env.Replay)
	case env.Replay != "":
		kind.adds = true
	}
	output := files.Output{
		Path: path, Owner: env.Instance, Epoch: env.Epoch, Adopt: env.Adopt,
		Replace: conf.Exists != "fail", Append: kind.adds, Disk: env.Disk,
	}
	w := &fileWriter{
		output:  output,
		outlet:  outlet{compressor: compressor},
		layout:  l,
		columns: columns{named: conf.Columns, growing: kind.growing},
	}
	if path != string(conf.Path) {
		w.begins = func() {
			env.Notice("nothing can be added to " + string(conf.Path) + ": what the replay writes is in a file of its own, " + path)
		}
	}
	return w, output.Check()
}

// besides returns the path of a file beside another one: out/a.replay-18.json for out/a.json, and so with a.csv.gz.
func besides(path, name string) string {
	ext := filepath.Ext(path)
	if ext == ".gz" || ext == ".zst" {
		ext = filepath.Ext(strings.TrimSuffix(path, ext)) + ext
	}
	return strings.TrimSuffix(path, ext) + "." + name + ext
}

// Path returns the absolute path of the file that is written.
func (w *fileWriter) Path() string { return w.output.Path }

func repeated(names []string) string {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return name
		}
	}
	return ""
}

// Open begins the file, or goes on with it where a state stands.
func (w *fileWriter) Open(ctx context.Context, from batch.State) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// What this closes is cut back or taken over below, so whether it closed well does not matter.
	_ = w.Close()
	state, err := parseState(from)
	if err != nil {
		return err
	}
	if err := w.columns.restore(state); err != nil {
		return err
	}
	if err := w.layout.setColumns(w.columns.names); err != nil {
		return err
	}
	w.state, w.text = state, w.text[:0]
	w.partial, err = w.open(from != nil)
	return lost(err)
}

func (w *fileWriter) open(again bool) (*files.Partial, error) {
	switch {
	case w.state.Finished:
		return files.Finished(w.output, w.state.Mark)
	case again:
		return files.Resume(w.output, w.state.Mark)
	case w.begins != nil:
		w.begins()
	}
	return files.Begin(w.output)
}

func parseState(from batch.State) (state fileState, err error) {
	if from == nil {
		return state, nil
	}
	if err := json.Unmarshal(from, &state); err != nil || state.Path == "" || state.Partial == "" || state.Size < 0 {
		return state, fault.New(fault.Internal, "%s is not the state of a file", from)
	}
	return state, nil
}

// lostOutput is a files.LostError as the runner knows it.
type lostOutput struct{ *files.LostError }

func (lostOutput) Is(target error) bool { return target == batch.ErrOutputLost }

func (l lostOutput) Unwrap() error { return l.LostError }

func lost(err error) error {
	var gone *files.LostError
	if !errors.As(err, &gone) {
		return err
	}
	return fault.Wrap(fault.Environment, lostOutput{gone}, "").
		WithHint("it is needed until the step is complete; where it cannot be brought back, run with --fresh")
}

// Write appends rows: all of them, or none where one is to blame.
func (w *fileWriter) Write(ctx context.Context, _ batch.Tx, rows []record.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.writable(); err != nil || len(rows) == 0 {
		return err
	}
	if err := w.bind(rows[0].Schema); err != nil {
		return err
	}
	dst, err := w.beginning()
	if err != nil {
		return err
	}
	head := len(dst)
	for i, row := range rows {
		if dst, err = w.layout.record(dst, row, w.columns.positions, w.state.Rows+int64(i) == 0); err != nil {
			return &batch.RowError{Row: i, Err: err}
		}
	}
	w.scratch = dst
	if err := w.put(dst, head); err != nil {
		return err
	}
	w.state.Begun = true
	w.state.Rows += int64(len(rows))
	return nil
}

// beginning returns what stands before the first record, until the file is begun.
func (w *fileWriter) beginning() ([]byte, error) {
	if w.state.Begun {
		return w.scratch[:0], nil
	}
	return w.layout.begin(w.scratch[:0])
}

// put writes bytes of which the first, until the file is begun, are what stands before the first record.
func (w *fileWriter) put(b []byte, head int) error {
	if !w.state.Begun {
		if err := w.partial.SetHead(b[:head]); err != nil {
			return err
		}
	}
	return w.write(b)
}

func (w *fileWriter) writable() error {
	if w.partial == nil || w.state.Finished {
		return fault.New(fault.Internal, "write %s: it is not open for records", w.output.Path)
	}
	return nil
}

func (w *fileWriter) bind(schema *record.Schema) error {
	changed, err := w.columns.bind(schema)
	if err != nil {
		return fault.Wrap(fault.Definition, err, "write %s", w.output.Path)
	}
	if !changed {
		return nil
	}
	return w.layout.setColumns(w.columns.names)
}

// Check says whether records of a schema have the columns that the definition names.
func (w *fileWriter) Check(_ context.Context, in *record.Schema) error {
	return w.columns.checkNamed(in)
}

// State covers what is in the buffer too; Flush makes it durable.
func (w *fileWriter) State() (batch.State, error) {
	if w.partial == nil {
		return nil, fault.New(fault.Internal, "state of %s: it is not open", w.output.Path)
	}
	if err := w.seal(); err != nil {
		return nil, err
	}
	state := w.state
	state.Mark = w.partial.Mark()
	state.Columns = w.columns.names
	return json.Marshal(state)
}

// Flush makes what was written durable.
func (w *fileWriter) Flush(ctx context.Context, _ batch.Tx) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.partial == nil {
		return fault.New(fault.Internal, "flush %s: it is not open", w.output.Path)
	}
	if err := w.seal(); err != nil {
		return err
	}
	return w.partial.Sync()
}

// Finish writes what stands behind the last record and, where there was none, what stands before the first. A file that
// is added to is locked from here until it is published.
func (w *fileWriter) Finish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.partial != nil && w.state.Finished {
		return nil
	}
	if err := w.writable(); err != nil {
		return err
	}
	dst, err := w.beginning()
	if err != nil {
		return err
	}
	head := len(dst)
	if dst, err = w.layout.end(dst); err != nil {
		return err
	}
	if err := w.put(dst, head); err != nil {
		return err
	}
	if err := w.finish(); err != nil {
		return err
	}
	if err := w.partial.Reserve(ctx); err != nil {
		return err
	}
	w.state.Begun, w.state.Finished = true, true
	return nil
}

// Publish gives the file its name.
func (w *fileWriter) Publish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.partial == nil || !w.state.Finished {
		return fault.New(fault.Internal, "publish %s: it is not finished", w.output.Path)
	}
	if err := w.partial.Reserve(ctx); err != nil {
		return err
	}
	return w.partial.Publish()
}

// Close leaves the partial file as it was flushed.
func (w *fileWriter) Close() error {
	if w.partial == nil {
		return nil
	}
	err := w.partial.Close()
	w.partial = nil
	return err
}

// list names columns for a message.
func list(names []string) string { return strings.Join(names, ", ") }
