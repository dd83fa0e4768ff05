package plan

import (
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/processors"
	"batchctl/pkg/readers"
	"batchctl/pkg/writers"
)

// Sort is a sort of component with its kinds, for explain.
type Sort struct {
	Name  string `json:"sort"`
	Kinds []Kind `json:"kinds"`
}

// Kind is a kind of component with its keys.
type Kind struct {
	Name    string       `json:"name"`
	Summary string       `json:"summary"`
	Keys    []config.Key `json:"keys"`
}

// Explain lists all kinds of components from the tables that decode them.
func Explain() []Sort {
	return []Sort{
		{"reader", kinds(readers.Table())},
		{"processor", kinds(processors.Table())},
		{"writer", kinds(writers.Table())},
	}
}

func kinds[T any](table catalog.Table[T]) []Kind {
	list := make([]Kind, len(table))
	for i, entry := range table {
		list[i] = Kind{Name: entry.Name, Summary: entry.Summary, Keys: config.Keys(entry.New())}
	}
	return list
}
