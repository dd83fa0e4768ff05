package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"batchctl/pkg/batch"
)

// signalError says that a signal stopped the job. It counts as batch.ErrStopped: the execution can be restarted.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "stopped by signal: " + e.signal.String() }
func (e *signalError) Unwrap() error { return batch.ErrStopped }

// code is 128 and the number of the signal, as shells have it.
func (e *signalError) code() int {
	if e.signal == syscall.SIGINT {
		return exitInterrupted
	}
	return exitTerminated
}

// signals turns signals into requests: the first SIGINT or SIGTERM closes stop, the second cancels the context.
type signals struct {
	stop     chan struct{}
	progress chan struct{} // a value for each SIGUSR1
	first    *signalError  // set before stop is closed
	done     chan struct{}
	ended    chan struct{}
}

// watchSignals listens until the returned function is called. A SIGHUP that was ignored when the process started stays
// ignored (nohup); otherwise it asks for a stop. SIGPIPE does nothing: a job goes on when nobody reads its messages any
// more, and fails with an error where nobody reads its records.
func watchSignals(ctx context.Context) (context.Context, *signals, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &signals{stop: make(chan struct{}), progress: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{})}
	heard := make(chan os.Signal, 8)
	signal.Notify(heard, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGPIPE)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(heard, syscall.SIGHUP)
	}
	go func() {
		defer close(s.ended)
		for {
			select {
			case sig := <-heard:
				s.hear(sig, cancel)
			case <-s.done:
				return
			}
		}
	}()
	return ctx, s, func() {
		signal.Stop(heard)
		close(s.done)
		<-s.ended
		cancel(nil)
	}
}

func (s *signals) hear(sig os.Signal, cancel context.CancelCauseFunc) {
	switch {
	case sig == syscall.SIGPIPE:
	case sig == syscall.SIGUSR1:
		select {
		case s.progress <- struct{}{}:
		default:
		}
	case s.first == nil:
		s.first = &signalError{sig}
		close(s.stop)
	default:
		cancel(fmt.Errorf("%w; the chunk in hand was rolled back at the second signal", s.first))
	}
}

// reason replaces a plain stop by the signal that asked for it.
func (s *signals) reason(err error) error {
	select {
	case <-s.stop:
	default:
		return err
	}
	var signalled *signalError
	stopped := errors.Is(err, batch.ErrStopped) || errors.Is(err, context.Canceled) // the latter by the second signal, before the launch
	if stopped && !errors.As(err, &signalled) {
		return s.first
	}
	return err
}
