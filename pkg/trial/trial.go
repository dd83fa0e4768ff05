// Package trial holds the failures that a definition plans, to try what a job does about them: which records fail, how
// often, and with which error. The processor and the writer called fault are made of it.
package trial

import (
	"context"
	"errors"
	"slices"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// Conf is the keys that every fault has.
type Conf struct {
	At      Ordinals        `yaml:"at" help:"fail at this record of the step's input, the first being 1; or at each of a list"`
	Every   int64           `yaml:"every" help:"fail at every nth record of the input: 100 is the 100th, the 200th ..."`
	Times   int             `yaml:"times" default:"0" help:"so often at each record, then let it pass; 0: always"`
	Runs    int64           `yaml:"runs" default:"0" help:"only in so many first runs of the step, so that a restart passes; 0: in all"`
	Class   string          `yaml:"class" enum:"parse|validation|constraint|transient|definition|environment|internal|none" help:"class of the error; none only sleeps. That of the code where absent, else validation"`
	Code    string          `yaml:"code" help:"code of the error, such as the SQLSTATE 40001"`
	Message string          `yaml:"message" default:"planned failure" help:"text of the error"`
	Sleep   config.Duration `yaml:"sleep" help:"wait before failing"`
}

// Ordinals are places of records in the input of a step, from 1.
type Ordinals []int64

// DecodeYAML reads a number, or a list of them.
func (o *Ordinals) DecodeYAML(d *config.Decoder, n config.Node) error {
	items := n.OneOrMore()
	var wrong fault.List
	*o = make(Ordinals, len(items))
	for i, item := range items {
		if err := d.Decode(item, &(*o)[i]); err != nil {
			wrong.Add(err)
			continue
		}
		if (*o)[i] < 1 && !d.Check {
			wrong.Add(item.Errorf("%s: expected the place of a record, from 1, got %d", d.What, (*o)[i]))
		}
	}
	return wrong.Err()
}

// YAMLType implements config.Worded.
func (Ordinals) YAMLType() string { return "a whole number or a list of them" }

// Plan is a Conf at work in one run of a step. It remembers how often each record has failed; that memory ends with the
// run. One goroutine uses it at a time.
type Plan struct {
	conf   Conf
	class  fault.Class
	rests  bool // this run is not one of those that fail
	after  func(time.Duration) <-chan time.Time
	failed map[int64]int
}

// New returns the plan for the run that claimed its step with epoch, from 1. after is time.After.
func New(conf Conf, epoch int64, after func(time.Duration) <-chan time.Time) *Plan {
	p := &Plan{conf: conf, class: fault.Class(conf.Class), after: after, failed: map[int64]int{}}
	p.rests = conf.Runs > 0 && epoch > conf.Runs
	if p.class == "" {
		p.class = fault.Validation
		if known := sqldb.ClassOfState(conf.Code); known != fault.Internal {
			p.class = known
		}
	}
	return p
}

// Check returns an error where the numbers mean nothing.
func (c *Conf) Check() error {
	switch {
	case c.Every < 0 || c.Times < 0 || c.Runs < 0 || c.Sleep < 0:
		return fault.New(fault.Definition, "fault: every, times, runs and sleep cannot be below 0")
	case c.Class == "none" && c.Sleep == 0:
		return fault.New(fault.Definition, "fault: the class none does not fail, and there is no sleep").
			WithHint("add sleep: 100ms, or another class")
	}
	return nil
}

// Somewhere reports whether at or every says where to fail.
func (c *Conf) Somewhere() bool { return len(c.At) > 0 || c.Every > 0 }

// Chosen reports whether at or every means the record at a place in the input.
func (p *Plan) Chosen(ordinal int64) bool {
	if p.rests || ordinal < 1 {
		return false
	}
	return p.conf.Every > 0 && ordinal%p.conf.Every == 0 || slices.Contains(p.conf.At, ordinal)
}

// Rests reports whether nothing fails in this run.
func (p *Plan) Rests() bool { return p.rests }

// Fail returns the planned error for an attempt at a record, or nil where it has failed as often as it is to. A cancelled
// ctx ends the sleep.
func (p *Plan) Fail(ctx context.Context, ordinal int64) error {
	if p.rests {
		return nil
	}
	if p.conf.Times > 0 {
		if p.failed[ordinal] >= p.conf.Times {
			return nil
		}
		p.failed[ordinal]++
	}
	if p.conf.Sleep > 0 {
		select {
		case <-p.after(time.Duration(p.conf.Sleep)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if p.class == "none" {
		return nil
	}
	return &planned{fault.New(p.class, "%s", p.conf.Message).WithCode(p.conf.Code).
		WithHint("the definition plans this with fault, to try the job: take it out to run for real")}
}

// planned marks an error as one that the definition plans.
type planned struct{ err error }

func (e *planned) Error() string { return e.err.Error() }

func (e *planned) Unwrap() error { return e.err }

// Planned reports whether an error comes from a plan, wrapped or not.
func Planned(err error) bool {
	var p *planned
	return errors.As(err, &p)
}
