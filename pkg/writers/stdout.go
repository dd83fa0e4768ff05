package writers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"syscall"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// stdoutState is where a writer to standard output stands.
type stdoutState struct {
	fileState
	Bytes int64 `json:"bytes"` // written
}

// stdoutWriter writes records to standard output. What an attempt has written is held back until it held, and then cannot
// be taken back: it can be gone on with in the same process only.
type stdoutWriter struct {
	to      io.Writer
	layout  layout
	columns columns

	state stdoutState
	held  []byte // not sent yet
	kept  int    // bytes of it that State has covered
	sent  int64
	open  bool
}

// sendFrom is how many bytes are gathered before they are sent without a Flush.
const sendFrom = 64 << 10

func newStdout(conf *fileConf, kind fileKind, l layout, env *catalog.Env) (batch.Writer, error) {
	switch {
	case env.Stdout == nil:
		return nil, fault.New(fault.Definition, "standard output is taken: --output json writes one document there, and nothing else").
			WithHint("leave --output json out, or write to a file")
	case kind.adds:
		return nil, fault.New(fault.Definition, "nothing can be added to standard output").WithHint("leave append: true out")
	case conf.Exists == "fail":
		return nil, fault.New(fault.Definition, "exists: fail has no meaning for standard output").WithHint("leave it out")
	case conf.Compression != "" && conf.Compression != "none":
		return nil, fault.New(fault.Definition, "standard output is not compressed").WithHint("leave compression out, and let a command do it: ... | gzip")
	case env.Replay != "":
		return nil, fault.New(fault.Environment, "records that were written to standard output cannot be added to").WithHint("a replay needs a step that writes to a file or a table")
	}
	return &stdoutWriter{to: env.Stdout, layout: l, columns: columns{named: conf.Columns, growing: kind.growing}}, nil
}

// Open begins, or goes on behind a state of this process.
func (w *stdoutWriter) Open(ctx context.Context, from batch.State) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var state stdoutState
	if from != nil {
		if err := json.Unmarshal(from, &state); err != nil {
			return fault.New(fault.Internal, "%s is not the state of standard output", from)
		}
	}
	if err := w.goBackTo(state); err != nil {
		return err
	}
	if err := w.columns.restore(state.fileState); err != nil {
		return err
	}
	w.state, w.open = state, true
	return w.layout.setColumns(w.columns.names)
}

// goBackTo drops what was held back behind a state.
func (w *stdoutWriter) goBackTo(state stdoutState) error {
	held := state.Bytes - w.sent
	switch {
	case state.Finished && w.sent == 0:
		w.held, w.sent = nil, state.Bytes
		return nil
	case held > int64(len(w.held)):
		return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "records were written to standard output already (%d), and it cannot be gone on with", state.Rows).
			WithCode("output_gone").WithHint("begin anew with run --new, or with --fresh; a file can be gone on with")
	case held < 0:
		return fault.New(fault.Internal, "%d bytes too many were written to standard output", -held)
	}
	w.held = w.held[:held]
	w.kept = len(w.held)
	return nil
}

// Write appends rows: all of them, or none where one is to blame.
func (w *stdoutWriter) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	if err := ctx.Err(); err != nil || len(rows) == 0 {
		return err
	}
	if !w.open || w.state.Finished || tx != nil {
		return fault.New(fault.Internal, "standard output is not open for records")
	}
	if len(w.held) >= sendFrom {
		if err := w.send(w.kept); err != nil {
			return err
		}
	}
	changed, err := w.columns.bind(rows[0].Schema)
	if err != nil {
		return fault.Wrap(fault.Definition, err, "write standard output")
	}
	if changed {
		if err := w.layout.setColumns(w.columns.names); err != nil {
			return err
		}
	}
	dst := w.held
	if !w.state.Begun {
		if dst, err = w.layout.begin(dst); err != nil {
			return err
		}
	}
	for i, row := range rows {
		if dst, err = w.layout.record(dst, row, w.columns.positions, w.state.Rows+int64(i) == 0); err != nil {
			return &batch.RowError{Row: i, Err: err}
		}
	}
	w.held = dst
	w.state.Begun = true
	w.state.Rows += int64(len(rows))
	return nil
}

// send sends the first n bytes of what is held back.
func (w *stdoutWriter) send(n int) error {
	if n == 0 {
		return nil
	}
	sent, err := w.to.Write(w.held[:n])
	w.sent += int64(sent)
	w.held = append(w.held[:0], w.held[sent:]...)
	w.kept = max(0, w.kept-sent)
	if err == nil {
		return nil
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	e := fault.Wrap(fault.Environment, err, "write standard output")
	if errors.Is(err, syscall.EPIPE) {
		e.Hint = "the command that read it has ended"
	}
	return e
}

// Check says whether records of a schema have the columns that the definition names.
func (w *stdoutWriter) Check(_ context.Context, in *record.Schema) error {
	return w.columns.checkNamed(in)
}

// State covers what is held back too; Flush sends it.
func (w *stdoutWriter) State() (batch.State, error) {
	if !w.open {
		return nil, fault.New(fault.Internal, "state of standard output: it is not open")
	}
	w.kept = len(w.held)
	state := w.state
	state.Columns = w.columns.names
	state.Bytes = w.sent + int64(len(w.held))
	return json.Marshal(state)
}

// Flush sends what State has covered. What was written since belongs to an attempt that has not held yet.
func (w *stdoutWriter) Flush(ctx context.Context, _ batch.Tx) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.send(w.kept)
}

// Finish writes what stands behind the last record and, where there was none, what stands before the first.
func (w *stdoutWriter) Finish(ctx context.Context) error {
	if err := ctx.Err(); err != nil || w.state.Finished {
		return err
	}
	var err error
	dst := w.held
	if !w.state.Begun {
		if dst, err = w.layout.begin(dst); err != nil {
			return err
		}
	}
	if dst, err = w.layout.end(dst); err != nil {
		return err
	}
	w.held, w.kept = dst, len(dst)
	w.state.Begun, w.state.Finished = true, true
	return nil
}

// Publish has nothing to do: all was sent when the state that Finish led to was flushed.
func (w *stdoutWriter) Publish(ctx context.Context) error { return ctx.Err() }

// Close gives up what was not sent.
func (w *stdoutWriter) Close() error {
	w.open = false
	return nil
}
