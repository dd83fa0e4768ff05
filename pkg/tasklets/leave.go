package tasklets

import (
	"encoding/json"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// maxLeft is how many bytes a value may have that is left behind: it is kept in the job repository, with every execution.
const maxLeft = 64 << 10

// leaveValue puts a value into the job's context.
func leaveValue(c *batch.Contribution, name string, v record.Value) error {
	text := v.AppendJSON(nil)
	if len(text) > maxLeft {
		return fault.New(fault.Validation, "the value for context.%s has %d bytes, and more than 64 KiB are not kept", name, len(text)).
			WithCode("too_large").WithHint("write it to a file, and leave the file's path")
	}
	if c.Context == nil {
		c.Context = batch.Context{}
	}
	c.Context[name] = json.RawMessage(text)
	return nil
}

// leftovers are the expressions of a tasklet's context: over what it found out, as fields.
type leftovers struct {
	schema *record.Schema
	values *expr.Arguments
}

func newLeftovers(conf config.Map[config.Expression], env *catalog.Env, fields ...record.Field) (*leftovers, error) {
	schema, err := record.NewSchema(fields...)
	if err != nil {
		return nil, err
	}
	values, err := expr.CompileArguments(conf, schema, expr.Options{Scope: env.Scope, Location: env.Location})
	return &leftovers{schema, values}, err
}

// leave evaluates the expressions over the fields' values.
func (l *leftovers) leave(c *batch.Contribution, fields ...record.Value) error {
	values, err := l.values.Values(record.Record{Schema: l.schema, Values: fields})
	if err != nil {
		return err
	}
	for _, name := range l.values.Names() {
		if err := leaveValue(c, name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

// plural counts things: "1 file", "3 files".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
