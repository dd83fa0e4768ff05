package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"batchctl/pkg/sqldb"
)

// restartTimes is how much longer a load may take that was killed at half of it.
const restartTimes, firstCommit = 1.08, 100 * time.Millisecond

// restarted compares a job with itself killed at half and started again. ledger opens the database that holds its
// checkpoints.
func (b *bench) restarted(name, needs, job string, c command, ledger func(context.Context) (*sqldb.DB, error), before, check func(context.Context) error) contest {
	const once, killed = "batchctl", "batchctl killed"
	interrupted := func(ctx context.Context) (usage, error) {
		w := &watcher{open: ledger}
		u, err := w.killAtHalf(ctx, c, b.rows)
		return u, errors.Join(err, w.close())
	}
	return contest{
		name: name, setup: b.prepare(b.rows, ".csv"),
		contenders: []contender{
			{name: once, needs: needs, before: before, run: c.measured, check: check},
			{name: killed, needs: needs, before: before, run: interrupted, check: check},
		},
		claims: []claim{{
			job: job + ", killed at half, started again", by: killed, against: once, peer: "itself, uninterrupted",
			goal: goal{times: restartTimes, first: firstCommit},
		}},
	}
}

func (b *bench) restartedLoad() contest {
	c := b.job("load", "file="+b.input(b.rows, ".csv"), workers(2))
	return b.restarted("restart-load", postgres, "CSV to PostgreSQL, 2 workers", c,
		func(ctx context.Context) (*sqldb.DB, error) {
			return sqldb.Open(ctx, sqldb.Config{Name: "ledger", Driver: "postgres", DSN: b.server.dsn, MaxConnections: 1})
		}, b.emptyTable(), b.checkTable(b.rows))
}

func (b *bench) restartedSQLite() contest {
	c := b.job("sqlite", "file="+b.input(b.rows, ".csv"), "database="+b.out("tx.db"))
	return b.restarted("restart-sqlite", "", "CSV to SQLite", c, readOnly(b.out("tx.db")), b.emptySQLite, b.checkSQLite(b.rows))
}

func (b *bench) restartedFile() contest {
	out := b.out("paid.csv")
	c := b.job("paid-csv", "file="+b.input(b.rows, ".csv"), "out="+out, workers(2))
	return b.restarted("restart-file", "", "CSV, filter, computed decimal, to CSV, 2 workers", c, readOnly(b.meta()), b.withoutOutputs,
		b.checkPaid(b.rows, out))
}

func readOnly(path string) func(context.Context) (*sqldb.DB, error) {
	return func(ctx context.Context) (*sqldb.DB, error) {
		if !exists(path) {
			return nil, errors.New("not made yet")
		}
		return sqldb.Open(ctx, sqldb.Config{Name: "ledger", Driver: "sqlite", DSN: absolute(path), Journal: "keep", ReadOnly: true, MustExist: true, MaxConnections: 1})
	}
}

// watcher looks at the checkpoints of a job from outside.
type watcher struct {
	open func(context.Context) (*sqldb.DB, error)
	db   *sqldb.DB
}

func (w *watcher) close() error {
	if w.db == nil {
		return nil
	}
	return w.db.Close()
}

// read returns the highest place in the input that a checkpoint covers; 0 where there is none yet.
func (w *watcher) read(ctx context.Context) (place int64) {
	if w.db == nil {
		db, err := w.open(ctx)
		if err != nil {
			return 0
		}
		w.db = db
	}
	if one(ctx, w.db, &place, "select coalesce(max(ordinal), 0) from batchctl_checkpoint") != nil {
		return 0 // no table yet, or being written
	}
	return place
}

// until reads every so often until the place is beyond one, or the program has ended.
func (w *watcher) until(ctx context.Context, beyond int64, every time.Duration, ended <-chan struct{}) bool {
	for w.read(ctx) <= beyond {
		select {
		case <-ended:
			return false
		case <-time.After(every):
		}
	}
	return true
}

// killAtHalf runs a job until half of its rows are committed, kills it, and runs it again to its end.
func (w *watcher) killAtHalf(ctx context.Context, c command, rows int64) (usage, error) {
	first, err := w.part(ctx, c, rows/2, 10*time.Millisecond, true)
	if err != nil {
		return usage{}, err
	}
	time.Sleep(50 * time.Millisecond) // a commit under way may still arrive
	place := w.read(ctx)
	if place >= rows {
		return usage{}, errors.New("all was committed before it was killed: too few rows for this measurement")
	}
	second, err := w.part(ctx, c, place, 2*time.Millisecond, false)
	first.first = 0
	return first.and(second), err
}

// part runs a job and takes the time until it is beyond a place, where it is killed if that is asked for.
func (w *watcher) part(ctx context.Context, c command, beyond int64, every time.Duration, kill bool) (usage, error) {
	r, err := c.start()
	if err != nil {
		return usage{}, err
	}
	type outcome struct {
		measured
		err error
	}
	ended, result := make(chan struct{}), outcome{}
	go func() {
		defer close(ended)
		result.measured, result.err = r.wait()
	}()
	reached := w.until(ctx, beyond, every, ended)
	seen := time.Now()
	if reached && kill {
		err = r.kill()
	}
	<-ended
	switch {
	case firstOf(err, result.err) != nil:
		return usage{}, firstOf(err, result.err)
	case !reached:
		return usage{}, fmt.Errorf("ended before anybody saw it beyond record %d: %s\n%s", beyond, result.Failed, r.errors)
	case kill && !result.Killed:
		return usage{}, errors.New("ended before it was killed: too few rows for this measurement")
	case !kill && result.Failed != "":
		return usage{}, fmt.Errorf("started again: %s\n%s", result.Failed, r.errors)
	}
	return usage{wall: result.Wall, cpu: result.CPU, peak: result.Peak, first: seen.Sub(result.Began)}, nil
}
