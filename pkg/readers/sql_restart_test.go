package readers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

func TestARestartGoesOnBehindTheLastKeyWhateverHappenedBefore(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(9)
		for name, conf := range map[string]sqlConf{
			"streamed": {Query: sqlText("select id, name from p"), Keyset: []string{"id"}},
			"paged":    {Query: sqlText("select id, name from p"), Keyset: []string{"id"}, Page: 2},
		} {
			state := r.stateAfter(conf, 4)
			r.exec("delete from p where id in (2, 4)", "update p set name = 'changed' where id = 6", "insert into p values (40, 1, 1, 'late')")
			got, err := r.all(conf, state)
			r.wantLines(got, err, "5|n5", "6|changed", "7|n7", "8|n8", "9|n9", "40|late")
			if t := got; len(t) == 0 {
				r.Fatal(name)
			}
			r.exec("delete from p")
			for i := range 9 {
				r.exec(fmt.Sprintf("insert into p values (%d, 1, 1, 'n%d')", i+1, i+1))
			}
		}
	})
}

func TestAStepMayChangeTheTableThatItReadsByPages(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(20)
		reader := r.reader(sqlConf{Query: sqlText("select id, name from p where name <> 'done'"), Keyset: []string{"id"}, Page: 3})
		if err := reader.Open(r.Context(), nil); err != nil {
			r.Fatal(err)
		}
		var all []string
		for {
			lines, err := r.read(reader, 1)
			if err != nil {
				r.Fatal(err)
			}
			if len(lines) == 0 {
				break
			}
			all = append(all, lines...)
			id, _, _ := strings.Cut(lines[0], "|")
			r.exec("update p set name = 'done' where id = " + id)
		}
		if len(all) != 20 {
			r.Errorf("got %d rows: %v", len(all), all)
		}
	})
}

func TestAKeysetThatIsNotUniqueIsAnErrorAndLosesNothing(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (k integer, n integer)", "insert into p values (1, 1), (2, 2), (3, 3), (3, 4), (5, 5)")
		for page := range 6 {
			conf := sqlConf{Query: sqlText("select k, n from p"), Keyset: []string{"k"}, Page: page}
			got, err := r.all(conf, nil)
			if len(got) != 3 {
				r.Errorf("page %d: read %v before the error", page, got)
			}
			r.wantError(err, fault.Definition, "keyset is not unique: k=3 twice", "add a column")
			state := r.stateAfter(conf, 3)
			_, err = r.all(conf, state)
			r.wantError(err, fault.Definition, "keyset is not unique: k=3 twice")
		}
	})
}

// Texts can be equal to the database though their bytes differ: only it can tell.
func TestKeysThatOnlyTheDatabaseFindsEqualAreSeenAtTheBorderOfAPage(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		table := map[string]string{
			"sqlite":   "create table p (k text collate nocase)",
			"postgres": "create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false); create table p (k text collate nocase)",
		}[r.driver]
		r.exec(table, "insert into p values ('a'), ('B'), ('b'), ('c')")
		conf := sqlConf{Query: sqlText("select k from p"), Keyset: []string{"k"}}
		_, err := r.all(conf, r.stateAfter(conf, 2))
		r.wantError(err, fault.Definition, "keyset is not unique")
		conf.Page = 2
		_, err = r.all(conf, nil)
		r.wantError(err, fault.Definition, "keyset is not unique")
		r.exec("delete from p where k = 'b'", "insert into p values ('B')")
		got, err := r.all(conf, nil)
		r.wantLines(got, err, "a", "B", "c")
	})
}

func TestANullKeyIsAnErrorAlsoWhereAComparisonHidesIt(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (a integer, b integer)", "insert into p values (1, 1), (1, 2), (1, null), (2, 1), (3, 1)")
		for page := range 5 {
			conf := sqlConf{Query: sqlText("select a, b from p"), Keyset: []string{"a", "b"}, Page: page}
			_, err := r.all(conf, nil)
			r.wantError(err, fault.Definition, "null")
		}
		r.exec("delete from p where b is null")
		conf := sqlConf{Query: sqlText("select a, b from p"), Keyset: []string{"a", "b"}}
		state := r.stateAfter(conf, 3)
		r.exec("insert into p values (2, null)")
		_, err := r.all(conf, state)
		r.wantError(err, fault.Definition, "keyset (a, b) is null in some rows")
	})
}

// The first range has null, too. Where that cannot be read, because the column is a key, no row with it goes unnoticed; where
// it can, the row is read.
func TestARangeOfAKeyDoesNotAskForNullButFindsIt(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (a integer, b integer)", "insert into p values (1, 1), (2, 1), (3, 1), (4, 1)")
		division := batch.Division{By: "range", Column: "a", Count: 2}
		first := func(page int, keyset ...string) ([]string, error) {
			reader := r.reader(sqlConf{Query: sqlText("select a, b from p"), Keyset: keyset, Page: page})
			defer func() { _ = reader.Close() }()
			shares, err := reader.Divide(r.Context(), division)
			if err == nil {
				err = errors.Join(reader.Take(shares[0]), reader.Open(r.Context(), nil))
			}
			if err != nil {
				return nil, err
			}
			if asks := strings.Contains(reader.text(), "null"); asks != (keyset[0] == "b") {
				r.Errorf("keyset %v: the query is %s", keyset, reader.text())
			}
			return r.read(reader, 1<<20)
		}
		for page := range 3 {
			got, err := first(page, "a")
			r.wantLines(got, err, "1|1", "2|1")
		}
		r.exec("insert into p values (null, 7)")
		for page := range 3 {
			got, err := first(page, "a", "b")
			r.wantError(err, fault.Definition, "keyset (a, b) is null in some rows, which were not read")
			r.wantLines(got, nil, "1|1", "2|1")
		}
		r.exec("update p set b = a where a is not null")
		got, err := first(0, "b")
		r.wantLines(got, err, "1|1", "2|2", "null|7")
	})
}

func TestKeysOfEveryTypeResumeExactly(t *testing.T) {
	cases := map[string][2]string{
		"integer":     {"bigint", "-9223372036854775808;-1;0;1;9007199254740993;9223372036854775807"},
		"decimal":     {"numeric(38,10)", "-1.5;0.1;0.1000000001;0.2;10;9.9"},
		"float":       {"double precision", "-1e300;-0.1;0.1;0.30000000000000004;1e-300;1e300;12345678.9"},
		"text":        {"text", "'';' ';'a';'A';'b';'é';'ä';'한글';'\"';''''"},
		"date":        {"date", "'2026-01-01';'2026-11-20';'1999-12-31'"},
		"timestamp":   {"timestamp", "'2026-01-01 10:00:00';'2026-01-01 10:00:00.000001';'2026-01-01 10:00:00.1'"},
		"timestamptz": {"timestamptz", "'2026-01-01 10:00:00+00';'2026-01-01 10:00:00.123456+00';'2026-01-01 10:00:00.123457+00'"},
		"boolean":     {"boolean", "true;false"},
		"uuid":        {"uuid", "'00000000-0000-0000-0000-000000000001';'ffffffff-0000-0000-0000-000000000001'"},
		"bytes":       {"bytea", `'\x00';'\xff';'\x41'`},
		"expression":  {"integer", "1;2;30;100"},
	}
	eachSQL(t, func(r *sqlRig) {
		for name, c := range cases {
			column, values := c[0], c[1]
			if r.driver == "sqlite" && (name == "uuid" || name == "timestamptz") {
				continue
			}
			if r.driver == "sqlite" && name == "bytes" {
				column, values = "blob", "x'00';x'ff';x'41'"
			}
			r.exec("drop table if exists p", "create table p (k "+column+" primary key)")
			for v := range strings.SplitSeq(values, ";") {
				r.exec("insert into p values (" + v + ")")
			}
			queries := []string{"select k from p", "select distinct k from p", "select k from (select k, count(*) as n from p group by k) x"}
			if name == "expression" {
				queries = []string{"select k * 2.5 as k from p"}
			}
			for _, query := range queries {
				for page := range 3 {
					r.resumeEverywhere(sqlConf{Query: sqlText(query), Keyset: []string{"k"}, Page: page})
				}
			}
		}
	})
}

// resumeEverywhere stops behind each row and goes on.
func (r *sqlRig) resumeEverywhere(conf sqlConf) {
	r.Helper()
	full, err := r.all(conf, nil)
	if err != nil || len(full) < 2 {
		r.Fatalf("%s: %v %v", conf.Query.Text, full, err)
	}
	for n := range full {
		rest, err := r.all(conf, throughJSON(r.T, r.stateAfter(conf, n)))
		r.wantLines(rest, err, full[n:]...)
	}
}

func throughJSON(t *testing.T, state batch.State) batch.State {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(state, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTextsThatAreNotUTF8ResumeExactlyOnSQLite(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver != "sqlite" {
			r.Skip("PostgreSQL stores none")
		}
		r.exec("create table p (k text primary key)", "insert into p values (cast(x'61ff' as text)), (cast(x'61fe' as text)), ('b')")
		conf := sqlConf{Query: sqlText("select k from p"), Keyset: []string{"k"}}
		got, err := r.all(conf, throughJSON(r.T, r.stateAfter(conf, 1)))
		r.wantLines(got, err, "a\xff", "b")
	})
}

func TestWithoutKeysetARestartRefusesRowsThatAreNotTheSame(t *testing.T) {
	changes := map[string]string{
		"a row changed":    "update p set name = 'changed' where id = 2",
		"a row went":       "delete from p where id = 1",
		"a row came":       "insert into p values (0, 0, 0, 'n0')",
		"most rows went":   "delete from p where id > 2",
		"nothing":          "select 1",
		"later rows only":  "update p set name = 'changed' where id > 4",
		"null for a value": "update p set name = null where id = 3",
	}
	eachSQL(t, func(r *sqlRig) {
		for name, change := range changes {
			r.T.Run(name, func(t *testing.T) {
				r := &sqlRig{T: t, db: r.db, driver: r.driver}
				r.exec("drop table if exists p")
				r.payments(6)
				conf := sqlConf{Query: sqlText("select id, name from p order by id")}
				state := r.stateAfter(conf, 4)
				r.exec(change)
				got, err := r.all(conf, throughJSON(r.T, state))
				switch name {
				case "nothing":
					r.wantLines(got, err, "5|n5", "6|n6")
				case "later rows only":
					r.wantLines(got, err, "5|changed", "6|changed")
				default:
					if !errors.Is(err, batch.ErrNotRestartable) || !strings.Contains(fault.HintOf(err), "keyset: [...]") {
						r.Errorf("got %v, %v", got, err)
					}
				}
			})
		}
	})
}

func TestARestartWithAnotherKeysetIsRefused(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(6)
		conf := sqlConf{Query: sqlText("select id, name from p"), Keyset: []string{"id"}}
		state := r.stateAfter(conf, 4)
		conf.Keyset = []string{"name"}
		if _, err := r.all(conf, state); !errors.Is(err, batch.ErrNotRestartable) {
			r.Errorf("got %v", err)
		}
		conf.Keyset = nil
		if _, err := r.all(conf, state); !errors.Is(err, batch.ErrNotRestartable) {
			r.Errorf("got %v", err)
		}
	})
}

func TestTheStreamIsASnapshot(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(6)
		for _, conf := range []sqlConf{{Query: sqlText("select id from p order by id")}, {Query: sqlText("select id from p"), Keyset: []string{"id"}}} {
			reader := r.reader(conf)
			if err := reader.Open(r.Context(), nil); err != nil {
				r.Fatal(err)
			}
			first, err := r.read(reader, 1)
			r.wantLines(first, err, "1")
			r.exec("insert into p values (100, 1, 1, 'late')", "delete from p where id = 100")
			r.exec("insert into p values (100, 1, 1, 'late')")
			rest, err := r.read(reader, 100)
			r.wantLines(rest, err, "2", "3", "4", "5", "6")
			r.exec("delete from p where id = 100")
		}
	})
}

func TestBindsAreArgsThenParametersThenBuiltIns(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(6)
		r.scope = sqlScope{"params.low": record.OfInt(2), "params.high": record.OfInt(3), "job.name": record.OfText("settle")}
		conf := sqlConf{
			Query:  sqlText("select id, cast(:job_name as varchar(20)) as job, ':low' as quoted from p where id >= :low and id <= :high and id <> :low + 1"),
			Args:   config.Map[config.Expression]{{Name: "high", Value: config.Expression{Source: "params.low + 2"}}},
			Keyset: []string{"id"}, Page: 1,
		}
		got, err := r.all(conf, nil)
		r.wantLines(got, err, "2|settle|:low", "4|settle|:low")
	})
}

func TestABindThatNothingIsCalledIsAnErrorWithAHint(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(1)
		r.scope = sqlScope{"params.date": record.OfText("x")}
		conf := sqlConf{Query: sqlText("select id from p where name = :dat"), Keyset: []string{"id"}}
		_, err := r.all(conf, nil)
		r.wantError(err, fault.Definition, "nothing is called :dat", `did you mean "date"?`)
		_, err = r.reader(conf).Schema(r.Context())
		r.wantError(err, fault.Definition, "nothing is called :dat")
	})
}

func TestSchemaSaysWhatIsWrongWithoutReading(t *testing.T) {
	cases := []struct {
		name string
		conf sqlConf
		want []string
	}{
		{"unknown table", sqlConf{Query: sqlText("select * from nowhere"), Keyset: []string{"id"}}, []string{"nowhere"}},
		{"unknown column", sqlConf{Query: sqlText("select idd from p"), Keyset: []string{"idd"}}, []string{"idd"}},
		{"keyset not in the result", sqlConf{Query: sqlText("select seller_id from p"), Keyset: []string{"seler_id"}}, []string{`keyset column "seler_id" is not in the result`, `did you mean "seller_id"?`}},
		{"column twice", sqlConf{Query: sqlText("select id, seller_id as id from p"), Keyset: []string{"id"}}, []string{`"id"`}},
		{"syntax", sqlConf{Query: sqlText("select from where"), Keyset: []string{"id"}}, nil},
	}
	eachSQL(t, func(r *sqlRig) {
		r.payments(1)
		for _, c := range cases {
			_, err := r.reader(c.conf).Schema(r.Context())
			r.wantError(err, fault.Definition, c.want...)
			_, err = r.all(c.conf, nil)
			r.wantError(err, fault.Definition, c.want...)
		}
		s, err := r.reader(sqlConf{Query: sqlText("select id, seller_id, amount, name from p")}).Schema(r.Context())
		if err != nil || s.Field(0).Kind != record.Int || s.Field(2).Kind != record.Decimal || s.Field(3).Kind != record.Text {
			r.Errorf("schema %v, %v", s, err)
		}
		if len(r.notices) != 1 || !strings.Contains(r.notices[0], "no order by") {
			r.Errorf("notices %q", r.notices)
		}
	})
}

func TestABadRowIsNamedAndPassedOver(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec(map[string]string{
			"sqlite":   "create table p (amount numeric(12,2), id integer primary key)",
			"postgres": "create table p (amount numeric, id integer primary key)",
		}[r.driver], "insert into p values (1, 1)", map[string]string{"sqlite": "insert into p values ('abc', 2)", "postgres": "insert into p values ('NaN', 2)"}[r.driver],
			"insert into p values (3, 3)")
		for page := range 3 {
			conf := sqlConf{Query: sqlText("select amount, id from p"), Keyset: []string{"id"}, Page: page}
			reader := r.reader(conf)
			if err := reader.Open(r.Context(), nil); err != nil {
				r.Fatal(err)
			}
			first, err := r.read(reader, 1)
			r.wantLines(first, err, "1|1")
			_, err = r.read(reader, 1)
			var bad *batch.BadRecord
			if !errors.As(err, &bad) || bad.Origin.Line != 2 {
				r.Fatalf("got %v", err)
			}
			r.wantError(err, fault.Validation, "shop:2: column amount")
			state, err := reader.State()
			if err != nil {
				r.Fatal(err)
			}
			rest, err := r.all(conf, state)
			r.wantLines(rest, err, "3|3")
		}
	})
}

func TestARowIsLocatedByItsKey(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(6)
		conf := sqlConf{Query: sqlText("select * from p"), Keyset: []string{"seller_id", "id"}}
		reader := r.reader(conf)
		if err := reader.Open(r.Context(), r.stateAfter(conf, 4)); err != nil {
			r.Fatal(err)
		}
		var chunk record.Chunk
		if err := reader.Read(r.Context(), &chunk); err != nil {
			r.Fatal(err)
		}
		if got, want := reader.Locate(chunk.In.Row(0), chunk.Origins[0]), "row 5 (seller_id=1, id=5)"; got != want {
			r.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestAReaderGoesOnAfterItsConnectionWasLost(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver == "sqlite" {
			r.Skip("SQLite has no connection to lose")
		}
		r.exec("create table p (id integer primary key, fill text)", "insert into p select i, repeat('x', 1000) from generate_series(1, 20000) i")
		for name, conf := range map[string]sqlConf{
			"stream": {Query: sqlText("select id, fill from p"), Keyset: []string{"id"}},
			"paged":  {Query: sqlText("select id, fill from p"), Keyset: []string{"id"}, Page: 100},
		} {
			reader := r.reader(conf)
			if err := reader.Open(r.Context(), nil); err != nil {
				r.Fatal(err)
			}
			if _, err := r.read(reader, 10); err != nil {
				r.Fatal(err)
			}
			state, err := reader.State()
			if err != nil {
				r.Fatal(err)
			}
			r.exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
			if _, err := r.read(reader, 1<<20); fault.ClassOf(err) != fault.Transient {
				r.Fatalf("%s: after the end of its session: %v (%s)", name, err, fault.ClassOf(err))
			}
			if err := reader.Open(r.Context(), state); err != nil {
				r.Fatal(err)
			}
			if rest, err := r.read(reader, 1<<20); err != nil || len(rest) != 19990 {
				r.Errorf("%s: read %d rows, %v", name, len(rest), err)
			}
		}
	})
}

func TestProgressIsTheDatabasesEstimate(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(90)
		r.exec("analyze")
		r.scope = sqlScope{"params.low": record.OfInt(0)}
		conf := sqlConf{Query: sqlText("select id from p where id > :low"), Keyset: []string{"id"}}
		reader := r.reader(conf)
		if err := reader.Open(r.Context(), r.stateAfter(conf, 30)); err != nil {
			r.Fatal(err)
		}
		want := map[string]int64{"sqlite": 0, "postgres": 90}[r.driver]
		if done, total := reader.Progress(); done != 30 || total != want {
			r.Errorf("got %d of %d, want 30 of %d", done, total, want)
		}
	})
}

func TestAQueryThatWritesIsRefused(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(3)
		if _, err := r.all(sqlConf{Query: sqlText("delete from p returning id")}, nil); err == nil {
			r.Error("accepted")
		}
		got, err := r.all(sqlConf{Query: sqlText("select count(*) as n from p")}, nil)
		r.wantLines(got, err, "3")
	})
}

// A row costs what database/sql and the driver allocate for it; the reader adds nothing.
func TestReadingAllocatesNothingOfItsOwnForARow(t *testing.T) {
	r := newSQLRig(t, "postgres", sqltest.Postgres(t))
	r.exec("create table p (id integer primary key, name text)", "insert into p select i, 'some name' from generate_series(1, 30000) i")
	query := "select id, name from p order by id"
	cursor, err := sqldb.OpenCursor(context.Background(), r.db, query)
	if err != nil {
		r.Fatal(err)
	}
	row := make([]record.Value, 2)
	var chunk record.Chunk
	bare := testing.AllocsPerRun(10, func() {
		chunk.Reset()
		for range 1000 {
			if !cursor.Next() || cursor.Scan(row, &chunk.In.Arena) != nil {
				r.Fatal("no row")
			}
		}
	})
	if err := cursor.Close(); err != nil {
		r.Fatal(err)
	}
	for name, conf := range map[string]sqlConf{"keyset": {Query: sqlText(query), Keyset: []string{"id"}}, "position": {Query: sqlText(query)}} {
		reader := r.reader(conf)
		if err := reader.Open(context.Background(), nil); err != nil {
			r.Fatal(err)
		}
		got := testing.AllocsPerRun(10, func() {
			chunk.Reset()
			for range 1000 {
				if err := reader.Read(context.Background(), &chunk); err != nil {
					r.Fatal(err)
				}
			}
		})
		if got > bare+50 {
			r.Errorf("%s: %v allocations for 1000 rows, and %v without the reader", name, got, bare)
		}
	}
}
