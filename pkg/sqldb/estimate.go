package sqldb

import (
	"context"
	"encoding/json"
)

// EstimateRows returns how many rows the database expects a query to have, without running it; 0 where it cannot tell.
// PostgreSQL's planner knows from its statistics; SQLite could only count.
func EstimateRows(ctx context.Context, q Querier, query string, args ...any) int64 {
	if q.Dialect().Name() != "postgres" {
		return 0
	}
	rows, err := q.Query(ctx, "explain (format json) "+query, args...)
	if err != nil {
		return 0
	}
	defer func() { _ = rows.Close() }()
	var text []byte
	if !rows.Next() || rows.Scan(&text) != nil {
		return 0
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if json.Unmarshal(text, &plans) != nil || len(plans) != 1 {
		return 0
	}
	return int64(plans[0].Plan.Rows)
}
