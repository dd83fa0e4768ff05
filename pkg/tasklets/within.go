package tasklets

import (
	"context"
	"time"
)

// within returns a context that ends with a cause when so much time has passed; 0 is never. end gives up what waits for
// that.
func within(ctx context.Context, after func(time.Duration) <-chan time.Time, limit time.Duration, cause error) (limited context.Context, end func()) {
	if limit <= 0 {
		return ctx, func() {}
	}
	limited, cancel := context.WithCancelCause(ctx)
	over, ended := after(limit), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-over:
			cancel(cause)
		case <-limited.Done():
		}
	}()
	return limited, func() {
		cancel(nil)
		<-ended
	}
}
