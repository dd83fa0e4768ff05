package config

import (
	"reflect"
	"strings"

	"batchctl/pkg/fault"
)

// field is one key of a configuration struct.
type field struct {
	name         string
	index        []int // for reflect.Value.FieldByIndex
	kind         reflect.Type
	required     bool
	defaultValue string
	hasDefault   bool
	help         string
	rules        rules
}

// fieldsOf lists the keys of a struct in the order of its declaration, embedded structs inlined.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("yaml")
		if f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
			continue
		}
		if !tagged || tag == "-" {
			continue
		}
		fields = append(fields, newField(f, tag, i))
	}
	return fields
}

func newField(f reflect.StructField, tag string, index int) field {
	options := strings.Split(tag, ",")
	made := field{name: options[0], index: []int{index}, kind: f.Type, help: f.Tag.Get("help")}
	made.defaultValue, made.hasDefault = f.Tag.Lookup("default")
	for _, option := range options[1:] {
		switch option {
		case "required":
			made.required = true
		case "literal":
			made.rules.literal = true
		}
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		made.rules.enum = strings.Split(enum, "|")
	}
	return made
}

func (d *Decoder) structure(n Node, into reflect.Value) error {
	if n.Kind() != Mapping {
		return d.mismatch(n, "a mapping").WithHint(`a mapping is "key: value" on lines of their own, or {key: value}`)
	}
	fields := fieldsOf(into.Type())
	wrong := d.unknownKeys(n, fields)
	for _, f := range fields {
		value, there := n.Get(f.name)
		to := into.FieldByIndex(f.index)
		switch {
		case there:
			wrong.Add(d.key(f, value, to))
		case f.required:
			wrong.Add(n.Errorf("%s", missing(f.name, d.What)).WithCode("missing_key").WithHint("%s", f.advice()))
		case f.hasDefault:
			wrong.Add(setDefault(f, to))
		}
	}
	return wrong.Err()
}

// key fills a field whose key is there. While its value is not known it has its default.
func (d *Decoder) key(f field, value Node, to reflect.Value) error {
	err := d.For(f.name).value(value, to, f.rules)
	if err == errLater && f.hasDefault {
		return setDefault(f, to)
	}
	return notLater(err)
}

func missing(key, what string) string {
	if what == "" {
		return "key " + quoted(key) + " is missing"
	}
	return "key " + quoted(key) + " is missing in " + what
}

// advice says what a missing key would look like.
func (f field) advice() string {
	text := `add "` + f.name + `: ...", ` + words(f.kind)
	if len(f.rules.enum) > 0 {
		text = `add "` + f.name + `: ...", one of ` + strings.Join(f.rules.enum, ", ")
	}
	if f.help != "" {
		text += ": " + f.help
	}
	return text
}

func (d *Decoder) unknownKeys(n Node, fields []field) fault.List {
	var wrong fault.List
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.name
	}
	for _, p := range n.Pairs() {
		if !contains(known, p.Name) {
			wrong = append(wrong, UnknownKey(p.Key, d.What, known))
		}
	}
	return wrong
}

// UnknownKey returns the error for a key that what (a reader, a step) does not have.
func UnknownKey(key Node, what string, known []string) *fault.Error {
	in := ""
	if what != "" {
		in = " in " + what
	}
	e := key.Errorf("unknown key %s%s", quoted(key.Text()), in).WithCode("unknown_key")
	return e.WithHint("%s", fault.DidYouMean(key.Text(), known))
}

// setDefault decodes a default tag. A tag that does not fit its field is a mistake in the program, found by Keys in its
// tests.
func setDefault(f field, to reflect.Value) error {
	document, err := Parse("default of "+f.name, []byte(f.defaultValue))
	if err != nil {
		return err
	}
	return new(Decoder).For(f.name).value(document.Root, to, f.rules)
}
