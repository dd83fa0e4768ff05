package plan

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb/sqltest"
)

// A second signal may end what goes before the first step: that is a stop, too.
func TestExecutionThatEndsBeforeItBeginsIsFailedOrStopped(t *testing.T) {
	t.Parallel()
	for reason, want := range map[error]batch.Status{
		errors.New("no such table"):                                           batch.Failed,
		fmt.Errorf("connection job repository: %w", batch.ErrStopped):         batch.Stopped,
		errors.Join(errors.New("too"), fmt.Errorf("x: %w", batch.ErrStopped)): batch.Stopped,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		store, err := newSidePlace(t, "sqlite", sqltest.SQLite(t)).OpenStore(ctx)
		if err != nil {
			t.Fatal(err)
		}
		launched, err := store.Launch(ctx, meta.Request{Job: "night", Key: "k", Definition: batch.Definition{Text: "x", Hash: hashOf("x")}})
		if err != nil {
			t.Fatal(err)
		}
		cancel(reason)
		if err := abort(ctx, store, launched.Execution, reason); err != nil {
			t.Fatal(err)
		}
		launched.Close()
		found, err := store.Execution(context.Background(), launched.Execution.ID)
		if err != nil || found.Execution.Status != want || found.Execution.Exit.Code != string(want) {
			t.Errorf("%v: got %v, %v, want %s", reason, found, err, want)
		}
		store.Close()
	}
}
