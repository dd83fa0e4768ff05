package plan

import (
	"slices"

	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/job"
	"batchctl/pkg/listeners"
	"batchctl/pkg/processors"
	"batchctl/pkg/readers"
	"batchctl/pkg/tasklets"
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
		{"tasklet", kinds(tasklets.Table())},
		{"listener", listenerKinds()},
	}
}

// Parts lists the parts of a definition that are no components, each with the keys that decode it. Keys of a job whose
// value is another part have none of their own here.
func Parts() []Kind {
	top := config.Keys(job.Job{})
	for i := range top {
		if slices.Contains([]string{"params", "connections", "defaults", "steps"}, top[i].Name) {
			top[i].Keys = nil
		}
	}
	return []Kind{
		{"job", "the whole definition", top},
		{"param", "a parameter, by its name below params", config.Keys(job.Param{})},
		{"connection", "a database, by its name below connections", config.Keys(job.Connection{})},
		{"defaults", "for every step that does not say otherwise", config.Keys(job.Defaults{})},
		{"step", "a step, in the list below steps", config.Keys(job.Step{})},
		{"partition", "how the input of a step is divided, below partition of the step", config.Keys(job.Partition{})},
	}
}

// listenerKinds have the keys of every listener before their own.
func listenerKinds() []Kind {
	list := kinds(listeners.Table())
	for i := range list {
		list[i].Keys = append(config.Keys(job.Listener{}), list[i].Keys...)
	}
	return list
}

func kinds[T any](table catalog.Table[T]) []Kind {
	list := make([]Kind, len(table))
	for i, entry := range table {
		list[i] = Kind{Name: entry.Name, Summary: entry.Summary, Keys: config.Keys(entry.New())}
	}
	return list
}
