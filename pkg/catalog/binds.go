package catalog

import (
	"maps"
	"slices"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// builtinBinds are the binds that every SQL text may use, and the names in the scope that hold their values.
var builtinBinds = map[string]string{
	"repository_id":     "job.repository_id",
	"job_name":          "job.name",
	"job_instance_id":   "job.instance_id",
	"job_execution_id":  "job.execution_id",
	"step_execution_id": "step.execution_id",
}

// Bind returns the value of a bind of an SQL text (:name) that the text's own arguments or fields do not have: a job
// parameter, a value of the partition, or one of the built-in names, looked up in this order.
func (e *Env) Bind(name string) (record.Value, config.Availability) {
	for _, full := range []string{"params." + name, "partition." + name, builtinBinds[name]} {
		if v, available := e.lookup(full); available != config.NoSuchName {
			return v, available
		}
	}
	return record.Value{}, config.NoSuchName
}

func (e *Env) lookup(full string) (record.Value, config.Availability) {
	if e.Scope == nil || full == "" {
		return record.Value{}, config.NoSuchName
	}
	return e.Scope.Lookup(full)
}

// BindNames returns the names that Bind knows, for hints.
func (e *Env) BindNames() []string {
	var names []string
	if e.Scope != nil {
		names = append(names, e.Scope.Names("params")...)
		names = append(names, e.Scope.Names("partition")...)
	}
	return append(names, "repository_id", "job_name", "job_instance_id", "job_execution_id", "step_execution_id")
}

// Arguments returns the values of a statement's binds: those of own, then those that Bind knows. Errors have no place in the
// definition.
func (e *Env) Arguments(d sqldb.Dialect, s *sqldb.Statement, own map[string]record.Value) ([]any, error) {
	return s.Args(func(name string) (any, error) {
		if v, ok := own[name]; ok {
			return d.Argument(v), nil
		}
		v, available := e.Bind(name)
		switch available {
		case config.Now:
			return d.Argument(v), nil
		case config.Later:
			return nil, fault.New(fault.Definition, ":%s has no value yet when the step starts", name).WithCode("no_value")
		}
		return nil, e.unknownBind(name, slices.Collect(maps.Keys(own)))
	})
}

// CheckArguments returns an error where a bind of a statement is nothing that Arguments would know by then: not of these own
// names, and not known to Bind.
func (e *Env) CheckArguments(s *sqldb.Statement, own []string) error {
	_, err := s.Args(func(name string) (any, error) {
		if _, available := e.Bind(name); available == config.NoSuchName && !slices.Contains(own, name) {
			return nil, e.unknownBind(name, own)
		}
		return nil, nil
	})
	return err
}

func (e *Env) unknownBind(name string, own []string) error {
	return fault.New(fault.Definition, "nothing is called :%s", name).WithCode("unknown_bind").
		WithHint("%s", fault.DidYouMean(name, append(own, e.BindNames()...)))
}
