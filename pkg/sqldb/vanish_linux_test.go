package sqldb_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// The way to the server vanishes without a word, with packets lost in both directions: neither side waits for ever. The
// client has its answer, an error that may be tried again, and the server gives the locks back.
func TestBothSidesNoticeThatTheOtherVanished(t *testing.T) {
	t.Parallel()
	if os.Getenv("BATCHCTL_SOAK") == "" {
		t.Skip("waits for timeouts: make soak runs it")
	}
	const bound = 30 * time.Second // 15 s for what is sent and not acknowledged, 19 s for a silent peer
	for name, wait := range map[string]func(tx *sqldb.Tx) error{
		"sending": func(tx *sqldb.Tx) error {
			_, err := tx.CopyIn(t.Context(), sqldb.Load{Table: "t", Columns: []string{"a"}}, func(w *sqldb.CopyWriter) error {
				for {
					if err := w.Row([]record.Value{record.OfText(strings.Repeat("x", 1000))}); err != nil {
						return err
					}
				}
			})
			return err
		},
		"asking": func(tx *sqldb.Tx) error {
			_, err := tx.Exec(t.Context(), "select 1")
			return err
		},
		"committing": func(tx *sqldb.Tx) error { return tx.Commit(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := sqltest.Schema(t)
			proxy, dsn := sqltest.NewProxy(t, direct)
			db, other := open(t, "postgres", dsn), open(t, "postgres", direct)
			mustExec(t, db, "create table t (a text)")
			mustExec(t, db, "insert into t values ('1')")
			c := held(t, db)
			tx := begin(t, c)
			mustExec(t, tx, "update t set a = '2'")
			if err := proxy.Blackhole(); err != nil {
				t.Fatal(err)
			}
			released := make(chan error, 1)
			go func() {
				_, err := other.Exec(t.Context(), "set lock_timeout = '60s'; update t set a = '3'")
				released <- err
			}()
			limited(t, bound, "the client's error while "+name, func() {
				if err := wait(tx); !sqldb.IsConnectionLost(err) || fault.ClassOf(err) != fault.Transient {
					t.Errorf("got %v (class %s), want a lost connection of class transient", err, fault.ClassOf(err))
				}
				_ = tx.Rollback(t.Context())
				_ = c.Close()
			})
			limited(t, bound, "the server's locks after "+name, func() {
				if err := <-released; err != nil {
					t.Errorf("the lock is still held: %v", err)
				}
			})
		})
	}
}
