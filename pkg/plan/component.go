package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/processors"
	"batchctl/pkg/readers"
	"batchctl/pkg/writers"
)

// builder makes the components of one step.
type builder struct {
	decoder *config.Decoder
	env     *catalog.Env
}

func newBuilder(scope config.Scope, env *catalog.Env) *builder {
	b := &builder{decoder: &config.Decoder{Scope: scope, Base: env.Base}, env: env}
	env.Reader = func(n config.Node) (batch.Reader, error) { return nested(b, "reader", n, readers.Table()) }
	env.Writer = func(n config.Node) (batch.Writer, error) { return nested(b, "writer", n, writers.Table()) }
	return b
}

func (b *builder) reader(c job.Component) (batch.Reader, error) {
	return build(b, "reader", c, readers.Table())
}

func (b *builder) writer(c job.Component) (batch.Writer, error) {
	return build(b, "writer", c, writers.Table())
}

func (b *builder) letters(c job.Component) (batch.Writer, error) {
	return build(b, "dead_letter", c, writers.Table())
}

func (b *builder) processors(chain job.Chain) ([]batch.Processor, error) {
	var all []batch.Processor
	var wrong fault.List
	for _, c := range chain {
		p, err := build(b, "processor", c, processors.Table())
		wrong.Add(err)
		all = append(all, p)
	}
	return all, wrong.Err()
}

// build decodes a component's body by its kind's entry and makes the component.
func build[T any](b *builder, sort string, c job.Component, table catalog.Table[T]) (T, error) {
	var none T
	entry, err := lookup(sort, c, table)
	if err != nil {
		return none, err
	}
	conf := entry.New()
	if err := b.decoder.For(sort+" "+c.Type).Decode(c.Body, conf); err != nil {
		return none, err
	}
	component, err := entry.Build(conf, b.env)
	if err != nil {
		return none, placed(c, err)
	}
	return component, nil
}

func lookup[T any](sort string, c job.Component, table catalog.Table[T]) (catalog.Entry[T], error) {
	entry, ok := table.Lookup(c.Type)
	if !ok {
		return entry, c.Kind.Errorf("unknown %s %q", sort, c.Type).WithCode("unknown_kind").
			WithHint("%s", fault.DidYouMean(c.Type, table.Names()))
	}
	return entry, nil
}

// kindOf returns the kind of a writer, of one of several with theirs: all(csv, sql). A writer around one other keeps no
// state of its own: it can be put around it, and taken away, between two runs.
func (b *builder) kindOf(c job.Component) string {
	if n, ok := c.Body.Get("writer"); ok {
		var inner job.Component
		if err := b.decoder.For("writer").Decode(n, &inner); err == nil {
			return b.kindOf(inner)
		}
	}
	list, ok := c.Body.Get("writers")
	if !ok {
		return c.Type
	}
	var kinds []string
	for _, n := range list.Items() {
		var inner job.Component
		if err := b.decoder.For("writer").Decode(n, &inner); err == nil { // an error has been told when it was built
			kinds = append(kinds, b.kindOf(inner))
		}
	}
	return c.Type + "(" + strings.Join(kinds, ", ") + ")"
}

// placed gives an error of a component the component's place in the definition, where it has none of its own.
func placed(c job.Component, err error) error {
	if fault.PositionOf(err).Line != 0 {
		return err
	}
	return c.Kind.Wrap(err, "")
}

// nested makes a component that stands inside another one.
func nested[T any](b *builder, sort string, n config.Node, table catalog.Table[T]) (T, error) {
	var c job.Component
	if err := b.decoder.For(sort).Decode(n, &c); err != nil {
		var none T
		return none, err
	}
	return build(b, sort, c, table)
}

// checkComponent decodes a component's body without the values that come later.
func checkComponent[T any](d *config.Decoder, sort string, c job.Component, table catalog.Table[T]) error {
	entry, err := lookup(sort, c, table)
	if err != nil {
		return err
	}
	check := d.For(sort + " " + c.Type)
	check.Check = true
	return check.Decode(c.Body, entry.New())
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
