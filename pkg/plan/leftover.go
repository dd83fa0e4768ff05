package plan

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
)

// Abandon makes sure that the instance of a failed or stopped execution is never continued, and removes the unfinished
// files that it left beside its outputs. It returns their paths. An error of class environment with code leftovers means
// that the instance is abandoned, and that not all of them could be found or removed.
func (e *Engine) Abandon(ctx context.Context, store *meta.Store, execution int64) (removed []string, err error) {
	if err := store.Abandon(ctx, execution); err != nil {
		return nil, err
	}
	details, err := store.Execution(ctx, execution)
	if err != nil {
		return nil, err
	}
	removed, err = e.removePartials(ctx, store, details.Execution)
	if err != nil {
		err = fault.Wrap(fault.Environment, err, "execution %d is abandoned, but unfinished files may be left", execution).WithCode("leftovers").
			WithHint("they are hidden, and end in .partial: look beside the outputs of the job")
	}
	return removed, err
}

// removePartials removes the partial files of an instance that nobody will continue. last is its newest execution.
func (e *Engine) removePartials(ctx context.Context, store *meta.Store, last *batch.JobExecution) (removed []string, err error) {
	folders, err := partialFolders(ctx, store, last.Instance)
	if err != nil {
		return nil, err
	}
	defined, reason := e.outputFolders(store, last)
	folders = append(folders, defined...)
	slices.Sort(folders)
	owner := shortKey(store.ID(), last.Instance)
	for _, folder := range slices.Compact(folders) {
		gone, err := files.RemovePartials(folder, owner, e.instruments.disk)
		removed = append(removed, gone...)
		reason = errors.Join(reason, err)
	}
	return removed, reason
}

// partialFolders are the folders of the unfinished files that the checkpoints in the job repository know.
func partialFolders(ctx context.Context, store *meta.Store, instance batch.JobInstance) (folders []string, err error) {
	lanes, err := store.Checkpoints(ctx, instance)
	for _, lane := range lanes {
		var state any
		if json.Unmarshal(lane.Checkpoint.Writer, &state) == nil {
			folders = append(folders, markedFolders(state)...)
		}
	}
	return folders, err
}

// markedFolders looks for the marks of files in a writer's state, which may hold those of others.
func markedFolders(state any) (folders []string) {
	switch state := state.(type) {
	case []any:
		for _, inner := range state {
			folders = append(folders, markedFolders(inner)...)
		}
	case map[string]any:
		path, isPath := state["path"].(string)
		if _, isMark := state["partial"].(string); isMark && isPath {
			folders = append(folders, files.PartialFolder(path))
		}
		for _, inner := range state {
			folders = append(folders, markedFolders(inner)...)
		}
	}
	return folders
}

// outputFolders are the folders of all outputs that the recorded definition names, as far as they are known now: a file
// may have been begun without a checkpoint that knows it.
func (e *Engine) outputFolders(store *meta.Store, last *batch.JobExecution) (folders []string, err error) {
	p, err := e.asRecorded(last)
	if err != nil {
		return nil, err
	}
	p.names.SetInt("job.instance_id", last.Instance.ID).SetInt("job.execution_id", last.ID).SetText("job.repository_id", store.ID())
	for _, step := range last.Steps {
		leave(p.names, step)
	}
	for _, step := range p.job.All() {
		nodes := []config.Node{step.Writer.Node}
		if step.DeadLetter != nil {
			nodes = append(nodes, step.DeadLetter.Node)
		}
		for _, n := range nodes {
			for _, path := range paths(p.stepNames(step), p.place.Base, n) {
				folders = append(folders, files.PartialFolder(path))
			}
		}
	}
	return folders, nil
}

// asRecorded prepares the definition that an execution ran, with its parameters. Secrets come from their source again.
func (e *Engine) asRecorded(execution *batch.JobExecution) (*prepared, error) {
	recorded := execution.Definition
	j, err := job.Load(recorded.Path, []byte(recorded.Text))
	if err != nil {
		return nil, err
	}
	return e.prepareAgain(j, execution, RestartRequest{}, recorded.Base)
}
