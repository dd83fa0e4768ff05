package meta

import (
	"context"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// LetterKey names a dead letter of this job repository: the record that was left out first, however often it has been
// replayed since.
type LetterKey struct {
	Instance  int64 // JOB_INSTANCE_ID
	Step      string
	Lane      int
	Ordinal   int64 // place in the input of that step
	Execution int64 // JOB_EXECUTION_ID of the attempt that left it out
}

// Replay is an instance whose input is dead letters of another one.
type Replay struct {
	Instance int64       // its own; 0 before it was launched
	Source   int64       // JOB_INSTANCE_ID of the instance whose letters are read
	Step     string      // of the definition
	Again    bool        // letters that went through before are among them
	Letters  []LetterKey // in the order of its input: place 1 is Letters[0]
}

// LetterReplay is what became of a dead letter in one replay.
type LetterReplay struct {
	Letter    LetterKey
	Instance  int64        // of the replay
	Place     int64        // in the replay's input, from 1
	Execution int64        // of the replay: the one that put the letter through, else the newest; 0 where that was purged
	Through   bool         // the letter went through
	Status    batch.Status // of the replay's newest execution
}

// Open reports whether the replay is unfinished: what becomes of the letter is not known yet.
func (r LetterReplay) Open() bool {
	return !r.Through && r.Status != batch.Completed && r.Status != batch.Abandoned
}

// Replay returns what an instance replays, nil where it is no replay.
func (s *Store) Replay(ctx context.Context, instance int64) (found *Replay, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		found, err = replayOf(ctx, q, instance)
		return err
	})
	return found, err
}

// LetterReplays returns what became, in any replay, of the dead letters that an instance left behind, the oldest replay
// first. The instance is one that is no replay itself.
func (s *Store) LetterReplays(ctx context.Context, instance int64) (found []LetterReplay, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		found, err = letterReplays(ctx, q, instance)
		return err
	})
	return found, err
}

// MarkReplayed records that the letters of a replay went through in an execution of it, but for those at the given
// places of its input, which became dead letters again. Doing it twice is doing it once.
func (s *Store) MarkReplayed(ctx context.Context, instance, execution int64, refused map[int64]bool) error {
	return s.write(ctx, func(tx *sqldb.Tx) error {
		_, err := exec(ctx, tx, "update BATCHCTL_REPLAYED set REPLAYED_BY = ? where REPLAY_INSTANCE_ID = ?", execution, instance)
		if err != nil {
			return err
		}
		for place := range refused {
			_, err := exec(ctx, tx, "update BATCHCTL_REPLAYED set REPLAYED_BY = null where REPLAY_INSTANCE_ID = ? and PLACE = ?", instance, place)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// mayReplay refuses a replay where another one has its letters, or has put them through.
func mayReplay(ctx context.Context, q sqldb.Querier, r *Replay) error {
	if len(r.Letters) == 0 {
		return fault.New(fault.Internal, "launch of a replay without letters")
	}
	wanted := map[LetterKey]bool{}
	for _, l := range r.Letters {
		wanted[l] = true
	}
	all, err := letterReplays(ctx, q, r.Letters[0].Instance)
	if err != nil {
		return err
	}
	for _, other := range all {
		switch {
		case !wanted[other.Letter]:
		case other.Open():
			return ReplayOpen(other)
		case other.Through && !r.Again:
			return (&Refusal{Err: batch.ErrRunning, Execution: other.Execution,
				Message: fmt.Sprintf("execution %d has just replayed dead letter %d of step %s", other.Execution, other.Letter.Ordinal, other.Letter.Step)}).
				hint("try again: what is left is replayed then")
		}
	}
	return nil
}

// ReplayOpen is the refusal of a replay whose letters are in the hands of another one.
func ReplayOpen(other LetterReplay) error {
	refusal := &Refusal{Err: batch.ErrNotRestartable, Execution: other.Execution,
		Message: fmt.Sprintf("dead letter %d of step %s is being replayed by execution %d, which is %s",
			other.Letter.Ordinal, other.Letter.Step, other.Execution, other.Status)}
	if other.Status.Running() {
		refusal.Err = batch.ErrRunning
		return refusal.hint("wait for it, or stop it with: batchctl stop %d", other.Execution)
	}
	return refusal.hint("finish that first: batchctl restart %d", other.Execution)
}
