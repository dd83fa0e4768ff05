package writers

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

func TestTheErrorOfOneBadRowNamesIt(t *testing.T) {
	const size = 137
	table := "create table p (id integer primary key, seller integer not null references sellers(id), name varchar(10) check (length(name) < 11), n integer unique)"
	bad := map[string]struct{ line, word string }{
		"duplicate key":  {"1|1|x|-", ""},
		"no parent":      {"1000|77|x|-", ""},
		"null":           {"1000|-|x|-", "seller"},
		"too long":       {"1000|1|more than ten|-", ""},
		"unique column":  {"1000|1|x|5", ""},
		"not an integer": {"1000|12abc|x|-", "12abc"},
	}
	modes := []sqlConf{
		{Mode: "insert"}, {Mode: "insert", Bulk: "never"}, {Mode: "insert", ExpectRows: 1},
		{Mode: "upsert", Key: []string{"id"}}, {Mode: "upsert", Key: []string{"id"}, Bulk: "never"},
		{Mode: "ignore", Key: []string{"id"}},
	}
	eachSQL(t, func(r *sqlRig) {
		for _, mode := range modes {
			for name, b := range bad {
				if mode.Mode != "insert" && name == "duplicate key" || mode.Mode == "ignore" && name == "unique column" {
					continue
				}
				r.run(fmt.Sprintf("%s bulk %s expect %d, %s", mode.Mode, mode.Bulk, mode.ExpectRows, name), func(r *sqlRig) {
					r.exec("create table sellers (id integer primary key)", "insert into sellers values (1)", table, "insert into p values (1, 1, 'old', 5)")
					for _, at := range []int{0, 70, size - 1} {
						r.checkBlame(mode, b.line, b.word, size, at)
					}
				})
			}
		}
	})
}

func (r *sqlRig) checkBlame(conf sqlConf, line, word string, size, at int) {
	r.Helper()
	lines := make([]string, size)
	for i := range lines {
		lines[i] = fmt.Sprintf("%d|1|good|%d", 10+i, 1000+i)
	}
	lines[at] = line
	conf.Table = "p"
	wantSQLRow(r.T, r.try(conf, sqlRecords(r, sqlSchema(r, "id seller name n"), lines...)), at, word)
	r.want("select count(*) from p", "1")
}

// On SQLite a failed Write leaves the transaction as it was before, so that others can go on in it.
func TestAFailedWriteLeavesNothingBehindOnSQLite(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver != "sqlite" {
			r.Skip("PostgreSQL aborts the transaction")
		}
		r.exec("create table p (id integer primary key)")
		w := r.writer(sqlConf{Table: "p"})
		if err := w.Open(r.Context(), nil); err != nil {
			r.Fatal(err)
		}
		conn, err := r.db.Conn(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		tx, err := conn.Begin(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		schema := sqlSchema(r, "id:int")
		if err := w.Write(r.Context(), tx, sqlRecords(r, schema, "1")); err != nil {
			r.Fatal(err)
		}
		wantSQLRow(r.T, w.Write(r.Context(), tx, sqlRecords(r, schema, append(sqlLines(80, "%d1"), "11")...)), 80)
		if err := errors.Join(w.Write(r.Context(), tx, sqlRecords(r, schema, "2")), tx.Commit(r.Context())); err != nil {
			r.Fatal(err)
		}
		r.want("select id from p order by id", "1", "2")
	})
}

func TestExpectRowsFindsTheRecordThatMissed(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		for _, unique := range []bool{true, false} {
			for _, mode := range []string{"update", "delete"} {
				r.run(fmt.Sprintf("%s, unique %t", mode, unique), func(r *sqlRig) {
					key := "integer"
					if unique {
						key = "integer primary key"
					}
					r.exec("create table p (id "+key+", name text)", "create table numbers (i integer)")
					r.write(sqlConf{Table: "numbers"}, sqlRecords(r, sqlSchema(r, "i:int"), sqlLines(200, "%d")...))
					r.exec("insert into p select i, 'old' from numbers where i <> 133")
					conf := sqlConf{Table: "p", Mode: mode, Key: []string{"id"}, ExpectRows: 1}
					err := r.try(conf, sqlRecords(r, sqlSchema(r, "id:int name:text"), sqlLines(200, "%d|new")...))
					wantSQLRow(r.T, err, 132, "affected 0 rows, expect_rows is 1: id=133")
					r.want("select count(*) from p where name = 'old'", "199")
					r.exec("insert into p values (133, 'old')")
					r.write(conf, sqlRecords(r, sqlSchema(r, "id:int name:text"), sqlLines(200, "%d|new")...))
					r.want("select count(*) from p where name = 'old'", "0")
				})
			}
		}
	})
}

func TestAStatementRunsForEachRecord(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer primary key, name text, by_job text)", "insert into p values (1, 'a', null), (2, 'b', null)")
		conf := sqlConf{Statement: config.SQL{Text: "update p set name = :name, by_job = :job_name where id = :id"}, ExpectRows: 1}
		schema := sqlSchema(r, "id:int name:text")
		w := r.writer(conf)
		w.(*sqlStatement).env.Scope = sqlScope{"job.name": record.OfText("settle")}
		if err := errors.Join(w.Open(r.Context(), nil), r.commit(w, sqlRecords(r, schema, "1|x", "2|-"))); err != nil {
			r.Fatal(err)
		}
		r.want("select id, name, by_job from p order by id", "1|x|settle", "2|-|settle")
		wantSQLRow(r.T, r.commit(w, sqlRecords(r, schema, "1|y", "3|z", "2|q")), 1, "affected 0 rows, expect_rows is 1")
		r.want("select id, name from p order by id", "1|x", "2|-")
	})
}

func TestABindThatNothingIsCalledIsAnErrorWithAHint(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer)")
		err := r.try(sqlConf{Statement: config.SQL{Text: "insert into p values (:idd)"}}, sqlRecords(r, sqlSchema(r, "id:int"), "1"))
		if fault.ClassOf(err) != fault.Definition || !strings.Contains(err.Error(), "nothing is called :idd") || fault.HintOf(err) != `did you mean "id"?` {
			r.Errorf("got %v, hint %s", err, fault.HintOf(err))
		}
	})
}

func TestAConstraintErrorOfAStatementNamesTheRow(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer primary key)")
		err := r.try(sqlConf{Statement: config.SQL{Text: "insert into p values (:id)"}}, sqlRecords(r, sqlSchema(r, "id:int"), "1", "2", "1"))
		wantSQLRow(r.T, err, 2)
	})
}

// sqlScope is a scope of a few names.
type sqlScope map[string]record.Value

func (s sqlScope) Lookup(name string) (record.Value, config.Availability) {
	if v, ok := s[name]; ok {
		return v, config.Now
	}
	return record.Value{}, config.NoSuchName
}

func (s sqlScope) Names(namespace string) []string {
	var names []string
	for name := range s {
		if rest, ok := strings.CutPrefix(name, namespace+"."); ok {
			names = append(names, rest)
		}
	}
	return names
}

func TestAWriterWithoutATransactionSaysSo(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer)")
		w := r.writer(sqlConf{Table: "p"})
		if err := w.Open(r.Context(), nil); err != nil {
			r.Fatal(err)
		}
		if err := w.Write(r.Context(), nil, sqlRecords(r, sqlSchema(r, "id:int"), "1")); fault.ClassOf(err) != fault.Internal {
			r.Errorf("got %v", err)
		}
		if w.(batch.Target).Connection() != "shop" {
			r.Error("wrong connection")
		}
	})
}
