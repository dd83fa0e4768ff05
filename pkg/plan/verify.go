package plan

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
	"batchctl/pkg/runner"
	"batchctl/pkg/sqldb"
)

// verify evaluates the checks of a step that has written everything.
func (a *assembly) verify(ctx context.Context, s *job.Step, step *batch.StepExecution) error {
	_, live := a.stepScope(s, step, nil)
	env := a.env(s, live)
	for i := range s.Check {
		if err := a.verifyOne(ctx, &s.Check[i], env); err != nil {
			return err
		}
	}
	return nil
}

func (a *assembly) verifyOne(ctx context.Context, c *job.Check, env *catalog.Env) error {
	var holds bool
	var err error
	if c.Query.Text != "" {
		holds, err = a.queryHolds(ctx, c, env)
	} else {
		holds, err = a.ruleHolds(c.Rule, env.Scope, record.Record{})
	}
	if err != nil {
		return c.Node.Wrap(err, "check")
	}
	if holds {
		return nil
	}
	return fault.Wrap(fault.Validation, runner.ErrCheckFailed, "%s", checkText(c)).WithCode("check_failed").At(c.Node.Position()).
		WithHint("%sa restart evaluates the check again", countersIn(c.Rule.Source, env.Scope))
}

var counterNames = regexp.MustCompile(`\bcounters\.[a-z_]+`)

// countersIn says what the counters are that a rule names: "counters.read_count is 5; ".
func countersIn(rule string, scope config.Scope) string {
	var b strings.Builder
	names := counterNames.FindAllString(rule, -1)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if v, known := scope.Lookup(name); known == config.Now {
			fmt.Fprintf(&b, "%s is %s; ", name, v.AppendCanonical(nil))
		}
	}
	return b.String()
}

// checkText is what a check that does not hold is called.
func checkText(c *job.Check) string {
	switch {
	case c.Message != "":
		return c.Message
	case c.Rule.Source != "":
		return c.Rule.Source
	}
	return c.Query.Text
}

// ruleHolds evaluates an expression over a record, and what the scope knows.
func (a *assembly) ruleHolds(e config.Expression, scope config.Scope, r record.Record) (bool, error) {
	expression, err := expr.Compile(e.Source, expr.Options{Scope: scope, Location: a.prepared.location})
	if err != nil {
		return false, err
	}
	program, err := expression.Bind(r.Schema)
	if err != nil {
		return false, err
	}
	return program.Test(r, new(record.Arena))
}

// queryHolds runs a check's query: its first row must fulfil the rule, or begin with true or a number other than 0.
func (a *assembly) queryHolds(ctx context.Context, c *job.Check, env *catalog.Env) (holds bool, err error) {
	db, err := a.connections.connect(c.Connection)
	if err != nil {
		return false, err
	}
	cursor, err := a.openCursor(ctx, db, c.Query.Text, env)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	if !cursor.Next() {
		return false, errors.Join(cursor.Err(), fault.New(fault.Validation, "the query has no row"))
	}
	return a.rowHolds(c, cursor, env.Scope)
}

func (a *assembly) rowHolds(c *job.Check, cursor *sqldb.Cursor, scope config.Scope) (bool, error) {
	var fields []record.Field
	for _, column := range cursor.Columns() {
		fields = append(fields, record.Field{Name: column.Name, Kind: column.Kind})
	}
	schema, err := record.NewSchema(fields...)
	if err != nil {
		return false, err
	}
	row := record.Record{Schema: schema, Values: make([]record.Value, len(fields))}
	if err := cursor.Scan(row.Values, new(record.Arena)); err != nil {
		return false, err
	}
	if c.Rule.Source != "" {
		return a.ruleHolds(c.Rule, scope, row)
	}
	return truth(row.Values[0])
}

// truth is a value as an answer: true, or a number other than 0. Databases without booleans answer with numbers.
func truth(v record.Value) (bool, error) {
	switch {
	case v.IsNull():
		return false, nil
	case v.Kind() == record.Bool:
		return v.Bool(), nil
	case v.Kind() == record.Int || v.Kind() == record.Decimal:
		return v.Number().Sign() != 0, nil
	}
	return false, fault.New(fault.Definition, "the first column of the query is %s, and has to be true or false", v.Kind()).
		WithHint("compare it in the query: select count(*) = 0 ...; or add a rule over the columns")
}

// exitStatus evaluates the exit status of a completed step.
func (a *assembly) exitStatus(s *job.Step, step *batch.StepExecution) (string, error) {
	_, live := a.stepScope(s, step, nil)
	v, err := a.evaluate(s.ExitStatus, live)
	if err != nil {
		return "", placedIn(s.ExitStatus, err, "exit_status")
	}
	code := string(v.AppendCanonical(nil))
	if v.IsNull() || code == "" || len(code) > job.MaxExitCode {
		return "", s.ExitStatus.Node.Errorf("exit_status: expected a text of 1 to %d bytes, got %q", job.MaxExitCode, fault.Printable(code))
	}
	return code, nil
}
