package cmd

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"batchctl/pkg/batch"
)

func TestWhatASignalEndedIsSaidToBeStoppedByIt(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk full")
	for name, c := range map[string]struct {
		err  error
		code int
	}{
		"stopped at a boundary":        {batch.ErrStopped, 143},
		"cancelled before the launch":  {fmt.Errorf("open: %w", context.Canceled), 143},
		"failed for another reason":    {failed, 1},
		"completed although asked for": {nil, 0},
	} {
		s := &signals{stop: make(chan struct{})}
		s.hear(syscall.SIGTERM, nil)
		if got := exitCode(s.reason(c.err), false, false); got != c.code {
			t.Errorf("%s: exit %d, want %d", name, got, c.code)
		}
	}
}
