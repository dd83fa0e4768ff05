// Package batch holds the contracts that everybody agrees on: readers, processors, writers, ledgers, checkpoints,
// statuses, counters and events. It knows records and errors, and nothing of YAML, files or databases.
package batch

import (
	"context"
	"encoding/json"
	"iter"

	"batchctl/pkg/record"
)

// State is where a component stands, as a JSON text that only it can read. Nil is the beginning.
type State = json.RawMessage

// A Reader yields records in an order that is the same on every run. The runner calls it from one goroutine.
type Reader interface {
	// Open goes on behind what from covers; nil begins. It is called again, without Close between, after a lost
	// connection, with an older state.
	Open(ctx context.Context, from State) error
	// Read appends one input row to into, with its origin, and returns nil; at the end io.EOF, also when called again.
	// A bad record is a fault.Error of a data class that carries its position; into is then as it was, State covers the
	// bad record, and the next Read goes on behind it. Any other error ends the step.
	Read(ctx context.Context, into *record.Chunk) error
	// State covers every record read so far, bad ones included. It is a value: later reads do not change it.
	State() (State, error)
	Close() error
}

// A BadRecord is an error of a Reader for one record, with what there is of it for the dead letters. It wraps a
// fault.Error of a data class.
type BadRecord struct {
	Origin record.Origin // its texts are the error's own, not the chunk's
	Err    error
}

func (b *BadRecord) Error() string { return b.Err.Error() }

// Unwrap returns the reason.
func (b *BadRecord) Unwrap() error { return b.Err }

// An Estimator is a Reader that can say how far it is, for progress. Called from any goroutine, at any time after Open.
type Estimator interface {
	// Progress returns how much is done, and of how much, in any unit; total 0 where it cannot be known.
	Progress() (done, total int64)
}

// A Locator is a Reader that names a record's place better than file and line: by its key. Called from any goroutine.
type Locator interface {
	Locate(input record.Record, origin record.Origin) string
}

// A Headed is a Reader of an input that begins with something that is no record: lines before the records, a header.
// Called from any goroutine.
type Headed interface {
	// Header returns what stands before the first record of the first input, without the last line end; known is false as
	// long as that has not been opened.
	Header() (text string, known bool)
}

// A Processor turns one input record into none (filtered), one, or more output rows. The runner calls it from one
// goroutine, in reading order.
type Processor interface {
	// Bind is called once for each version of the input schema, before the first record that has it, and returns the
	// schema of the output. An error is of class definition: an unknown field, a type that cannot work.
	Bind(in *record.Schema) (out *record.Schema, err error)
	// Process appends to out, whose schema is the bound one, with out.Add(n, 0): the runner sets where rows come from.
	// Texts it makes lie in out.Arena or are constants; values it passes on may be copied as they are. A bad record is
	// a fault.Error of a data class, and out is then as it was.
	Process(ctx context.Context, in record.Record, out *record.Batch) error
}

// A Writer writes chunks. The runner calls it from one goroutine.
type Writer interface {
	// Open goes on behind what from covers and undoes whatever lies behind that: what a file holds behind the offset is
	// cut off. Nil begins. It is called again, without Close between, after an attempt that was rolled back.
	Open(ctx context.Context, from State) error
	// Write writes rows, all of one schema, in their order; they are valid only during the call. tx is the transaction
	// of the step's database, nil where the step has none. Where one row is to blame the error is a RowError.
	Write(ctx context.Context, tx Tx, rows []record.Record) error
	// State covers every row written so far. It is a value: later writes do not change it.
	State() (State, error)
	// Flush makes all that State covers durable, or durable as soon as tx commits.
	Flush(ctx context.Context, tx Tx) error
	// Close gives everything up that was not flushed or published, and keeps what a restart needs.
	Close() error
}

// A LastWriter is a Writer whose Write may begin before its transaction and end with the commit, which saves waiting for
// the target.
type LastWriter interface {
	// WriteLast is Write where nothing else is written in tx. Its error may be returned by whatever is done with tx next, the
	// commit included, which then has not happened: ended is called when the target has taken the rows, or refused them,
	// where that is later. ahead is nil, or was told to prepare these rows. next may be called until tx ends: it returns what
	// was told to prepare the rows of the next call, which may be sent with the commit, or nil where those are not there yet. That
	// call may come much later, or never.
	WriteLast(ctx context.Context, tx Tx, rows []record.Record, ahead Ahead, next func() Ahead, ended func()) error

	// NewAhead returns room in which the rows of one chunk at a time are made ready, for this writer or that of another lane.
	NewAhead() Ahead
}

// Ahead makes rows ready for a LastWriter while the chunk before them is written.
type Ahead interface {
	// Prepare takes the place of what was prepared before. It may run beside anything that the writer does. What it cannot
	// do, for now or at all, is left to the writer, which finds the error, too.
	Prepare(rows []record.Record)
}

// A RowError is an error of a Writer that one row of the call is to blame for.
type RowError struct {
	Row int // index into the rows of the call
	Err error
}

func (r *RowError) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *RowError) Unwrap() error { return r.Err }

// A Blamer is a Writer that can search for the one row which a failed Write did not name. The runner calls Blame before it
// fails a step, when the attempt is undone and no transaction open; where records may be skipped it divides the chunk
// itself.
type Blamer interface {
	// Blame tries the rows of the failed call anew, keeps nothing of them, and returns the error of the one row that is
	// to blame as a RowError, or err where it finds none.
	Blame(ctx context.Context, rows []record.Record, err error) error
}

// A Publisher is a Writer whose output becomes visible only when the step is complete. The runner calls Finish after
// the last row, Flush, records State in a checkpoint of phase Publishing, then calls Publish, and records phase Done.
// After a crash between the two it calls Open with the recorded state and Publish again.
type Publisher interface {
	// Finish writes what ends the output: footer, closing bracket. State afterwards says what is to be published: paths,
	// sizes, hashes.
	Finish(ctx context.Context) error
	// Publish makes the output visible under its final name. Doing it twice is doing it once.
	Publish(ctx context.Context) error
}

// A Fanout is a Writer that gives the same rows to several others.
type Fanout interface {
	Parts() []Writer
}

// A Target is a Writer that writes into a database; it says which, so that the step's ledger can lie beside its rows.
type Target interface {
	Connection() string
}

// A Rereader is a Writer that can read back what it wrote, which is how dead letters are found again. It need not be
// open, and stays as it is.
type Rereader interface {
	// Reread yields the rows that are there, each valid until the next one. Of a table they are those whose columns of the
	// names in of have these values; a file may yield others too. at is the state of the writer that wrote them, nil where
	// it is not known: of a file that has not appeared yet only what at covers is there.
	Reread(ctx context.Context, at State, of map[string]record.Value) iter.Seq2[record.Record, error]
}

// A Reparser is a Reader that can read a record whose text stands alone: that of a dead letter.
type Reparser interface {
	// Reparse appends the record that origin.Raw is the text of, with that origin, as Read would have done. Where there is
	// no text, fields is the record as a JSON object. covers is where a reader of the same step stood, nil where that is
	// not known: it holds what stands once for all records, such as the names of columns. A bad record is a BadRecord, and
	// into is then as it was.
	Reparse(ctx context.Context, covers State, origin record.Origin, fields string, into *record.Chunk) error
}

// Division says how the input of a partitioned step is to be divided.
type Division struct {
	By     string // range, modulo, values or files
	Column string // of the records; "" with files, and with range for the places of a file
	Count  int    // how many shares are wanted; values and files have one for each
	Values []record.Value
}

// A Divisible is a Reader whose input can be divided into shares that together are the input: each record is in exactly
// one of them, whatever it holds, also one that is added later.
type Divisible interface {
	// Fits returns an error of class definition where the division does not fit the reader, or a column that it knows. It
	// is called instead of Open.
	Fits(ctx context.Context, d Division) error
	// Divide returns the shares, fewer than wanted where there is not so much to divide. Each is a JSON object; a definition
	// may use its members as ${partition.MEMBER}. It is called instead of Open.
	Divide(ctx context.Context, d Division) ([]json.RawMessage, error)
	// Take restricts the reader to one of the shares. It is called before Open.
	Take(share json.RawMessage) error
}
