package config

import (
	"reflect"
	"slices"
	"strings"
)

// Key describes one key of a configuration struct, for explain and for a schema.
type Key struct {
	Name     string
	Type     string // in words: "text", "a whole number", "a list of texts"
	Default  string // as written in YAML; "" where there is none
	Enum     []string
	Required bool
	Help     string
	Keys     []Key // of a nested mapping
}

// Keys lists the keys of a configuration struct, or of a pointer to one, in the order of its declaration. Other types
// have none.
func Keys(conf any) []Key { return keysOf(reflect.TypeOf(conf), nil) }

// keysOf lists the keys of a type. within are the structs that it stands in: one that contains itself is listed once.
func keysOf(t reflect.Type, within []reflect.Type) []Key {
	if m, ok := reflect.Zero(t).Interface().(interface{ element() reflect.Type }); ok && t.Kind() == reflect.Slice {
		return keysOf(m.element(), within)
	}
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || special[t] != "" || slices.Contains(within, t) {
		return nil
	}
	within = append(slices.Clip(within), t)
	var keys []Key
	for _, f := range fieldsOf(t) {
		keys = append(keys, Key{Name: f.name, Type: words(f.kind), Default: f.defaultValue, Enum: f.rules.enum,
			Required: f.required, Help: f.help, Keys: keysOf(f.kind, within)})
	}
	return keys
}

// special names the types of this package in words.
var special = map[reflect.Type]string{
	reflect.TypeFor[Node]():       "anything",
	reflect.TypeFor[Expression](): "an expression",
	reflect.TypeFor[SQL]():        "SQL text",
	reflect.TypeFor[Path]():       "a path",
	reflect.TypeFor[Duration]():   "a duration",
	reflect.TypeFor[Size]():       "a size",
	reflect.TypeFor[Percent]():    "a percentage",
	reflect.TypeFor[Factor]():     "a number",
}

// A Worded type says what it is in words, with its article, for messages and explain. The method is called on a zero
// value.
type Worded interface {
	YAMLType() string
}

// YAMLType says what the map maps names to.
func (m Map[V]) YAMLType() string {
	return "a mapping of names to " + plural(words(reflect.TypeFor[V]()))
}

func (m Map[V]) element() reflect.Type { return reflect.TypeFor[V]() }

// words says what a field of a type takes.
func words(t reflect.Type) string {
	if w := special[t]; w != "" {
		return w
	}
	if w, ok := reflect.Zero(t).Interface().(Worded); ok && t.Kind() != reflect.Pointer {
		return w.YAMLType()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return words(t.Elem())
	case reflect.Slice:
		return "a list of " + plural(words(t.Elem()))
	case reflect.Struct:
		return "a mapping"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Int32:
		return "a whole number"
	}
	return "text"
}

func plural(words string) string {
	words = strings.TrimPrefix(strings.TrimPrefix(words, "a "), "an ")
	if words == "anything" || words == "true or false" || strings.Contains(words, " of ") || strings.HasSuffix(words, "text") && words != "text" {
		return words
	}
	return words + "s"
}

// hintFor returns an example of what a type takes.
func hintFor(t reflect.Type, got string) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "write a number with a unit: 250ms, 5s, 10m, 2h, 1d"
	case reflect.TypeFor[Size]():
		return "write a number of bytes or with a unit: 64KiB, 10MB, 1GiB"
	case reflect.TypeFor[Percent]():
		return "write a number from 0 to 100 with a percent sign: 1%, 0.5%"
	case reflect.TypeFor[Factor]():
		return "write digits, and a point where it needs one: 2, 1.5"
	}
	switch t.Kind() {
	case reflect.Bool:
		return boolHint(got)
	case reflect.Int, reflect.Int64, reflect.Int32:
		return "write digits without quotes, blanks or separators: 1000"
	}
	return ""
}

func boolHint(got string) string {
	switch strings.ToLower(got) {
	case "yes", "on", "y", "1", "true":
		return "write true, without quotes"
	case "no", "off", "n", "0", "false":
		return "write false, without quotes"
	}
	return ""
}
