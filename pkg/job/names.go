package job

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/config"
)

// declared returns the names that a definition's own keys may use, from a tree that may be wrong in other places.
func declared(root config.Node) *config.Names {
	params, _ := root.Get("params")
	steps, _ := root.Get("steps")
	names := config.NewNames(&config.World{})
	for _, p := range params.Pairs() {
		names.Declare("params." + p.Name)
	}
	for _, step := range stepNodes(steps) {
		name, _ := step.Get("name")
		export, _ := step.Get("export")
		declareStep(names, name.Text(), export.Pairs())
		tasklet, _ := step.Get(string(TaskletStep))
		context, _ := tasklet.Get("context")
		for _, value := range context.Pairs() {
			names.Declare("context." + value.Name)
		}
	}
	return names.Declare("job.name", "job.instance_id", "job.execution_id", "job.repository_id")
}

func declareStep(names *config.Names, step string, exports []config.Pair[config.Node]) {
	names.Declare("steps."+step+".status", "steps."+step+".exit_status")
	for _, counter := range batch.CounterNames {
		names.Declare("steps." + step + "." + counter)
	}
	for _, export := range exports {
		names.Declare("context." + export.Name)
	}
}

// Names returns the names that a job's definition may use upon below, which knows env.* and file:*. All but job.name are
// declared for later: params.NAME (see Parameters.Into), steps.STEP.COUNTER, steps.STEP.status, steps.STEP.exit_status,
// context.NAME of every export, job.instance_id, job.execution_id, job.repository_id.
func (j *Job) Names(below config.Scope) *config.Names {
	names := declared(j.document.Root).SetText("job.name", j.Name)
	return names.Upon(below)
}

// PartitionNames returns what a share of a partitioned step adds to the step's names.
func PartitionNames(below config.Scope) *config.Names {
	return config.NewNames(below).Declare("partition.name", "partition.index", "partition.count", "partition.from", "partition.to",
		"partition.value", "partition.file")
}

// StepNames returns what a step adds to the job's names: step.name, and for later step.execution_id and counters.COUNTER.
func StepNames(step string, below config.Scope) *config.Names {
	names := config.NewNames(below).SetText("step.name", step).Declare("step.execution_id")
	for _, counter := range batch.CounterNames {
		names.Declare("counters." + counter)
	}
	return names
}
