package config

import (
	"errors"
	"reflect"

	"batchctl/pkg/fault"
)

// Decoder fills Go values from nodes, strictly: unknown and missing keys, wrong types and unknown names are errors, and
// all of them are collected, in a fault.List.
//
// A struct is filled from a mapping. Its exported fields carry tags:
//
//	yaml:"name,required,literal"  the key; it must be there; it takes no ${...}; "-" is no key at all
//	default:"1000"                what an absent key means, written as in YAML
//	enum:"a|b|c"                  the texts it may be, for a list its members
//	help:"..."                    a line for explain
//
// Embedded structs are inlined. A pointer field is nil where the key is absent.
type Decoder struct {
	Scope Scope  // nil: no names are known
	Base  string // absolute folder that relative paths start at; paths stay relative where it is empty
	Check bool   // names that get a value only Later are let through, and their fields left empty
	What  string // what is decoded, for messages: "reader csv"
}

// Unmarshaler is a type with forms of its own in YAML, such as text or a list of texts. DecodeYAML has a pointer receiver.
type Unmarshaler interface {
	DecodeYAML(d *Decoder, n Node) error
}

// Decode fills into from n; an error is a fault.List. into is a pointer to a struct, a slice, a Map, a scalar, a
// type of this package, or an Unmarshaler.
func (d *Decoder) Decode(n Node, into any) error {
	var wrong fault.List
	wrong.Add(notLater(d.value(n, reflect.ValueOf(into).Elem(), rules{})))
	return wrong.Err()
}

// errLater says that a value is not there because a name has none yet, which is no error while checking.
var errLater = errors.New("later")

func notLater(err error) error {
	if err == errLater {
		return nil
	}
	return err
}

// rules are what a field's tags say about its value.
type rules struct {
	enum    []string
	literal bool
}

func (d *Decoder) value(n Node, into reflect.Value, r rules) error {
	switch into.Interface().(type) {
	case Node:
		into.Set(reflect.ValueOf(n))
		return nil
	case Expression:
		e, err := d.expression(n)
		into.Set(reflect.ValueOf(e))
		return err
	}
	if n.IsNull() && n.plain() {
		return d.nothing(n)
	}
	if hook, ok := into.Addr().Interface().(Unmarshaler); ok {
		return d.hook(n, hook)
	}
	switch into.Kind() {
	case reflect.Pointer:
		to := reflect.New(into.Type().Elem())
		if err := d.value(n, to.Elem(), r); err != nil {
			return err
		}
		into.Set(to)
		return nil
	case reflect.Struct:
		if into.Type() != reflect.TypeFor[SQL]() {
			return d.structure(n, into)
		}
	case reflect.Slice:
		return d.list(n, into, r)
	}
	return d.scalar(n, into, r)
}

// hook calls an Unmarshaler; an error of it that has no place gets n's.
func (d *Decoder) hook(n Node, u Unmarshaler) error {
	err := u.DecodeYAML(d, n)
	if err != nil && err != errLater && fault.PositionOf(err).Line == 0 {
		at := n.Errorf("%s", d.named(err.Error()))
		at.Hint = fault.HintOf(err)
		return at
	}
	return err
}

func (d *Decoder) nothing(n Node) error {
	return n.Errorf("%s", d.named("no value")).WithCode("no_value").WithHint("write a value or remove the key; null does not mean anything here")
}

func (d *Decoder) list(n Node, into reflect.Value, r rules) error {
	if n.Kind() != List {
		return d.mismatch(n, "a list").WithHint("write it in brackets, [a, b], or each member on a line of its own behind \"- \"")
	}
	items := n.Items()
	out := reflect.MakeSlice(into.Type(), len(items), len(items))
	var wrong fault.List
	for i, item := range items {
		wrong.Add(notLater(d.value(item, out.Index(i), r)))
	}
	into.Set(out)
	return wrong.Err()
}

// mismatch says what was expected where something else stands.
func (d *Decoder) mismatch(n Node, expected string) *fault.Error {
	return n.Errorf("%s", d.named("expected "+expected+", got "+n.Words())).WithCode("wrong_type")
}

// named puts the name of what is decoded before a message.
func (d *Decoder) named(message string) string {
	if d.What == "" {
		return message
	}
	return d.What + ": " + message
}

// For returns a decoder like d for a part with a name of its own.
func (d *Decoder) For(what string) *Decoder {
	part := *d
	part.What = what
	return &part
}

// DecodeYAML fills the map from a mapping, in its order.
func (m *Map[V]) DecodeYAML(d *Decoder, n Node) error {
	if n.Kind() != Mapping {
		return d.mismatch(n, "a mapping").WithHint(`a mapping is "name: value" on lines of their own, or {name: value}`)
	}
	var wrong fault.List
	*m = make(Map[V], 0, len(n.Pairs()))
	if _, expressions := any(new(V)).(*Expression); expressions {
		if err := d.cutExpression(n); err != nil {
			return err
		}
	}
	for _, p := range n.Pairs() {
		entry := Pair[V]{Name: p.Name, Key: p.Key}
		wrong.Add(d.For(p.Name).Decode(p.Value, &entry.Value))
		*m = append(*m, entry)
	}
	return wrong.Err()
}

// Get returns the value of a name.
func (m Map[V]) Get(name string) (V, bool) {
	for _, p := range m {
		if p.Name == name {
			return p.Value, true
		}
	}
	var none V
	return none, false
}

// Names returns the names in their order.
func (m Map[V]) Names() []string {
	names := make([]string, len(m))
	for i, p := range m {
		names[i] = p.Name
	}
	return names
}
