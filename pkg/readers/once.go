package readers

import (
	"context"
	"encoding/json"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

const standardInput = "standard input"

// once is standard input in place of files: it can be read from its beginning, and not again.
type once struct {
	stream *files.Stream
	step   string
	notice func(message string)
	stop   <-chan struct{}
	ctx    context.Context // of the Read that is under way
}

// useStandardInput takes standard input in place of files where that is the path.
func (s *fileSource) useStandardInput(env *catalog.Env) error {
	for _, p := range s.conf.Path {
		if p != "-" {
			continue
		}
		if len(s.conf.Path) > 1 {
			return fault.New(fault.Definition, "standard input (-) cannot be read together with files").
				WithHint("write it to a file first, and name that")
		}
		s.once = &once{stream: env.Stdin, step: "step " + env.Step, notice: env.Notice, stop: env.Stop}
	}
	return nil
}

// open takes the stream, or refuses to go on behind a state: what was read is gone, and nobody can say what comes. A state
// behind the end needs nothing of it.
func (o *once) open(from batch.State) (fileState, error) {
	at := fileState{Files: []string{standardInput}, Line: 1}
	if from != nil {
		if err := json.Unmarshal(from, &at); err != nil || at.File < 0 || at.File > len(at.Files) {
			return at, fault.New(fault.Internal, "the reader's state is damaged: %.200s", from)
		}
		if at.File < len(at.Files) {
			return at, fault.Wrap(fault.Environment, batch.ErrNotRestartable, "%s of standard input were loaded already, and it cannot be read again",
				countOf(int(at.Records), "record")).WithCode("input_gone").
				WithHint("begin anew: give all of it again to run --new, or with --fresh; rows that are in a table stay there. What is written to a file first can be restarted")
		}
		return at, nil
	}
	if o.stream == nil {
		return at, fault.New(fault.Environment, "there is no standard input")
	}
	if err := o.stream.Take(o.step); err != nil {
		return at, err
	}
	if o.notice != nil {
		o.notice("standard input is read: behind the first commit the step cannot be restarted, it has to begin anew")
	}
	return at, nil
}

// Read reads from the stream, and waits for it no longer than the step does.
func (o *once) Read(b []byte) (int, error) { return o.stream.Read(b, o.ctx.Done(), o.stop) }

// interrupted says why waiting was given up.
func (o *once) interrupted() error {
	if cause := context.Cause(o.ctx); cause != nil {
		return cause
	}
	return batch.ErrStopped
}
