package plan

import (
	"context"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/runner"
	"batchctl/pkg/sqldb"
)

// claim returns how a step, or a share of one, opens its ledger. target says which connection its rows go to, "" where it
// writes files.
func (a *assembly) claim(s *job.Step, share *runner.Share, target func() (string, error)) func(context.Context, *batch.StepExecution) (batch.Ledger, batch.StepKey, error) {
	return func(_ context.Context, step *batch.StepExecution) (batch.Ledger, batch.StepKey, error) {
		key := a.key(s, share, step.Visit)
		connection, err := target()
		if err != nil {
			return nil, key, err
		}
		// A step that is done stays done, and what a partitioned one has done is forgotten when it is divided anew.
		fresh := a.drift.Fresh && share == nil && step.Status != batch.Completed
		ledger, err := a.ledger(s, connection, fresh)
		return a.keeper.guard(ledger), key, err
	}
}

func (a *assembly) key(s *job.Step, share *runner.Share, visit int) batch.StepKey {
	key := batch.StepKey{
		Repository: a.store.ID(), Job: a.execution.Instance.Name, Instance: a.execution.Instance.Key, Step: s.Name, Visit: visit,
	}
	if share != nil {
		key.Step = batch.ShareName(s.Name, share.Name)
	}
	return key
}

// ledger opens the ledger of a step: beside the rows where they go to a database, else in the job repository. A fresh one
// forgets how far the step came.
func (a *assembly) ledger(s *job.Step, connection string, fresh bool) (batch.Ledger, error) {
	if connection == "" {
		return wrapped(a.engine.instruments.ledger, meta.NewStoreLedger(a.store, fresh)), nil
	}
	db, err := a.connections.connectAs(connection, s.Durability)
	if err != nil {
		return nil, err
	}
	ledger := wrapped(a.engine.instruments.ledger, a.ledgerOn(db, s.Checkpoint, fresh))
	if !a.continues {
		return ledger, nil
	}
	here, there := inRepository(a.store), inTarget(db)
	if s.Checkpoint == "" || s.Checkpoint == "target" {
		here, there = there, here
	}
	return &onlyHere{Ledger: ledger, fresh: fresh, here: here, there: there}, nil
}

func (a *assembly) ledgerOn(db *sqldb.DB, checkpoint string, fresh bool) batch.Ledger {
	instruments := a.engine.instruments
	switch checkpoint {
	case "metadata":
		return meta.NewAfterLedger(a.store, db, fresh)
	case "intent":
		return meta.NewIntentLedger(a.store, db, meta.IntentOptions{
			Adopt: a.drift.Adopt, Fresh: fresh, TestAt: instruments.intent, TestAnswer: instruments.answer,
		})
	}
	return meta.NewTargetLedger(db, meta.TargetOptions{
		Adopt: a.drift.Adopt, Fresh: fresh, Now: a.engine.Now, TestOrder: instruments.order, TestBetween: instruments.between,
	})
}

// forgetShares forgets, where that is wanted, how far the shares of a step came, unless all of them are done. It is called
// before any of them is begun.
func (a *assembly) forgetShares(ctx context.Context, s *job.Step, step *batch.StepExecution, shares int) (done bool, err error) {
	if !a.drift.Fresh || !a.continues {
		return false, nil
	}
	places := []place{inRepository(a.store)}
	target, err := targetOf(s, a.idleBuilder(s, sampleShare(s)))
	if err != nil {
		return false, err
	}
	if target != "" {
		db, err := a.connections.connectAs(target, s.Durability)
		if err != nil {
			return false, err
		}
		places = append(places, inTarget(db))
	}
	key := a.key(s, nil, step.Visit)
	for _, p := range places {
		begun, err := p.begun(ctx, key)
		undone := func(b meta.Begun) bool { return b.Phase != batch.Done }
		if err != nil || len(begun) > 0 && len(begun) == shares && !slices.ContainsFunc(begun, undone) {
			return err == nil, err
		}
	}
	for _, p := range places {
		if err := p.forget(ctx, key); err != nil {
			return false, err
		}
	}
	return false, nil
}

// targetOf returns the one connection that a step's writer and its dead letters write into, "" where both write files.
func targetOf(s *job.Step, b *builder) (string, error) {
	writer, err := b.writer(s.Writer)
	if err != nil {
		return "", err
	}
	defer writer.Close()
	target := connectionOf(writer)
	if s.DeadLetter == nil {
		return target, nil
	}
	letters, err := b.letters(*s.DeadLetter)
	if err != nil {
		return "", err
	}
	defer letters.Close()
	switch other := connectionOf(letters); {
	case target == "":
		return other, nil
	case other != "" && other != target:
		at := s.DeadLetter.Node.Errorf("step %s writes into connection %s, and its dead letters into %s: they could not commit together",
			s.Name, target, other)
		return "", at.WithHint("keep the dead letters in %s, or in a file", target)
	}
	return target, nil
}

// connectionOf returns the connection that a writer writes into, "" where it writes files.
func connectionOf(w batch.Writer) string {
	if target, ok := w.(batch.Target); ok {
		return target.Connection()
	}
	return ""
}
