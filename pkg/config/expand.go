package config

import (
	"path/filepath"
	"regexp"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// expansion says what ${...} did to a text.
type expansion struct {
	any    bool // something was expanded
	later  bool // a name has no value yet, and the decoder only checks
	hidden bool // the text may hold a secret: env and file values are not shown
}

// describe says what was found, for "expected ..., got ...".
func (e expansion) describe(n Node, text string) string {
	switch {
	case !e.any:
		return n.Words()
	case e.hidden:
		return "another value from " + n.Text()
	}
	return "text " + quoted(text) + " from " + n.Text()
}

// reference is one ${...} of a text.
type reference struct {
	start, end int    // of the whole in the text
	name       string // without braces and default
	fallback   string
	defaulted  bool // ":-" stands in it
}

// references finds the ${...} of a text; $${ is none. An unclosed one is reported with end -1.
func references(text string) []reference {
	var found []reference
	for at := 0; ; {
		i := strings.Index(text[at:], "${")
		if i < 0 {
			return found
		}
		start := at + i
		if start > 0 && text[start-1] == '$' {
			at = start + 2
			continue
		}
		length := strings.IndexByte(text[start:], '}')
		if length < 0 {
			return append(found, reference{start: start, end: -1})
		}
		r := reference{start: start, end: start + length + 1}
		r.name = text[start+2 : start+length]
		if name, fallback, ok := strings.Cut(r.name, ":-"); ok {
			r.name, r.fallback, r.defaulted = name, fallback, true
		}
		found = append(found, r)
		at = r.end
	}
}

// expand resolves every ${...} of a scalar once. A number or a boolean of the YAML has none.
func (d *Decoder) expand(n Node, literal bool) (string, expansion, error) {
	text := n.Text()
	if !strings.Contains(text, "${") {
		return text, expansion{}, nil
	}
	found := references(text)
	e := expansion{any: len(found) > 0}
	var out strings.Builder
	var wrong fault.List
	at := 0
	for _, r := range found {
		out.WriteString(unescape(text[at:r.start]))
		at = max(r.end, r.start)
		if literal && r.end > 0 {
			wrong.Add(n.ErrorAt(r.start, "%s", d.named("${...} cannot stand here")).WithHint("write the value out: it must be known when the file is read"))
			continue
		}
		value, later, err := d.resolve(n, r)
		wrong.Add(err)
		e.later = e.later || later
		e.hidden = e.hidden || strings.HasPrefix(r.name, "env.") || strings.HasPrefix(r.name, "file:")
		out.WriteString(value)
	}
	out.WriteString(unescape(text[at:]))
	return out.String(), e, wrong.Err()
}

func unescape(text string) string { return strings.ReplaceAll(text, "$${", "${") }

var environmentName = regexp.MustCompile(`^env\.[A-Za-z_][A-Za-z0-9_]*$`)

// resolve returns the text that a reference stands for.
func (d *Decoder) resolve(n Node, r reference) (text string, later bool, err error) {
	if err := d.checkReference(n, r); err != nil {
		return "", false, err
	}
	name := r.name
	if path, ok := strings.CutPrefix(name, "file:"); ok && !filepath.IsAbs(path) && d.Base != "" {
		name = "file:" + filepath.Join(d.Base, path)
	}
	var value record.Value
	known := NoSuchName
	if d.Scope != nil {
		value, known = d.Scope.Lookup(name)
	}
	switch {
	case known == Now && !(r.defaulted && TextOf(value) == ""):
		return TextOf(value), false, nil
	case r.defaulted && known != NoSuchName:
		return r.fallback, false, nil
	case known == Later && d.Check:
		return "", true, nil
	case known == Later:
		return "", false, d.noValue(n, r)
	}
	return "", false, d.unknownName(n, r)
}

func (d *Decoder) checkReference(n Node, r reference) error {
	wrong := func(format string, args ...any) *fault.Error {
		return n.ErrorAt(r.start, format, args...).WithCode("bad_reference")
	}
	switch {
	case r.end < 0:
		return wrong("%s", d.named("${ is not closed")).WithHint("close it with }, or write $${ for the two characters themselves")
	case r.name == "":
		return wrong("%s", d.named("${} names nothing")).WithHint("write ${params.NAME} or ${env.NAME}")
	case r.defaulted && !strings.HasPrefix(r.name, "env."):
		return wrong("%s", d.named("only ${env...} can have a default behind :-")).WithHint("give the parameter a default where it is declared")
	case strings.HasPrefix(r.name, "env.") && !environmentName.MatchString(r.name):
		return wrong("%s", d.named(quoted(r.name)+" is not a name of an environment variable")).WithHint("write ${env.NAME} or ${env.NAME:-default}")
	case r.name == "file:":
		return wrong("%s", d.named("${file:} names no file")).WithHint("write ${file:/run/secrets/name}")
	}
	return nil
}

// An Explainer is a Scope that can say why a name has no value.
type Explainer interface {
	Explain(name string) error
}

// noValue is the error for a name that is known and has no value when it is needed.
func (d *Decoder) noValue(n Node, r reference) error {
	if variable, ok := strings.CutPrefix(r.name, "env."); ok {
		e := n.ErrorAt(r.start, "%s", d.named("the environment variable "+variable+" is not set")).WithCode("no_value")
		e.Class = fault.Environment
		return e.WithHint("set it, or give a default: ${%s:-value}", r.name)
	}
	e := n.ErrorAt(r.start, "%s", d.named("${"+r.name+"} has no value yet")).WithCode("no_value")
	if explainer, ok := d.Scope.(Explainer); ok {
		if why := explainer.Explain(r.name); why != nil {
			e.Message, e.Err, e.Class = d.named("${"+r.name+"}"), why, fault.ClassOf(why)
		}
	}
	return e
}

var namespaces = []string{"params", "env", "steps", "context", "partition", "job", "step", "counters", "input"}

func (d *Decoder) unknownName(n Node, r reference) error {
	e := n.ErrorAt(r.start, "%s", d.named("unknown name ${"+r.name+"}")).WithCode("unknown_name")
	if d.Scope == nil {
		return e
	}
	return e.WithHint("%s", SuggestName(d.Scope, r.name))
}

// SuggestName returns a hint for a name that scope does not know: the nearest name, or what there is in its namespace.
func SuggestName(scope Scope, name string) string {
	space, _, _ := strings.Cut(name, ".")
	if !contains(namespaces, space) {
		if full := qualified(scope, name); full != "" {
			return `did you mean "` + full + `"?`
		}
		if near := fault.Suggest(space, namespaces); near != "" && strings.Contains(name, ".") {
			return `did you mean "` + near + strings.TrimPrefix(name, space) + `"?`
		}
		return "names begin with " + strings.Join(namespaces, "., ") + ". or file:"
	}
	known := scope.Names(space)
	for i, k := range known {
		known[i] = space + "." + k
	}
	if fault.Suggest(name, known) == "" {
		if near := fault.Suggest(name, allNames(scope)); near != "" {
			return `did you mean "` + near + `"?`
		}
	}
	if name == "input.header" {
		return "it is known in header and footer of a csv writer only; header_record: {add: [...]} of the reader gives its columns to the records"
	}
	if len(known) == 0 {
		return "there are no names in " + space + " here"
	}
	if len(known) > 12 && fault.Suggest(name, known) == "" {
		known = known[:12]
	}
	return fault.DidYouMean(name, known)
}

// allNames returns the full names of all namespaces.
func allNames(scope Scope) []string {
	var names []string
	for _, space := range namespaces {
		for _, name := range scope.Names(space) {
			names = append(names, space+"."+name)
		}
	}
	return names
}

// qualified returns the full name where name is one without its namespace.
func qualified(scope Scope, name string) string {
	for _, space := range namespaces {
		if contains(scope.Names(space), name) {
			return space + "." + name
		}
	}
	return ""
}

// TextOf returns the text of a value where ${...} puts it: its canonical form, null as nothing.
func TextOf(v record.Value) string { return v.Canonical() }
