package job

import (
	"regexp"
	"strings"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Param declares a parameter.
type Param struct {
	Type        string      `yaml:"type,literal" enum:"string|int|decimal|bool|date|datetime|duration|path" default:"string" help:"what values it takes"`
	Required    bool        `yaml:"required,literal" default:"false" help:"a run must give it"`
	Default     config.Node `yaml:"default" help:"its value where a run gives none; may use ${env.NAME} and ${file:PATH}"`
	Enum        []string    `yaml:"enum,literal" help:"the only values it takes"`
	Pattern     string      `yaml:"pattern,literal" help:"a regular expression that all of a string must match"`
	Identifying *bool       `yaml:"identifying,literal" help:"true, the default: another value is another instance; secrets never identify"`
	Secret      bool        `yaml:"secret,literal" default:"false" help:"its value is never stored or shown"`
	Description string      `yaml:"description,literal" help:"shown by plan"`

	Name string
	Node config.Node // the parameter's mapping

	pattern *regexp.Regexp
}

// IsIdentifying reports whether the parameter's value makes the job instance.
func (p *Param) IsIdentifying() bool {
	if p.Identifying != nil {
		return *p.Identifying && !p.Secret
	}
	return !p.Secret
}

// DecodeYAML fills the declaration and checks that its parts agree.
func (p *Param) DecodeYAML(d *config.Decoder, n config.Node) error {
	type keys Param
	p.Name = d.What
	err := d.For("parameter "+p.Name).Decode(n, (*keys)(p))
	p.Node = n
	if err != nil {
		return err
	}
	var wrong fault.List
	if at, ok := n.Get("identifying"); ok && p.Secret && *p.Identifying {
		wrong.Add(at.Errorf("parameter %s is secret and cannot be identifying", p.Name).
			WithHint("what identifies an instance is stored and shown; remove identifying, or secret"))
	}
	if at, ok := n.Get("default"); ok && p.Required {
		wrong.Add(at.Errorf("parameter %s is required and has a default", p.Name).WithHint("keep one of them"))
	}
	wrong.Add(p.checkPattern(n))
	wrong.Add(p.checkEnum(n))
	if wrong.Err() == nil {
		wrong.Add(p.checkDefault())
	}
	return wrong.Err()
}

func (p *Param) checkPattern(n config.Node) error {
	at, ok := n.Get("pattern")
	if !ok {
		return nil
	}
	if p.Type != TypeString {
		return at.Errorf("parameter %s: a pattern is for strings, and this is %s", p.Name, article(p.Type)).WithHint("remove pattern, or use enum")
	}
	pattern, err := regexp.Compile(`^(?:` + p.Pattern + `)$`)
	if err != nil {
		return at.Errorf("parameter %s: the pattern is no regular expression: %s", p.Name, reason(err)).
			WithHint("the syntax is RE2's: https://github.com/google/re2/wiki/Syntax")
	}
	p.pattern = pattern
	return nil
}

// reason returns what a regular expression's error says behind its prefix.
func reason(err error) string { return strings.TrimPrefix(err.Error(), "error parsing regexp: ") }

// sample stands for the moment and the zone of a run while a definition is checked.
var sample = Options{Now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Location: time.UTC}

func (p *Param) checkEnum(n config.Node) error {
	at, ok := n.Get("enum")
	if !ok {
		return nil
	}
	if len(p.Enum) == 0 {
		return at.Errorf("parameter %s: enum is empty", p.Name).WithHint("list the values it takes, or remove the key")
	}
	if p.Type == TypePath {
		return at.Errorf("parameter %s: enum is not for paths", p.Name).WithHint("use type: string")
	}
	var wrong fault.List
	for i, item := range at.Items() {
		if _, _, err := p.read(p.Enum[i], sample); err != nil {
			wrong.Add(item.Errorf("parameter %s: enum: %s", p.Name, err).WithCode("bad_value").WithHint("%s", fault.HintOf(err)))
		}
	}
	return wrong.Err()
}

// checkDefault checks a default that is written out, and the names of one that is not.
func (p *Param) checkDefault() error {
	if p.Default.IsZero() {
		return nil
	}
	world := &config.World{}
	d := &config.Decoder{Scope: world, Check: true, What: "default of parameter " + p.Name}
	var text string
	if err := d.Decode(p.Default, &text); err != nil {
		return err
	}
	if strings.Contains(p.Default.Text(), "${") {
		return nil
	}
	if p.Secret {
		return p.Default.Errorf("parameter %s is secret and its default stands in the definition", p.Name).
			WithHint("the definition is stored with every run; take it from ${env.NAME} or ${file:PATH}")
	}
	_, _, err := p.accept(text, sample)
	return p.atDefault(err)
}

// atDefault gives an error of a value the place of the default.
func (p *Param) atDefault(err error) error {
	if err == nil {
		return nil
	}
	return p.Default.Errorf("default of parameter %s: %s", p.Name, err).WithCode("bad_value").WithHint("%s", fault.HintOf(err))
}
