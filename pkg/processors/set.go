package processors

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/record"
)

// set computes fields in order. One that exists already keeps its place; new ones stand behind the others.
type set struct {
	assignments []assignment
	layout      layout
	projection  projection
	out         *record.Schema
}

// assignment is one computed field.
type assignment struct {
	name    string
	value   *expression
	program *expr.Program
	at      int
}

func newSet(conf *config.Map[config.Expression], env *catalog.Env) (batch.Processor, error) {
	s := &set{}
	for _, p := range *conf {
		value, err := compile(p.Value, env, "set "+p.Name)
		if err != nil {
			return nil, err
		}
		s.assignments = append(s.assignments, assignment{name: p.Name, value: value})
	}
	return s, nil
}

// Bind binds each expression to the fields that are there when it is computed.
func (s *set) Bind(in *record.Schema) (*record.Schema, error) {
	fields, err := s.bindInOrder(in)
	if err != nil {
		return nil, err
	}
	if s.out, err = s.layout.settle(fields, in.Open()); err != nil {
		return nil, err
	}
	s.projection = projectionTo(s.out, in, func(name string) string { return name })
	return s.out, s.place(in)
}

// bindInOrder returns the fields that come out, and checks that each expression sees only what is there before it.
func (s *set) bindInOrder(in *record.Schema) ([]record.Field, error) {
	now := in
	for _, a := range s.assignments {
		p, err := a.value.bind(now)
		if err != nil {
			return nil, err
		}
		if now, err = with(now, a.name, resultKind(p)); err != nil {
			return nil, err
		}
	}
	return now.Fields(), nil
}

// place binds the expressions again, to the row that comes out, whose columns may stand in another order.
func (s *set) place(in *record.Schema) error {
	row := s.out.Fields()
	for i, f := range row {
		at, there := in.Index(f.Name)
		row[i].Kind = record.Absent
		if there {
			row[i].Kind = in.Field(at).Kind
		}
	}
	for i := range s.assignments {
		a := &s.assignments[i]
		seen, err := record.NewSchema(row...)
		if err != nil {
			return err
		}
		if in.Open() {
			seen, err = record.NewOpenSchema(row...)
		}
		if err == nil {
			a.program, err = a.value.bind(seen)
		}
		if err != nil {
			return err
		}
		a.at, _ = s.out.Index(a.name)
		row[a.at].Kind = resultKind(a.program)
	}
	return nil
}

// with returns the schema with a field of a kind: where it is, or behind the others.
func with(s *record.Schema, name string, kind record.Kind) (*record.Schema, error) {
	at, ok := s.Index(name)
	if !ok {
		return s.Grow(record.Field{Name: name, Kind: kind})
	}
	fields := s.Fields()
	fields[at].Kind = kind
	if s.Open() {
		return record.NewOpenSchema(fields...)
	}
	return record.NewSchema(fields...)
}

// resultKind is the kind of the column that a program fills.
func resultKind(p *expr.Program) record.Kind {
	if p.Kind() == record.Null {
		return record.Absent
	}
	return p.Kind()
}

// Process copies the record and computes the fields in the copy, so that later ones see earlier ones.
func (s *set) Process(_ context.Context, in record.Record, out *record.Batch) error {
	row := s.projection.add(in, out)
	for i := range s.assignments {
		a := &s.assignments[i]
		v, err := a.program.Eval(record.Record{Schema: s.out, Values: row}, &out.Arena)
		if err != nil {
			takeBack(out)
			return failed(a.value.role, err)
		}
		if v.IsNull() {
			v = record.NullValue
		}
		row[a.at] = v
	}
	return nil
}
