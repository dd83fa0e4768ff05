package writers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// sqlRig is a database with what a test needs to write into it and to look at it.
type sqlRig struct {
	*testing.T
	db      *sqldb.DB
	driver  string
	notices []string
}

func eachSQL(t *testing.T, test func(r *sqlRig)) {
	t.Helper()
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, driver, dsn string) {
		db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: driver, DSN: dsn})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		test(&sqlRig{T: t, db: db, driver: driver})
	})
}

// run is t.Run with an empty database, which costs less than one of its own.
func (r *sqlRig) run(name string, test func(r *sqlRig)) {
	r.T.Run(name, func(t *testing.T) {
		sub := &sqlRig{T: t, db: r.db, driver: r.driver}
		if r.driver == "postgres" {
			sub.exec("drop schema public cascade; create schema public")
		} else {
			for _, kind := range []string{"view", "table"} {
				for _, name := range strings.Fields(sub.rows("select name from sqlite_schema where type = '" + kind + "' and name not like 'sqlite%' order by rowid desc")) {
					sub.exec("drop " + kind + " " + name)
				}
			}
		}
		test(sub)
	})
}

func (r *sqlRig) exec(statements ...string) {
	r.Helper()
	for _, s := range statements {
		if _, err := r.db.Exec(r.Context(), s); err != nil {
			r.Fatalf("%s: %v", s, err)
		}
	}
}

// values returns a result.
func (r *sqlRig) values(query string) [][]record.Value {
	r.Helper()
	c, err := sqldb.OpenCursor(r.Context(), r.db, query)
	if err != nil {
		r.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = c.Close() }()
	var all [][]record.Value
	var arena record.Arena
	for c.Next() {
		row := make([]record.Value, len(c.Columns()))
		if err := c.Scan(row, &arena); err != nil {
			r.Fatal(err)
		}
		all = append(all, row)
	}
	if err := c.Err(); err != nil {
		r.Fatal(err)
	}
	return all
}

// rows returns a result as lines of values joined by a bar; null is a dash.
func (r *sqlRig) rows(query string) string {
	r.Helper()
	var lines []string
	for _, row := range r.values(query) {
		var cells []string
		for _, v := range row {
			if v.IsNull() {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, string(v.Append(nil)))
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

func (r *sqlRig) want(query string, lines ...string) {
	r.Helper()
	if got, want := r.rows(query), strings.Join(lines, "\n"); got != want {
		r.Errorf("%s:\n got %s\nwant %s", query, got, want)
	}
}

func (r *sqlRig) env() *catalog.Env {
	return &catalog.Env{
		Location: time.FixedZone("KST", 9*3600),
		Connect:  func(string) (*sqldb.DB, error) { return r.db, nil },
		Notice:   func(message string) { r.notices = append(r.notices, message) },
	}
}

// writer returns the writer of a configuration with the defaults that decoding would set.
func (r *sqlRig) writer(conf sqlConf) batch.Writer {
	r.Helper()
	w, err := r.build(conf)
	if err != nil {
		r.Fatal(err)
	}
	return w
}

func (r *sqlRig) build(conf sqlConf) (batch.Writer, error) {
	conf.Connection = "shop"
	if conf.Mode == "" {
		conf.Mode = "insert"
	}
	if conf.Bulk == "" {
		conf.Bulk = "auto"
	}
	return newSQL(&conf, r.env())
}

// write writes chunks, each in a transaction of its own.
func (r *sqlRig) write(conf sqlConf, chunks ...[]record.Record) {
	r.Helper()
	if err := r.try(conf, chunks...); err != nil {
		r.Fatalf("%v\nhint: %s", err, fault.HintOf(err))
	}
}

func (r *sqlRig) try(conf sqlConf, chunks ...[]record.Record) error {
	r.Helper()
	w := r.writer(conf)
	if err := w.Open(r.Context(), nil); err != nil {
		return err
	}
	for _, rows := range chunks {
		if err := r.commit(w, rows); err != nil {
			return err
		}
	}
	return w.Close()
}

func (r *sqlRig) commit(w batch.Writer, rows []record.Record) error {
	r.Helper()
	err := r.transact(func(tx *sqldb.Tx) error {
		if err := w.Write(r.Context(), tx, rows); err != nil {
			return err
		}
		return w.Flush(r.Context(), tx)
	})
	if blamer, ok := w.(batch.Blamer); ok && err != nil {
		return blamer.Blame(r.Context(), rows, err) // as the runner does
	}
	return err
}

func (r *sqlRig) transact(fn func(tx *sqldb.Tx) error) error {
	r.Helper()
	conn, err := r.db.Conn(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	tx, err := conn.Begin(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback(r.Context()))
	}
	return tx.Commit(r.Context())
}

// sqlSchema reads "id:int name amount:decimal"; fields without a kind may be of any.
func sqlSchema(t testing.TB, fields string) *record.Schema {
	t.Helper()
	var list []record.Field
	for _, f := range strings.Fields(fields) {
		name, kindName, _ := strings.Cut(f, ":")
		list = append(list, record.Field{Name: name, Kind: sqlKind(kindName)})
	}
	s, err := record.NewSchema(list...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sqlKind(name string) record.Kind {
	for kind := record.Bool; kind <= record.JSON; kind++ {
		if kind.String() == name {
			return kind
		}
	}
	return record.Absent
}

// sqlRecords reads rows written as "1|Kim|0.10" by the kinds of a schema; a dash is null, an empty text absent.
func sqlRecords(t testing.TB, s *record.Schema, lines ...string) []record.Record {
	t.Helper()
	var rows []record.Record
	for _, line := range lines {
		var values []record.Value
		for i, cell := range strings.Split(line, "|") {
			var f record.Format
			v, err := f.Parse(s.Field(i).Kind, cell)
			switch cell {
			case "-":
				v, err = record.NullValue, nil
			case "":
				v, err = record.Value{}, nil
			}
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, v)
		}
		rows = append(rows, record.Record{Schema: s, Values: values})
	}
	return rows
}

func sqlLines(n int, format string) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(format, i+1)
	}
	return lines
}

func TestEachModeDoesToTheTableWhatItsNameSays(t *testing.T) {
	cases := []struct {
		name string
		conf sqlConf
		want []string
	}{
		{"insert", sqlConf{Mode: "insert", Columns: sqlColumns{{"k", "id"}, {"name", "name"}}}, []string{"1|one|10", "2|two|-", "101|new|-", "102|zwei|-"}},
		{"upsert", sqlConf{Mode: "upsert", Key: []string{"id"}}, []string{"1|new|5", "2|zwei|7"}},
		{"upsert adds", sqlConf{Mode: "upsert", Key: []string{"id"}, Add: []string{"amount"}}, []string{"1|new|15", "2|zwei|7"}},
		{"ignore", sqlConf{Mode: "ignore", Key: []string{"id"}}, []string{"1|one|10", "2|two|-"}},
		{"ignore any conflict", sqlConf{Mode: "ignore"}, []string{"1|one|10", "2|two|-"}},
		{"update", sqlConf{Mode: "update", Key: []string{"id"}}, []string{"1|new|5", "2|zwei|7"}},
		{"update adds", sqlConf{Mode: "update", Key: []string{"id"}, Add: []string{"amount"}}, []string{"1|new|15", "2|zwei|7"}},
		{"delete", sqlConf{Mode: "delete", Key: []string{"id"}}, nil},
	}
	eachSQL(t, func(r *sqlRig) {
		for _, bulk := range []string{"auto", "never"} {
			for _, c := range cases {
				r.run(c.name+" bulk "+bulk, func(r *sqlRig) {
					r.exec("create table p (id integer primary key, name varchar(10), amount numeric(12,2))",
						"insert into p values (1, 'one', 10), (2, 'two', null)")
					c.conf.Table, c.conf.Bulk = "p", bulk
					schema := sqlSchema(r, "k:int id:int name:text amount:decimal")
					rows := sqlRecords(r, schema, "101|1|new|5", "102|2|zwei|7")
					if len(c.conf.Columns) == 0 {
						c.conf.Columns = sqlColumns{{"id", "id"}, {"name", "name"}, {"amount", "amount"}}
					}
					r.write(c.conf, rows)
					query := "select id, name, amount from p order by id"
					if r.driver == "postgres" {
						query = "select id, name, trim_scale(amount) from p order by id"
					}
					r.want(query, c.want...)
				})
			}
		}
	})
}

func TestNewRowsOfUpsertAndIgnoreAreInserted(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		for _, mode := range []string{"upsert", "ignore"} {
			r.run(mode, func(r *sqlRig) {
				r.exec("create table p (id integer primary key, name text)", "insert into p values (2, 'old')")
				rows := sqlRecords(r, sqlSchema(r, "id:int name:text"), sqlLines(123, "%d|new")...)
				r.write(sqlConf{Table: "p", Mode: mode, Key: []string{"id"}}, rows)
				kept := "122"
				if mode == "upsert" {
					kept = "123"
				}
				r.want("select count(*), sum(case when name = 'new' then 1 else 0 end) from p", "123|"+kept)
			})
		}
	})
}

func TestRowsAreWrittenWhateverTheirNumber(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer primary key, name text)")
		schema := sqlSchema(r, "id:int name:text")
		next := 1
		for _, n := range []int{1, 9, 10, 11, 49, 50, 51, 60, 61, 1000} {
			lines := make([]string, n)
			for i := range lines {
				lines[i] = fmt.Sprintf("%d|n%d", next, next)
				next++
			}
			r.write(sqlConf{Table: "p"}, sqlRecords(r, schema, lines...))
		}
		r.want("select count(*), min(id), max(id), count(distinct name) as names from p", fmt.Sprintf("%d|1|%d|%d", next-1, next-1, next-1))
	})
}

func TestEqualKeysOfAChunkAreFolded(t *testing.T) {
	lines := []string{"2|b|1", "1|a|0.10", "2|c|2", "1|z|-", "3|q|-", "1|y|0.20", "3|r|-"}
	cases := []struct {
		name string
		conf sqlConf
		want []string
	}{
		{"the last wins", sqlConf{Mode: "upsert"}, []string{"1|y|0.2", "2|c|2", "3|r|-"}},
		{"adding columns are summed", sqlConf{Mode: "upsert", Add: []string{"amount"}}, []string{"1|y|0.3", "2|c|3", "3|r|-"}},
		{"the first stays", sqlConf{Mode: "ignore"}, []string{"1|a|0.1", "2|b|1", "3|q|-"}},
	}
	eachSQL(t, func(r *sqlRig) {
		for _, c := range cases {
			for _, size := range []int{1, 2, 7} {
				r.run(fmt.Sprintf("%s, chunks of %d", c.name, size), func(r *sqlRig) {
					r.exec("create table p (id integer primary key, name text, amount text)")
					if r.driver == "postgres" {
						r.exec("alter table p alter amount type numeric using null")
					}
					rows := sqlRecords(r, sqlSchema(r, "id:int name:text amount:decimal"), lines...)
					var chunks [][]record.Record
					for at := 0; at < len(rows); at += size {
						chunks = append(chunks, rows[at:min(at+size, len(rows))])
					}
					c.conf.Table, c.conf.Key = "p", []string{"id"}
					r.write(c.conf, chunks...)
					query := "select id, name, trim_scale(amount) from p order by id"
					if r.driver == "sqlite" {
						query = "select id, name, rtrim(amount, '0') from p order by id"
					}
					r.want(query, c.want...)
				})
			}
		}
	})
}

func TestKeysThatAreEqualToTheDatabaseAreFolded(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (k numeric(10,2) primary key, day timestamp, n integer)")
		if r.driver == "sqlite" {
			r.exec("drop table p", "create table p (k numeric primary key, day text, n integer)")
		}
		rows := sqlRecords(r, sqlSchema(r, "k n:int"), "1|1", "1.0|2", "01.00|4", "2|8")
		r.write(sqlConf{Table: "p", Mode: "upsert", Key: []string{"k"}, Add: []string{"n"}}, rows)
		r.want("select n from p order by k", "7", "8")
	})
}

func TestNullKeysAreNeverFolded(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (k integer unique, n integer)")
		rows := sqlRecords(r, sqlSchema(r, "k:int n:int"), "-|1", "-|2", "5|3", "5|4")
		r.write(sqlConf{Table: "p", Mode: "upsert", Key: []string{"k"}}, rows)
		r.want("select k, n from p order by n", "-|1", "-|2", "5|4")
	})
}

func TestAThousandTimesTenCentsAreOneHundred(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		for _, size := range []int{5, 77, 1000} {
			for _, create := range []bool{true, false} {
				r.run(fmt.Sprintf("chunks of %d, created %t", size, create), func(r *sqlRig) {
					if !create {
						r.exec(map[string]string{
							"sqlite":   "create table totals (id integer primary key, total text)",
							"postgres": "create table totals (id integer primary key, total numeric(12,2))",
						}[r.driver])
					}
					rows := sqlRecords(r, sqlSchema(r, "id:int total:decimal"), slices.Repeat([]string{"1|0.10"}, 1000)...)
					var chunks [][]record.Record
					for at := 0; at < len(rows); at += size {
						chunks = append(chunks, rows[at:min(at+size, len(rows))])
					}
					r.write(sqlConf{Table: "totals", Mode: "upsert", Key: []string{"id"}, Add: []string{"total"}, Create: create}, chunks...)
					r.want("select total from totals", "100.00")
				})
			}
		}
	})
}

func TestAnIntegerSumThatOverflowsIsAnErrorOfTheRow(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id bigint primary key, n bigint)")
		rows := sqlRecords(r, sqlSchema(r, "id:int n:int"), "2|1", "1|9223372036854775807", "1|1")
		err := r.try(sqlConf{Table: "p", Mode: "upsert", Key: []string{"id"}, Add: []string{"n"}}, rows)
		wantSQLRow(r.T, err, 2, "integer overflow: 9223372036854775807 + 1")
	})
}

func wantSQLRow(t *testing.T, err error, row int, words ...string) {
	t.Helper()
	var bad *batch.RowError
	if !errors.As(err, &bad) {
		t.Fatalf("got error %v, want one of row %d", err, row)
	}
	if bad.Row != row || !fault.ClassOf(err).Data() {
		t.Errorf("got row %d, class %s, want row %d and a class of data: %v", bad.Row, fault.ClassOf(err), row, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want it to hold %q", err, w)
		}
	}
}
