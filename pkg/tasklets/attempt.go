package tasklets

import (
	"context"
	"encoding/json"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
)

// attemptKey is the same for all attempts at a visit of the step, restarts included. It is drawn, and kept, by the first.
func attemptKey(ctx context.Context, env *catalog.Env, c *batch.Contribution) (string, error) {
	const kept = "attempt_key"
	var key string
	if raw := c.Earlier[kept]; raw != nil && json.Unmarshal(raw, &key) == nil && key != "" {
		return key, nil
	}
	execution, _ := env.Scope.Lookup("step.execution_id")
	key = env.Instance + "-" + execution.String()
	raw, err := json.Marshal(key)
	if err != nil {
		return "", err
	}
	return key, c.Save(ctx, batch.Context{kept: raw})
}
