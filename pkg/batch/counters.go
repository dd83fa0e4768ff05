package batch

import "fmt"

// Counters count a step's records and transactions. READ counts records delivered by the reader, so that
// Read = Write + Filter + ProcessSkip + WriteSkip holds for every chunk; ReadSkip stands beside. Write counts input
// records whose output committed: folding and one-to-many processors do not change it.
type Counters struct {
	Read        int64 `json:"read_count"`
	Write       int64 `json:"write_count"`
	Filter      int64 `json:"filter_count"`
	ReadSkip    int64 `json:"read_skip_count"`
	ProcessSkip int64 `json:"process_skip_count"`
	WriteSkip   int64 `json:"write_skip_count"`
	Commit      int64 `json:"commit_count"`   // chunks committed
	Rollback    int64 `json:"rollback_count"` // attempts rolled back
	Retry       int64 `json:"retry_count"`
}

// Skip returns the three skip counts together.
func (c Counters) Skip() int64 { return c.ReadSkip + c.ProcessSkip + c.WriteSkip }

// Add returns the sums of c and d.
func (c Counters) Add(d Counters) Counters {
	return Counters{
		Read: c.Read + d.Read, Write: c.Write + d.Write, Filter: c.Filter + d.Filter,
		ReadSkip: c.ReadSkip + d.ReadSkip, ProcessSkip: c.ProcessSkip + d.ProcessSkip, WriteSkip: c.WriteSkip + d.WriteSkip,
		Commit: c.Commit + d.Commit, Rollback: c.Rollback + d.Rollback, Retry: c.Retry + d.Retry,
	}
}

// Sub returns c less d.
func (c Counters) Sub(d Counters) Counters {
	return c.Add(Counters{
		Read: -d.Read, Write: -d.Write, Filter: -d.Filter,
		ReadSkip: -d.ReadSkip, ProcessSkip: -d.ProcessSkip, WriteSkip: -d.WriteSkip,
		Commit: -d.Commit, Rollback: -d.Rollback, Retry: -d.Retry,
	})
}

// Check returns an error where a record is unaccounted for.
func (c Counters) Check() error {
	if c.Read != c.Write+c.Filter+c.ProcessSkip+c.WriteSkip {
		return fmt.Errorf("counters do not add up: %d read, but %d written + %d filtered + %d skipped in processing + %d skipped in writing",
			c.Read, c.Write, c.Filter, c.ProcessSkip, c.WriteSkip)
	}
	return nil
}

// Named returns the counters by the names that definitions, logs and tables use.
func (c Counters) Named() map[string]int64 {
	return map[string]int64{
		"read_count": c.Read, "write_count": c.Write, "filter_count": c.Filter,
		"read_skip_count": c.ReadSkip, "process_skip_count": c.ProcessSkip, "write_skip_count": c.WriteSkip,
		"skip_count": c.Skip(), "commit_count": c.Commit, "rollback_count": c.Rollback, "retry_count": c.Retry,
	}
}

// CounterNames lists the names of Named in the order they are shown.
var CounterNames = []string{"read_count", "write_count", "filter_count", "read_skip_count", "process_skip_count",
	"write_skip_count", "skip_count", "commit_count", "rollback_count", "retry_count"}
