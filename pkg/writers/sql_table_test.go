package writers

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

func TestCreateMakesTheTableFromTheFieldsOfTheFirstRecords(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		schema := sqlSchema(r, "id:int name amount:decimal day:date at:datetime ok:bool rate:float raw:bytes doc:json")
		rows := sqlRecords(r, schema, `7|Kim|0.10|2026-11-20|2026-11-20T10:00:00.123456Z|true|1.5|xyz|{"a": 1}`)
		r.write(sqlConf{Table: "made", Mode: "upsert", Key: []string{"id"}, Create: true}, rows, rows)
		r.want("select id, name, amount, day, ok, rate, doc from made", map[string]string{
			"sqlite":   `7|Kim|0.10|2026-11-20|true|1.5|{"a": 1}`,
			"postgres": `7|Kim|0.10|2026-11-20|true|1.5|{"a": 1}`,
		}[r.driver])
		if err := r.try(sqlConf{Table: "made", Mode: "insert"}, sqlRecords(r, sqlSchema(r, "id:int"), "7")); fault.ClassOf(err) != fault.Constraint {
			t.Errorf("the key is no primary key: %v", err)
		}
	})
}

func TestATableThatIsThereIsUsedAsItIs(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer, name text, more text default 'x')")
		r.write(sqlConf{Table: "p", Create: true}, sqlRecords(r, sqlSchema(r, "id:int name"), "1|a"))
		r.want("select id, name, more from p", "1|a|x")
	})
}

func TestATableThatARollbackTookAwayIsMadeAgain(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		w := r.writer(sqlConf{Table: "p", Create: true})
		if err := w.Open(r.Context(), nil); err != nil {
			r.Fatal(err)
		}
		schema := sqlSchema(r, "id:int name")
		conn, err := r.db.Conn(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		tx, err := conn.Begin(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		if err := errors.Join(w.Write(r.Context(), tx, sqlRecords(r, schema, "1|a")), tx.Rollback(r.Context()), conn.Close()); err != nil {
			r.Fatal(err)
		}
		if err := w.Open(r.Context(), nil); err != nil {
			r.Fatal(err)
		}
		if err := r.commit(w, sqlRecords(r, schema, "2|b")); err != nil {
			r.Fatal(err)
		}
		r.want("select id, name from p", "2|b")
	})
}

// Isolation undoes a range of rows to a savepoint, also where the writer itself has seen nothing wrong with them.
func TestATableThatASavepointTookAwayIsMadeAgain(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		w := r.writer(sqlConf{Table: "p", Create: true})
		if err := w.Open(r.Context(), nil); err != nil {
			r.Fatal(err)
		}
		rows := sqlRecords(r, sqlSchema(r, "id:int name"), "1|a", "2|b")
		undone := func(tx *sqldb.Tx) error {
			return errors.Join(tx.Savepoint(r.Context()), w.Write(r.Context(), tx, rows), tx.RollbackTo(r.Context()), tx.Release(r.Context()))
		}
		nothing := r.transact(func(tx *sqldb.Tx) error { return errors.Join(undone(tx), w.Flush(r.Context(), tx)) })
		state, err := w.State()
		if nothing != nil || err != nil || state != nil {
			r.Errorf("nothing was left: got state %s, %v, %v", state, err, nothing)
		}
		err = r.transact(func(tx *sqldb.Tx) error {
			return errors.Join(undone(tx), w.Write(r.Context(), tx, rows[1:]), w.Flush(r.Context(), tx))
		})
		if state, _ := w.State(); err != nil || state == nil {
			r.Fatalf("got state %s, %v", state, err)
		}
		r.want("select id, name from p", "2|b")
	})
}

func TestConcurrentWritersMakeOneTable(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		var all sync.WaitGroup
		failed := make(chan error, 4)
		for lane := range 4 {
			w := r.writer(sqlConf{Table: "p", Create: true})
			rows := sqlRecords(r, sqlSchema(r, "lane:int"), []string{"0", "1", "2", "3"}[lane])
			all.Go(func() { failed <- errors.Join(w.Open(r.Context(), nil), r.commit(w, rows)) })
		}
		all.Wait()
		for range 4 {
			if err := <-failed; err != nil {
				r.Error(err)
			}
		}
		r.want("select count(*), sum(lane) from p", "4|6")
	})
}

func TestARestartIsRefusedWhereTheTableIsGone(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		conf := sqlConf{Table: "p", Create: true}
		w := r.writer(conf)
		if state, err := w.State(); state != nil || err != nil {
			r.Fatalf("state before the first row: %s, %v", state, err)
		}
		if err := errors.Join(w.Open(r.Context(), nil), r.commit(w, sqlRecords(r, sqlSchema(r, "id:int"), "1"))); err != nil {
			r.Fatal(err)
		}
		state, err := w.State()
		if err != nil {
			r.Fatal(err)
		}
		if err := r.writer(conf).Open(r.Context(), state); err != nil {
			r.Fatalf("restart with the table there: %v", err)
		}
		r.exec("drop table p")
		if err := r.writer(conf).Open(r.Context(), state); !errors.Is(err, batch.ErrNotRestartable) {
			r.Errorf("got %v, want not restartable", err)
		}
	})
}

func TestWhatDoesNotFitTheTableIsSaidBeforeTheFirstRow(t *testing.T) {
	table := "create table p (id integer primary key, seller_id integer, amount numeric(12,2), twice integer generated always as (seller_id * 2) stored)"
	cases := []struct {
		name, fields string
		conf         sqlConf
		want, hint   string
	}{
		{"missing table", "id:int", sqlConf{Table: "q"}, `there is no table "q"`, "create: true"},
		{"unknown column", "id:int amuont:decimal", sqlConf{Table: "p"}, `table p has no column "amuont" (field)`, `did you mean "amount"?`},
		{"unknown key", "id:int", sqlConf{Table: "p", Mode: "update", Key: []string{"seler_id"}}, `table p has no column "seler_id" (key)`, `did you mean "seller_id"?`},
		{"key without a unique index", "id:int", sqlConf{Table: "p", Mode: "upsert", Key: []string{"seller_id"}}, "mode upsert needs a unique index on (seller_id), which table p has not", "its unique keys are (id)"},
		{"key without a field", "amount:decimal", sqlConf{Table: "p", Mode: "upsert", Key: []string{"id"}}, `column "id" of table p stands in key, but no field of the records goes into it`, "the records have: amount"},
		{"columns without a field", "id:int", sqlConf{Table: "p", Columns: sqlColumns{{"idd", "id"}}}, `the records have no field "idd"`, `did you mean "id"?`},
		{"generated column", "twice:int", sqlConf{Table: "p", Columns: sqlColumns{{"twice", "twice"}}}, `column "twice" of table p is generated by the database`, ""},
		{"two fields in one column", "id:int a:int", sqlConf{Table: "p", Columns: sqlColumns{{"id", "id"}, {"a", "id"}}}, "", ""},
	}
	eachSQL(t, func(r *sqlRig) {
		for _, c := range cases {
			r.run(c.name, func(r *sqlRig) {
				r.exec(table)
				if c.want == "" {
					if c.conf.Mode = "insert"; c.conf.check() == nil {
						r.Error("accepted")
					}
					return
				}
				w := r.writer(c.conf)
				for what, err := range map[string]error{
					"write": r.try(c.conf, sqlRecords(r, sqlSchema(r, c.fields), strings.Repeat("|", strings.Count(c.fields, " ")))),
					"check": w.(*sqlTable).Check(r.Context(), sqlSchema(r, c.fields)),
				} {
					if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != fault.Definition {
						r.Errorf("%s: got %v (%s), want %s", what, err, fault.ClassOf(err), c.want)
					}
					if !strings.Contains(fault.HintOf(err), c.hint) {
						r.Errorf("%s: hint %q, want %q", what, fault.HintOf(err), c.hint)
					}
				}
			})
		}
	})
}

func TestKeysOfTheConfigurationMustGoTogether(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		conf sqlConf
		want string
	}{
		{"nothing to write to", sqlConf{Mode: "insert"}, "neither table nor statement"},
		{"upsert without key", sqlConf{Mode: "upsert", Table: "p"}, "mode upsert needs a key"},
		{"insert with key", sqlConf{Mode: "insert", Table: "p", Key: []string{"id"}}, "key means nothing in mode insert"},
		{"insert with add", sqlConf{Mode: "insert", Table: "p", Add: []string{"n"}}, "add means nothing in mode insert"},
		{"update and create", sqlConf{Mode: "update", Table: "p", Key: []string{"id"}, Create: true}, "create means nothing in mode update"},
		{"key that adds", sqlConf{Mode: "upsert", Table: "p", Key: []string{"id"}, Add: []string{"id"}}, `column "id" stands in key and in add`},
		{"key twice", sqlConf{Mode: "upsert", Table: "p", Key: []string{"id", "id"}}, `column "id" stands twice in key`},
		{"negative rows", sqlConf{Mode: "insert", Table: "p", ExpectRows: -1}, "expect_rows is -1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.conf.check()
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != fault.Definition {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestGeneratedColumnsOfACopiedTableAreLeftOutAndThatIsSaid(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer primary key, n integer, twice integer generated always as (n * 2) stored)")
		r.write(sqlConf{Table: "p"}, sqlRecords(r, sqlSchema(r, "id:int n:int twice:int"), "1|3|99"))
		r.want("select id, n, twice from p", "1|3|6")
		if len(r.notices) != 1 || !strings.Contains(r.notices[0], "twice") {
			r.Errorf("notices: %q", r.notices)
		}
	})
}

func TestIdentityColumnsTakeTheRecordsValues(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec(map[string]string{
			"sqlite":   "create table p (id integer primary key autoincrement, n integer)",
			"postgres": "create table p (id integer generated by default as identity primary key, n integer)",
		}[r.driver])
		r.write(sqlConf{Table: "p"}, sqlRecords(r, sqlSchema(r, "id:int n:int"), "7|1"))
		r.write(sqlConf{Table: "p"}, sqlRecords(r, sqlSchema(r, "n:int"), "2"))
		r.want("select count(*), max(id) from p", "2|"+map[string]string{"sqlite": "8", "postgres": "7"}[r.driver])
	})
}

func TestViewsAreWrittenWithoutCopy(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver == "sqlite" {
			r.Skip("SQLite's views take no rows")
		}
		r.exec("create table p (id integer primary key, n integer)", "create view v as select id, n from p")
		r.write(sqlConf{Table: "v"}, sqlRecords(r, sqlSchema(r, "id:int n:int"), "1|2", "2|3"))
		r.want("select id, n from p order by id", "1|2", "2|3")
	})
}

func TestRecordsThatGrowNewFieldsAreBoundAgain(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer primary key, name text)")
		short := sqlSchema(r, "id:int")
		long, err := short.Grow(record.Field{Name: "name"})
		if err != nil {
			r.Fatal(err)
		}
		mixed := slices.Concat(sqlRecords(r, long, "2|b"), []record.Record{{Schema: long, Values: []record.Value{record.OfInt(3)}}})
		r.write(sqlConf{Table: "p"}, sqlRecords(r, short, "1"), mixed)
		r.want("select id, name from p order by id", "1|-", "2|b", "3|-")
	})
}
