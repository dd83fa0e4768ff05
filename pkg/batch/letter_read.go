package batch

import (
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// KeptLetter is a dead letter as it was kept, read back. What its table or file has no column for is empty.
type KeptLetter struct {
	Repository string
	Job        string
	Instance   int64 // JOB_INSTANCE_ID
	Execution  int64 // JOB_EXECUTION_ID
	Step       string
	Lane       int
	Ordinal    int64
	Phase      SkipPhase
	Class      fault.Class
	Code       string
	Message    string
	Source     string
	Line       int64
	Raw        string
	Record     string // a JSON object, "" where the record could not be read
	Created    time.Time
}

// ReadLetter returns the letter that a row holds whose fields have the names of LetterSchema; texts are its own.
func ReadLetter(row record.Record) (KeptLetter, error) {
	r := letterRow{row: row}
	return KeptLetter{
		Repository: r.text("repository_id"), Job: r.text("job_name"), Instance: r.int("job_instance_id"), Execution: r.int("job_execution_id"),
		Step: r.text("step"), Lane: int(r.int("lane")), Ordinal: r.int("ordinal"), Phase: SkipPhase(r.text("phase")),
		Class: fault.Class(r.text("class")), Code: r.text("code"), Message: r.text("message"),
		Source: r.text("source"), Line: r.int("line"), Raw: r.text("raw"), Record: r.text("record"), Created: r.time("created_at"),
	}, r.err
}

// letterRow takes a row apart; err is the first field that is not what it has to be.
type letterRow struct {
	row record.Record
	err error
}

// as returns a field as a value of a kind, null where there is none. Files keep no kinds, and write nothing for null.
func (r *letterRow) as(name string, kind record.Kind) record.Value {
	v := r.row.Get(name)
	if v.IsNull() || v.Kind() == record.Text && v.Text() == "" {
		return record.NullValue
	}
	if kind == record.Text && v.Kind() == record.JSON {
		return record.OfText(v.Text())
	}
	converted, err := (&record.Format{}).Convert(v, kind)
	if err != nil && r.err == nil {
		r.err = fault.Wrap(fault.Environment, err, "a dead letter is damaged: column %s", name).WithCode("damaged_letter").
			WithHint("only raw and record are meant to be mended by hand")
	}
	return converted
}

func (r *letterRow) text(name string) string {
	v := r.as(name, record.Text)
	if v.IsNull() || r.err != nil {
		return ""
	}
	return v.Clone().Text()
}

func (r *letterRow) int(name string) int64 {
	v := r.as(name, record.Int)
	if v.IsNull() || r.err != nil {
		return 0
	}
	return v.Int()
}

func (r *letterRow) time(name string) time.Time {
	v := r.as(name, record.DateTime)
	if v.IsNull() || r.err != nil {
		return time.Time{}
	}
	return v.Time()
}
