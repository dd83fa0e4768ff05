package job

import (
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Partition divides a step's input into shares that run side by side.
type Partition struct {
	By          string        `yaml:"by,required" enum:"range|modulo|values|files" help:"range: borders in a column, or places in a file; modulo: the remainder of a whole number; values: a share for each value and one for the rest; files: a share for each file"`
	Column      string        `yaml:"column" help:"what the records are divided by"`
	Count       int           `yaml:"count" default:"4" help:"how many shares, of range and modulo; kept for the life of the instance"`
	MaxParallel int           `yaml:"max_parallel" default:"4" help:"how many run at a time"`
	Values      []config.Node `yaml:"values" help:"of values: the list"`
	Connection  string        `yaml:"connection" help:"of values: where the query is run"`
	Query       config.SQL    `yaml:"query" help:"of values: a query whose first column is the list"`

	Node config.Node // the mapping
}

// MaxPartitions is how many shares a step may have.
const MaxPartitions = 1000

// DecodeYAML fills the partition and checks what belongs together.
func (p *Partition) DecodeYAML(d *config.Decoder, n config.Node) error {
	type keys Partition
	var wrong fault.List
	wrong.Add(d.For("partition").Decode(n, (*keys)(p)))
	p.Node = n
	if at, ok := n.Get("count"); ok && p.Count != 0 && (p.Count < 1 || p.Count > MaxPartitions) {
		wrong.Add(at.Errorf("count: expected 1 to %d, got %d", MaxPartitions, p.Count).WithHint("about as many as there are cores is a good number"))
	}
	if at, ok := n.Get("max_parallel"); ok && p.MaxParallel < 1 {
		wrong.Add(at.Errorf("max_parallel: expected 1 or more, got %d", p.MaxParallel).WithHint("about as many as there are cores is a good number; 1 runs them one after the other"))
	}
	if p.By != "" {
		wrong.Add(p.checkKeys(n))
	}
	return wrong.Err()
}

// checkKeys refuses keys that the way of dividing has no use for, and asks for those that it needs.
func (p *Partition) checkKeys(n config.Node) error {
	_, values := n.Get("values")
	_, query := n.Get("query")
	_, connection := n.Get("connection")
	var wrong fault.List
	for _, key := range []string{"column", "count", "values", "query", "connection"} {
		at, there := n.Get(key)
		if there && !takes[p.By][key] {
			wrong.Add(at.Errorf("partition by: %s has no %s", p.By, key).WithCode("key_does_not_fit").WithHint("remove %s, or divide in another way", key))
		}
	}
	switch {
	case p.By == "values" && values == query:
		wrong.Add(n.Errorf("partition by: values needs a list of values, or a query for them").WithCode("missing_key").
			WithHint("add values: [EU, US], or connection: and query:"))
	case query != connection:
		wrong.Add(n.Errorf("partition: query and connection belong together").WithCode("missing_key").WithHint("add the other one"))
	case (p.By == "modulo" || p.By == "values") && p.Column == "":
		wrong.Add(n.Errorf("partition by: %s needs a column", p.By).WithCode("missing_key").WithHint("add column: NAME"))
	}
	return wrong.Err()
}

// takes says which keys each way of dividing has.
var takes = map[string]map[string]bool{
	"range":  {"column": true, "count": true},
	"modulo": {"column": true, "count": true},
	"values": {"column": true, "values": true, "query": true, "connection": true},
	"files":  {},
}
