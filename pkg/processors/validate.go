package processors

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// validateConf is the configuration of validate: a list of rules, or a mapping with them.
type validateConf struct {
	Rules  []ruleConf `yaml:"rules,required" help:"rules that a record must keep"`
	Filter bool       `yaml:"filter" help:"leave records out that break a rule, instead of failing"`
}

type ruleConf struct {
	Rule    config.Expression `yaml:"rule,required" help:"expression that must be true; null counts as false"`
	Message string            `yaml:"message" help:"what is wrong where it is not"`
}

// DecodeYAML reads either form.
func (c *validateConf) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() == config.List {
		return d.Decode(n, &c.Rules)
	}
	type plain validateConf
	return d.Decode(n, (*plain)(c))
}

// validate checks rules in their order; the first one that is broken counts.
type validate struct {
	rules  []rule
	filter bool
}

type rule struct {
	condition *expression
	message   string
	program   *expr.Program
}

func newValidate(conf *validateConf, env *catalog.Env) (batch.Processor, error) {
	v := &validate{filter: conf.Filter}
	for _, r := range conf.Rules {
		condition, err := compile(r.Rule, env, "rule")
		if err != nil {
			return nil, err
		}
		v.rules = append(v.rules, rule{condition: condition, message: r.Message})
	}
	return v, nil
}

// Bind checks the rules against the schema, which stays as it is.
func (v *validate) Bind(in *record.Schema) (_ *record.Schema, err error) {
	for i := range v.rules {
		r := &v.rules[i]
		if r.program, err = r.condition.bindCondition(in); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// Process passes a record on that keeps all rules.
func (v *validate) Process(_ context.Context, in record.Record, out *record.Batch) error {
	for i := range v.rules {
		r := &v.rules[i]
		kept, err := r.program.Test(in, &out.Arena)
		switch {
		case err != nil:
			return failed("rule "+r.condition.conf.Source, err)
		case !kept && v.filter:
			return nil
		case !kept:
			return r.broken()
		}
	}
	pass(in, out)
	return nil
}

func (r *rule) broken() error {
	if r.message == "" {
		return fault.New(fault.Validation, "rule broken: %s", r.condition.conf.Source).WithCode("rule_broken")
	}
	return fault.New(fault.Validation, "%s (rule: %s)", r.message, r.condition.conf.Source).WithCode("rule_broken")
}
