package plan

import (
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

func TestSQLTasklet(t *testing.T) {
	t.Parallel()
	eachScene(t, "changes are counted, and values left behind", func(s *scene) {
		s.exec("create table t (id integer primary key, name text)")
		s.job(`steps:
  - name: load
    tasklet:
      type: sql
      connection: shop
      statements:
        - insert into t values (1, 'a'), (2, 'b'); update t set name = 'c' where id = :id
        - create table made (n integer)
        - with x as (select 2 as n) select n from x
        - insert into t select id + :id, null from t
      args: {id: 3 - 1}
      context: {names: select count(name) from t, first: select name from t order by id, none: select id from t where id > 99}
`)
		o := s.completes(s.run())
		s.counts(o, "w5")
		s.rows("1 2 3 4")
		for name, want := range map[string]string{"names": "2", "first": `"a"`, "none": "null"} {
			if got := string(o.Execution.Context[name]); got != want {
				s.Errorf("context.%s is %s, want %s", name, got, want)
			}
		}
	})
	eachScene(t, "a statement that fails undoes all, and is named by its place", func(s *scene) {
		s.exec("create table t (id integer primary key)")
		s.job("steps:\n  - name: load\n    tasklet:\n      type: sql\n      connection: shop\n      statements:\n        - |\n          insert into t values (1);\n          insert into t values (1)\n")
		o, err := s.run()
		if fault.ClassOf(err) != fault.Constraint || fault.PositionOf(err).Line != 13 {
			s.Errorf("got %v of class %s", err, fault.ClassOf(err))
		}
		s.counts(o, "")
		s.rows("")
	})
	eachScene(t, "a check that does not hold is asked again in a restart, the statements are not repeated", func(s *scene) {
		s.exec("create table t (id integer)")
		s.job(`steps:
  - name: load
    tasklet: {type: sql, connection: shop, statements: [insert into t values (1)], context: {n: select count(*) from t}}
    check: [{connection: shop, query: select count(*) = 2 from t}]
`)
		s.fails("check failed")(s.run())
		s.fails("check failed")(s.restart())
		s.exec("insert into t values (2)")
		if o := s.completes(s.restart()); string(o.Execution.Context["n"]) != "1" {
			s.Errorf("context.n is %s, want 1", o.Execution.Context["n"])
		}
		s.rows("1 2")
	})
	eachScene(t, "autocommit goes on behind what was done", func(s *scene) {
		s.exec("create table t (id integer)")
		s.job(`steps:
  - name: load
    tasklet: {type: sql, connection: shop, autocommit: true, statements: [insert into t values (1), insert into u values (2), vacuum]}
`)
		s.fails("u")(s.run())
		s.rows("1")
		s.exec("create table u (id integer)")
		s.counts(s.completes(s.restart()), "w2")
		s.rows("1")
		s.holds("select id from u", "2")
	})
	eachScene(t, "a commit that nobody answered is not repeated", func(s *scene) {
		s.exec("create table t (id integer)")
		s.job("steps:\n  - name: load\n    tasklet: {type: sql, connection: shop, statements: [insert into t values (1)], context: {n: select count(*) from t}}\n")
		s.fused("ledger.commit.after", 1)
		if _, err := s.run(); err == nil {
			s.Fatal("the commit was answered")
		}
		o := s.completes(s.restart())
		s.rows("1")
		if step := s.step(o, "load"); step.Total.Write != 1 || string(o.Execution.Context["n"]) != "1" {
			s.Errorf("write_count %d, context %s", step.Total.Write, o.Execution.Context["n"])
		}
	})
	onScene(t, "a script runs behind the statements, its errors name file and line", func(s *scene) {
		s.exec("create table t (id integer)")
		s.write("close.sql", "\ufeff-- close the day\ninsert into t values (:n);\n\ninsert into nowhere values (1);\n")
		s.job("steps:\n  - name: load\n    tasklet: {type: sql, connection: shop, file: close.sql, args: {n: 7}}\n")
		_, err := s.run()
		if p := fault.PositionOf(err); p.File != "close.sql" || p.Line != 4 {
			s.Errorf("got %v", err)
		}
		s.rows("")
		s.write("close.sql", "insert into t values (:n)")
		s.completes(s.restart())
		s.rows("7")
	})
}

func TestSQLTaskletRefusesWhatCannotHold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ keys, want string }{
		"a commit":         {"statements: [insert into t values (1), commit]", "got commit"},
		"vacuum":           {"statements: [vacuum]", "vacuum cannot run in a transaction"},
		"an unknown bind":  {"statements: ['insert into t values (:x)'], args: {y: 1}", "nothing is called :x"},
		"two mistakes":     {"statements: ['vacuum into :x']", "nothing is called :x"},
		"nothing":          {"args: {y: 1}", "there is nothing to run"},
		"a reference":      {"statements: ['insert into t values (${params.x})']", "inside SQL"},
		"a wrong argument": {"statements: [select 1], args: {y: nope}", "nope"},
		"no file":          {"file: nowhere.sql", "nowhere.sql"},
		"an open quote":    {"statements: ['select ''a']", "unfinished quote"},
		"too large":        {"context: {x: \"with recursive r(n) as (select 1 union all select n + 1 from r where n < 70000) select group_concat('x', '') from r\"}", "more than 64 KiB"},
	} {
		onScene(t, name, func(s *scene) {
			s.exec("create table t (id integer)")
			s.job("steps:\n  - name: load\n    tasklet: {type: sql, connection: shop, " + c.keys + "}\n")
			o, err := s.run()
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.PositionOf(err).Line == 0 && c.keys != "file: nowhere.sql" {
				s.Errorf("got %v, want %q", err, c.want)
			}
			if o != nil && o.Execution.Status != batch.Failed {
				s.Errorf("got %s", o.Execution.Status)
			}
			s.rows("")
		})
	}
}
