package batchtest

import (
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// WriterCase describes a kind of writer to the suite. Five to twenty rows are best: the suite stops behind each of them.
type WriterCase struct {
	// Place returns a new place for one output: an empty folder, an empty table.
	Place func(t *testing.T) WriterPlace
	Rows  []record.Record // neighbours may be of different schemas
	Want  string          // what Content is when Rows are written
	Empty string          // what Content is when nothing was written and the output is published
}

// WriterPlace is where one output is made.
type WriterPlace struct {
	// New returns a writer that is not yet open, as a process makes one that has claimed the step with this epoch. Epochs
	// count from 1; the writers of earlier ones are closed by then.
	New func(epoch int64) batch.Writer
	// Content returns what others see of the output, "" where there is nothing.
	Content func() string
	// Tx runs fn in a transaction and commits, or rolls back where fn returns an error. Nil: the writer gets no
	// transaction.
	Tx func(fn func(batch.Tx) error) error
}

// Writer runs the suite: whatever happens between, the output is what an uninterrupted run makes.
func Writer(t *testing.T, c WriterCase) {
	t.Helper()
	t.Run("ChunkSizesMakeNoDifference", c.chunkSizes)
	t.Run("NothingIsVisibleBeforePublish", c.invisible)
	t.Run("StopAfterEveryRow", c.stopAfterEveryRow)
	t.Run("RestartForEveryRow", c.restartForEveryRow)
	t.Run("OpenAgainAtOlderState", c.openAgain)
	t.Run("OpenAgainFromNothing", c.openAgainFromNothing)
	t.Run("StatesAreValues", c.statesAreValues)
	t.Run("Empty", c.empty)
	t.Run("PublishTwice", c.publishTwice)
	t.Run("PublishAfterRestart", c.publishAfterRestart)
	t.Run("FinishAgainAfterRestart", c.finishAgain)
	t.Run("CloseTwice", c.closeTwice)
	t.Run("CancelledContext", c.cancelled)
}
