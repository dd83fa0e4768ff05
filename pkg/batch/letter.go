package batch

import (
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// SkipPhase says at which stage a record was left out.
type SkipPhase string

const (
	SkipInRead    SkipPhase = "read"
	SkipInProcess SkipPhase = "process"
	SkipInWrite   SkipPhase = "write"
)

// Letter is a dead letter: a record that was left out, as it was read, and why.
type Letter struct {
	Step      StepKey
	Lane      int
	Instance  int64 // JOB_INSTANCE_ID
	Execution int64 // JOB_EXECUTION_ID
	Ordinal   int64 // place in the input, from 1, read skips included
	Phase     SkipPhase
	Err       error
	Origin    record.Origin
	Input     *record.Record // nil where the record could not be read
	Created   time.Time
}

var letterSchema, _ = record.NewSchema(
	record.Field{Name: "repository_id", Kind: record.Text},
	record.Field{Name: "job_name", Kind: record.Text},
	record.Field{Name: "job_instance_id", Kind: record.Int},
	record.Field{Name: "job_execution_id", Kind: record.Int},
	record.Field{Name: "step", Kind: record.Text},
	record.Field{Name: "lane", Kind: record.Int},
	record.Field{Name: "ordinal", Kind: record.Int},
	record.Field{Name: "phase", Kind: record.Text},
	record.Field{Name: "class", Kind: record.Text},
	record.Field{Name: "code", Kind: record.Text},
	record.Field{Name: "message", Kind: record.Text},
	record.Field{Name: "source", Kind: record.Text},
	record.Field{Name: "line", Kind: record.Int},
	record.Field{Name: "raw", Kind: record.Text},
	record.Field{Name: "record", Kind: record.JSON},
	record.Field{Name: "created_at", Kind: record.DateTime},
)

// LetterSchema returns the columns of dead letters.
func LetterSchema() *record.Schema { return letterSchema }

// AppendTo appends the letter as a row of LetterSchema; its texts are copied into the batch's arena.
func (l *Letter) AppendTo(b *record.Batch) {
	row := b.Add(letterSchema.Len(), 0)
	text := func(s string) record.Value {
		if s == "" {
			return record.NullValue
		}
		return record.OfText(b.Arena.CopyString(s))
	}
	line := record.NullValue
	if l.Origin.Line > 0 {
		line = record.OfInt(l.Origin.Line)
	}
	copy(row, []record.Value{
		text(l.Step.Repository), text(l.Step.Job), record.OfInt(l.Instance), record.OfInt(l.Execution),
		text(l.Step.Step), record.OfInt(int64(l.Lane)), record.OfInt(l.Ordinal), text(string(l.Phase)),
		text(string(fault.ClassOf(l.Err))), text(fault.CodeOf(l.Err)), text(fault.Text(l.Err)),
		text(l.Origin.Source), line, text(l.Origin.Raw), l.fields(b), record.OfTime(l.Created.UTC()),
	})
}

// fields is the record as a JSON object, null where it could not be read.
func (l *Letter) fields(b *record.Batch) record.Value {
	if l.Input == nil {
		return record.NullValue
	}
	return record.OfJSON(b.Arena.Copy(l.Input.AppendJSON(nil)))
}
