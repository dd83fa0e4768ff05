package writers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
)

// allConf is the configuration of the all writer.
type allConf struct {
	Writers []innerWriter `yaml:"writers,required" help:"writers that each get every record: any number of files, at most one database"`
}

// innerWriter is the definition of a writer within a writer. It is checked where it stands and built by the environment.
type innerWriter struct{ node config.Node }

// DecodeYAML checks the writer's own keys.
func (w *innerWriter) DecodeYAML(d *config.Decoder, n config.Node) error {
	w.node = n
	var c job.Component
	if err := d.For("writer").Decode(n, &c); err != nil {
		return err
	}
	table := Table()
	entry, ok := table.Lookup(c.Type)
	if !ok {
		return c.Kind.Errorf("unknown writer %q", c.Type).WithCode("unknown_kind").
			WithHint("%s", fault.DidYouMean(c.Type, table.Names()))
	}
	check := d.For("writer " + c.Type)
	check.Check = true
	return check.Decode(c.Body, entry.New())
}

// YAMLType implements config.Worded.
func (innerWriter) YAMLType() string { return "a mapping with a type" }

// newAll returns a writer of several. It is a batch.Publisher where one of them is, and a batch.Target where one is.
func newAll(conf *allConf, env *catalog.Env) (batch.Writer, error) {
	w := new(all)
	var publishing publishers
	var target batch.Target
	for _, inner := range conf.Writers {
		child, err := env.Writer(inner.node)
		if err != nil {
			return nil, err
		}
		w.children = append(w.children, child)
		if p, ok := child.(batch.Publisher); ok {
			publishing = append(publishing, p)
		}
		t, ok := child.(batch.Target)
		if !ok || t.Connection() == "" {
			continue
		}
		if target != nil {
			return nil, twoTargets(inner.node, target, t)
		}
		target = t
		w.first = child
	}
	switch {
	case len(w.children) == 0:
		return nil, fault.New(fault.Definition, "writer all: the list of writers is empty").WithHint("name at least one, or use the writer discard")
	case target != nil && publishing != nil:
		return struct {
			*all
			publishers
			batch.Target
		}{w, publishing, target}, nil
	case target != nil:
		return struct {
			*all
			batch.Target
		}{w, target}, nil
	case publishing != nil:
		return struct {
			*all
			publishers
		}{w, publishing}, nil
	}
	return w, nil
}

func twoTargets(node config.Node, first, second batch.Target) error {
	err := node.Errorf("a second database in one step: connection %s beside %s", second.Connection(), first.Connection())
	if first.Connection() == second.Connection() {
		err = node.Errorf("a second writer for connection %s in one step", second.Connection())
	}
	return err.WithHint("the records of a step commit in one transaction of one writer: split the step in two")
}

// all writes the same records to several writers. Its state is the list of theirs.
type all struct {
	children []batch.Writer
	first    batch.Writer // the one for a database, nil where there is none
}

// Parts implements batch.Fanout.
func (w *all) Parts() []batch.Writer { return w.children }

// Check asks every writer that can tell whether it can write records of a schema.
func (w *all) Check(ctx context.Context, in *record.Schema) error {
	for _, child := range w.children {
		c, ok := child.(interface {
			Check(ctx context.Context, in *record.Schema) error
		})
		if !ok {
			continue
		}
		if err := c.Check(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// Open opens every writer where it stood.
func (w *all) Open(ctx context.Context, from batch.State) error {
	states := make([]batch.State, len(w.children))
	if from != nil {
		if err := json.Unmarshal(from, &states); err != nil || len(states) != len(w.children) {
			return fault.New(fault.Definition, "the step began with other writers than the %d that it has now", len(w.children)).
				WithHint("put the list of writers back, or run with --fresh to begin again")
		}
	}
	for i, child := range w.children {
		state := states[i]
		if bytes.Equal(state, []byte("null")) {
			state = nil
		}
		if err := child.Open(ctx, state); err != nil {
			return err
		}
	}
	return nil
}

// Write hands the rows to the writer for a database first, where a bad row is most likely to be refused, then to the
// others in the order of the definition.
func (w *all) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	if w.first != nil {
		if err := w.first.Write(ctx, tx, rows); err != nil {
			return err
		}
	}
	for _, child := range w.children {
		if child == w.first {
			continue
		}
		if err := child.Write(ctx, tx, rows); err != nil {
			return err
		}
	}
	return nil
}

// State is a list: the states of the writers in the order of the definition, null where one has none.
func (w *all) State() (batch.State, error) {
	states := make([]batch.State, len(w.children))
	for i, child := range w.children {
		var err error
		if states[i], err = child.State(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(states)
}

// Flush flushes each writer.
func (w *all) Flush(ctx context.Context, tx batch.Tx) error {
	for _, child := range w.children {
		if err := child.Flush(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// Close closes every writer, whatever the others say.
func (w *all) Close() error {
	var errs []error
	for _, child := range w.children {
		errs = append(errs, child.Close())
	}
	return errors.Join(errs...)
}

// publishers finish and publish one after the other; each can be repeated, so all can.
type publishers []batch.Publisher

// Finish ends the output of each.
func (p publishers) Finish(ctx context.Context) error {
	for _, one := range p {
		if err := one.Finish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Publish makes the output of each visible.
func (p publishers) Publish(ctx context.Context) error {
	for _, one := range p {
		if err := one.Publish(ctx); err != nil {
			return err
		}
	}
	return nil
}
