package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
	"batchctl/pkg/meta"
	"batchctl/pkg/record"
)

// lettersKind is what a replay's reader is called in its checkpoints.
const lettersKind = "dead letters"

// letterReader reads the letters of a replay as records: their raw text by the step's own reader where that can, else
// their fields with the types that the step's reader has.
type letterReader struct {
	replay *replay
	places map[meta.LetterKey]int64 // in the input, from 1
	plain  batch.Reader             // the step's own
	parse  batch.Reparser           // plain, nil where it reads no text
	kind   string                   // of plain
	covers batch.State              // where the first reader stood, of the same kind
	format record.Format

	schema *record.Schema // of what plain reads; nil where the fields themselves say
	asked  bool           // for schema
	next   func() (foundLetter, error, bool)
	stop   func()
	passed int64 // letters of the replay that next has returned
	from   int64 // as many were read before
	done   atomic.Int64
}

// letterState is where a letterReader stands: how many letters it has read, and what helps to read their texts.
type letterState struct {
	Letters int64       `json:"letters"`
	Kind    string      `json:"kind"` // of the step's reader
	Covers  batch.State `json:"covers,omitempty"`
}

func lettersCover(from batch.State) (kind string, covers batch.State, err error) {
	var at letterState
	if from != nil {
		err = json.Unmarshal(from, &at)
	}
	return at.Kind, at.Covers, err
}

// newLetterReader returns the reader of a replay. Letters that come from no file it names by their place in the input.
func newLetterReader(r *replay, plain batch.Reader, kind string, covers batch.State, location *time.Location) batch.Reader {
	reader := &letterReader{replay: r, plain: plain, kind: kind, covers: covers, places: map[meta.LetterKey]int64{}, format: record.Format{Location: location}}
	for i, l := range r.what.Letters {
		reader.places[l] = int64(i + 1)
	}
	var reads bool
	if reader.parse, reads = plain.(batch.Reparser); reads {
		return reader
	}
	return locatedLetters{reader}
}

// Open begins, or goes on behind as many letters as from says.
func (r *letterReader) Open(ctx context.Context, from batch.State) error {
	var at letterState
	if from != nil {
		if err := json.Unmarshal(from, &at); err != nil {
			return fault.New(fault.Internal, "the reader's state is damaged: %.200s", from)
		}
	}
	r.end()
	source := r.replay.source
	step, err := source.prepared.stepNamed(r.replay.what.Step)
	if err != nil {
		return err
	}
	r.next, r.stop = iter.Pull2(source.letters(ctx, step))
	r.passed, r.from = 0, at.Letters
	r.done.Store(at.Letters)
	return nil
}

func (r *letterReader) end() {
	if r.stop != nil {
		r.stop()
		r.next, r.stop = nil, nil
	}
}

// Read appends the record of the next letter.
func (r *letterReader) Read(ctx context.Context, into *record.Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		letter, err, ok := r.next()
		switch {
		case !ok && r.passed < int64(len(r.places)):
			return r.changed("dead letter %d of step %s is gone", r.replay.what.Letters[r.passed].Ordinal)
		case !ok:
			return io.EOF
		case err != nil:
			return err
		}
		place, mine := r.places[letter.root]
		if !mine {
			continue
		}
		if place != r.passed+1 {
			return r.changed("the dead letters of step %[2]s are in another order than they were, from letter %[1]d on", letter.Ordinal)
		}
		if r.passed++; r.passed > r.from {
			r.done.Store(r.passed)
			return r.read(ctx, &letter.KeptLetter, into)
		}
	}
}

func (r *letterReader) changed(message string, ordinal int64) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, message, ordinal, r.replay.what.Step).WithCode("letters_changed").
		WithHint("put them back as they were when the replay began; only raw and record may be mended")
}

func (r *letterReader) read(ctx context.Context, l *batch.KeptLetter, into *record.Chunk) error {
	origin := record.Origin{Source: l.Source, Line: l.Line, Raw: l.Raw}
	if l.Raw == "" && l.Record == "" {
		return &batch.BadRecord{Origin: origin, Err: fault.New(fault.Parse, "the dead letter holds neither raw text nor a record").
			At(fault.Position{File: l.Source, Line: int(l.Line)})}
	}
	if r.parse != nil {
		return r.parse.Reparse(ctx, r.covers, origin, l.Record, into)
	}
	if err := r.ask(ctx); err != nil {
		return err
	}
	err := format.AppendJSONRow(into, r.schema, l.Record, origin, &r.format)
	if err != nil && fault.ClassOf(err).Data() {
		return &batch.BadRecord{Origin: origin, Err: err}
	}
	return err
}

// ask asks the step's reader, once, which columns its records have.
func (r *letterReader) ask(ctx context.Context) (err error) {
	describer, ok := r.plain.(batch.Describer)
	if ok && !r.asked {
		r.schema, err = describer.Schema(ctx)
		r.asked = err == nil
	}
	return err
}

// State covers every letter read so far.
func (r *letterReader) State() (batch.State, error) {
	return json.Marshal(letterState{Letters: r.done.Load(), Kind: r.kind, Covers: r.covers})
}

// Close ends the reading, and gives the step's reader up.
func (r *letterReader) Close() error {
	r.end()
	return r.plain.Close()
}

// Progress counts letters.
func (r *letterReader) Progress() (done, total int64) { return r.done.Load(), int64(len(r.places)) }

// locatedLetters names records by the letters they come from.
type locatedLetters struct{ *letterReader }

// Locate implements batch.Locator.
func (r locatedLetters) Locate(_ record.Record, origin record.Origin) string {
	l := r.replay.what.Letters[origin.Ordinal-1]
	return fmt.Sprintf("dead letter %d of execution %d", l.Ordinal, l.Execution)
}
