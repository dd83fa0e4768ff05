package job

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// Options is what values of parameters depend on.
type Options struct {
	Now      time.Time
	Location *time.Location // the job's, see Job.Location
	Folder   string         // absolute folder that paths given as arguments start at: the current one
	Base     string         // absolute folder that paths in defaults start at: Place.Base
	Scope    config.Scope   // of ${env...} and ${file:...} in defaults
	Secrets  *config.Secrets
}

// Parameters are the values of a job's parameters for one run, in the order of their declaration. One that has no value
// (not given, no default) is not among them.
type Parameters struct {
	List     []batch.Parameter // canonical texts
	Relative []string          // names of the dates that were given, or defaulted, relative to today

	values map[string]record.Value
	all    []string // names of all declared ones
}

// Resolve returns the parameters of a run from the texts that were given for them. Errors are a fault.List: unknown and
// missing parameters, and values that do not fit. Secret values go into o.Secrets and into no message.
func (j *Job) Resolve(given map[string]string, o Options) (*Parameters, error) {
	var wrong fault.List
	for _, name := range sortedNames(given) {
		if _, ok := j.Params.Get(name); !ok {
			wrong.Add(j.unknownParameter(name))
		}
	}
	r := &Parameters{values: map[string]record.Value{}, all: j.Params.Names()}
	for i := range j.Params {
		p := &j.Params[i].Value
		text, isGiven := given[p.Name]
		wrong.Add(r.resolve(p, text, isGiven, o))
	}
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	return r, nil
}

func sortedNames(given map[string]string) []string {
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (j *Job) unknownParameter(name string) error {
	e := fault.New(fault.Definition, "job %s has no parameter %q", j.Name, name).WithCode("unknown_parameter")
	if len(j.Params) == 0 {
		return e.WithHint("it declares none; add it below params")
	}
	return e.WithHint("%s", fault.DidYouMean(name, j.Params.Names()))
}

// resolve adds the value of one parameter.
func (r *Parameters) resolve(p *Param, text string, isGiven bool, o Options) error {
	switch {
	case isGiven:
		v, canonical, err := r.accept(p, text, o)
		if err != nil {
			e := fault.New(fault.Definition, "parameter %s: %s", p.Name, err).WithCode(fault.CodeOf(err))
			return e.WithHint("%s", fault.HintOf(err))
		}
		r.add(p, text, canonical, v)
	case !p.Default.IsZero():
		text, err := p.expandDefault(o)
		if err != nil {
			return err
		}
		o.Folder = o.Base
		v, canonical, err := r.accept(p, text, o)
		if err != nil {
			return p.atDefault(err)
		}
		r.add(p, text, canonical, v)
	case p.Required:
		return p.missing()
	}
	return nil
}

func (r *Parameters) accept(p *Param, text string, o Options) (record.Value, string, error) {
	v, canonical, err := p.accept(text, o)
	if p.Secret {
		o.Secrets.Add(text)
		o.Secrets.Add(canonical)
	}
	return v, canonical, err
}

func (r *Parameters) add(p *Param, text, canonical string, v record.Value) {
	if p.Type == TypeDate && RelativeDay(text) {
		r.Relative = append(r.Relative, p.Name)
	}
	r.values[p.Name] = v
	r.List = append(r.List, batch.Parameter{Name: p.Name, Type: p.Type, Value: canonical,
		Identifying: p.IsIdentifying(), Secret: p.Secret})
}

func (p *Param) expandDefault(o Options) (string, error) {
	var text string
	scope := o.Scope
	if p.Secret && scope != nil {
		scope = config.Revealing{Scope: scope, Secrets: o.Secrets}
	}
	d := &config.Decoder{Scope: scope, Base: o.Base, What: "default of parameter " + p.Name}
	err := d.Decode(p.Default, &text)
	return text, err
}

func (p *Param) missing() error {
	e := fault.New(fault.Definition, "parameter %s is required", p.Name).WithCode("missing_parameter")
	if p.Secret {
		return e.WithHint("give it with -p %s=...; secrets are not stored, so a restart asks for them again", p.Name)
	}
	if form, ok := forms[p.Type]; ok {
		return e.WithHint("give it with -p %s=..., %s", p.Name, form)
	}
	return e.WithHint("give it with -p %s=...", p.Name)
}

// Value returns a parameter's value for expressions, null where it has none.
func (r *Parameters) Value(name string) record.Value {
	if v, ok := r.values[name]; ok {
		return v
	}
	return record.NullValue
}

// Into gives names the values of all declared parameters as params.NAME, null where one has none, and returns it.
func (r *Parameters) Into(names *config.Names) *config.Names {
	for _, name := range r.all {
		names.Set("params."+name, r.Value(name))
	}
	return names
}

// Key returns the key of the job instance that the identifying parameters make; see InstanceKey.
func (r *Parameters) Key() string { return InstanceKey(r.List) }

// InstanceKey returns the SHA-256, in hex, of the identifying ones of a job's parameters: the JOB_KEY of its instance.
// What is hashed is, for each of them in the order of the bytes of their names, name, type and canonical value as
// netstrings (the number of bytes in decimal, a colon, the bytes, a comma), one after the other:
//
//	4:date,4:date,10:2026-11-20,
//
// Parameters without a value are left out, so that declaring a new one does not change the instances there are.
func InstanceKey(parameters []batch.Parameter) string {
	var identifying []batch.Parameter
	for _, p := range parameters {
		if p.Identifying {
			identifying = append(identifying, p)
		}
	}
	sort.Slice(identifying, func(i, j int) bool { return identifying[i].Name < identifying[j].Name })
	var encoded strings.Builder
	for _, p := range identifying {
		for _, part := range []string{p.Name, p.Type, p.Value} {
			fmt.Fprintf(&encoded, "%d:%s,", len(part), part)
		}
	}
	sum := sha256.Sum256([]byte(encoded.String()))
	return hex.EncodeToString(sum[:])
}
