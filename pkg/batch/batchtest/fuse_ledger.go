package batchtest

import (
	"context"
	"fmt"

	"batchctl/pkg/batch"
)

// Ledger returns l with every operation counted, those of the transactions it opens too. Writers that are used with it
// are to be wrapped by Writer of the same fuse, or to unwrap what they are given with Bare.
func (f *Fuse) Ledger(l batch.Ledger) batch.Ledger { return &fusedLedger{inner: l, fuse: f} }

type fusedLedger struct {
	inner batch.Ledger
	fuse  *Fuse
}

func (l *fusedLedger) Claim(ctx context.Context, step batch.StepKey, lanes int) (checkpoints []batch.Checkpoint, err error) {
	err = l.fuse.around("ledger.claim", func() (err error) {
		checkpoints, err = l.inner.Claim(ctx, step, lanes)
		return err
	})
	if err != nil {
		return nil, err
	}
	return checkpoints, nil
}

func (l *fusedLedger) Commit(ctx context.Context, lane batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	if err := l.fuse.Step("ledger.commit.begin"); err != nil {
		return batch.Checkpoint{}, fmt.Errorf("%w: %w", batch.ErrRolledBack, err)
	}
	saved, err := l.inner.Commit(ctx, lane, func(tx batch.Tx) (batch.Checkpoint, error) {
		if err := l.fuse.Step("ledger.commit.open"); err != nil {
			return batch.Checkpoint{}, err
		}
		checkpoint, err := fn(l.fuse.Tx(tx))
		if err != nil {
			return batch.Checkpoint{}, err
		}
		return checkpoint, l.fuse.Step("ledger.commit.before")
	})
	if err != nil {
		return batch.Checkpoint{}, err
	}
	if err := l.fuse.Step("ledger.commit.after"); err != nil {
		return batch.Checkpoint{}, err
	}
	return saved, nil
}

func (l *fusedLedger) Load(ctx context.Context, lane batch.LaneKey) (batch.Checkpoint, error) {
	if err := l.fuse.Step("ledger.load"); err != nil {
		return batch.Checkpoint{}, err
	}
	return l.inner.Load(ctx, lane)
}

func (l *fusedLedger) Close() error { return l.inner.Close() }

// Tx returns tx with its savepoints counted; nil stays nil.
func (f *Fuse) Tx(tx batch.Tx) batch.Tx {
	if tx == nil {
		return nil
	}
	return &fusedTx{inner: tx, fuse: f}
}

// Bare returns the transaction that a fuse has wrapped, and any other as it is.
func Bare(tx batch.Tx) batch.Tx {
	if fused, ok := tx.(*fusedTx); ok {
		return fused.inner
	}
	return tx
}

type fusedTx struct {
	inner batch.Tx
	fuse  *Fuse
}

func (t *fusedTx) Savepoint(ctx context.Context) error {
	if err := t.fuse.Step("tx.savepoint"); err != nil {
		return err
	}
	return t.inner.Savepoint(ctx)
}

func (t *fusedTx) RollbackTo(ctx context.Context) error {
	if err := t.fuse.Step("tx.rollback_to"); err != nil {
		return err
	}
	return t.inner.RollbackTo(ctx)
}

func (t *fusedTx) CheckDeferred(ctx context.Context) error {
	if err := t.fuse.Step("tx.check_deferred"); err != nil {
		return err
	}
	return t.inner.CheckDeferred(ctx)
}

func (t *fusedTx) Release(ctx context.Context) error {
	if err := t.fuse.Step("tx.release"); err != nil {
		return err
	}
	return t.inner.Release(ctx)
}
