package writers

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// hostile are texts that mean something to SQL, to COPY, to JSON or to a terminal.
func hostile() []string {
	texts := []string{"", " ", "'", "''", `"`, `\`, `\\`, `\.`, `\N`, `\n`, `\t`, "\\\n", "\n", "\r", "\r\n", "\t", "\b", "\f", "\v", "a\tb", "a\nb",
		"{a,b}", `{"a":"b"}`, "NULL", "null", "$1", "?1", ":name", "%s", "; drop table p; --", "--", "/*", "*/", "$$", "$a$", "E'\\''", "U&'\\0041'",
		"한글 이름", "日本語", "é", "e\u0301", "\u202e", "\ufeff", "😀", "\U0010FFFF", "\x01", "\x1b[31m", "\x7f", "\u0085", "\u2028", "0", "-0", "1e5", "NaN", "true",
		"2026-11-20", strings.Repeat("x", 70000), strings.Repeat("\\\n\t", 30000)}
	random := rand.New(rand.NewPCG(1, 2))
	for len(texts) < 200 {
		var b strings.Builder
		for range random.IntN(40) {
			r := rune(1 + random.IntN(0x2ff))
			if random.IntN(3) == 0 {
				r = []rune(`\n'"$:;,{}`)[random.IntN(10)]
			}
			if utf8.ValidRune(r) {
				b.WriteRune(r)
			}
		}
		texts = append(texts, b.String())
	}
	return texts
}

func TestHostileTextsComeBackByteForByteInEveryMode(t *testing.T) {
	schema := sqlSchema(t, "id:int txt:text")
	var rows []record.Record
	for i, text := range hostile() {
		rows = append(rows, record.Record{Schema: schema, Values: []record.Value{record.OfInt(int64(i)), record.OfText(text)}})
	}
	eachSQL(t, func(r *sqlRig) {
		for _, conf := range []sqlConf{
			{Mode: "insert"}, {Mode: "insert", Bulk: "never"}, {Mode: "upsert", Key: []string{"id"}}, {Mode: "upsert", Key: []string{"txt"}},
			{Mode: "update", Key: []string{"id"}}, {Mode: "update", Key: []string{"id"}, Bulk: "never"},
		} {
			r.run(conf.Mode+" "+strings.Join(conf.Key, ",")+" "+conf.Bulk, func(r *sqlRig) {
				conf.Table = "p"
				index := "id integer primary key, txt text"
				if len(conf.Key) == 1 && conf.Key[0] == "txt" {
					index = "id integer, txt text primary key"
				}
				r.exec("create table p (" + index + ")")
				if conf.Mode == "update" {
					r.write(sqlConf{Table: "p", Columns: sqlColumns{{"id", "id"}}}, rows)
				}
				r.write(conf, rows)
				r.compareTexts(rows)
			})
		}
	})
}

// compareTexts compares the texts of table p with those of records, the last of equal texts by its id.
func (r *sqlRig) compareTexts(rows []record.Record) {
	r.Helper()
	c, err := sqldb.OpenCursor(r.Context(), r.db, "select id, txt from p order by id")
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	seen := map[string]bool{}
	row := make([]record.Value, 2)
	var arena record.Arena
	for c.Next() {
		if err := c.Scan(row, &arena); err != nil {
			r.Fatal(err)
		}
		if want := rows[row[0].Int()].Values[1].Text(); row[1].Text() != want {
			r.Errorf("row %d: got %q, want %q", row[0].Int(), row[1].Text(), want)
		}
		seen[row[1].Text()] = true
	}
	for _, one := range rows {
		if !seen[one.Values[1].Text()] {
			r.Errorf("%q is missing", one.Values[1].Text())
		}
	}
}

func TestHostileNamesOfTablesAndColumns(t *testing.T) {
	names := []string{`a"b`, "select", "two words", "UPPER", "ünï", "a'b", "semi;colon", "per%cent", "a.b", `back\slash`, "new\nline", ":bind", "$1"}
	eachSQL(t, func(r *sqlRig) {
		for i, name := range names {
			table := strings.ReplaceAll(name, ".", "_")
			for _, mode := range []string{"insert", "upsert"} {
				conf := sqlConf{Table: table, Mode: mode, Key: []string{"id"}, Create: true}
				s, err := record.NewSchema(record.Field{Name: "id", Kind: record.Int}, record.Field{Name: name})
				if err != nil {
					r.Fatal(err)
				}
				id := fmt.Sprint(i + 1)
				if mode == "upsert" {
					id += "0"
				}
				r.write(conf, sqlRecords(r, s, id+"1|x"), sqlRecords(r, s, id+"2|y"))
			}
			r.want("select count(*) from "+r.db.Dialect().Quote(table), "4")
		}
	})
}

func TestBytesComeBackByteForByte(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	eachSQL(t, func(r *sqlRig) {
		kind := map[string]string{"sqlite": "blob", "postgres": "bytea"}[r.driver]
		for _, bulk := range []string{"auto", "never"} {
			r.run(bulk, func(r *sqlRig) {
				r.exec("create table p (id integer primary key, b " + kind + ")")
				schema := sqlSchema(r, "id:int b")
				rows := []record.Record{
					{Schema: schema, Values: []record.Value{record.OfInt(1), record.OfBytes(string(all))}},
					{Schema: schema, Values: []record.Value{record.OfInt(2), record.OfText(`\x41`)}},
				}
				r.write(sqlConf{Table: "p", Bulk: bulk}, rows)
				r.want("select id from p where b is not null order by id", "1", "2")
				c, err := sqldb.OpenCursor(r.Context(), r.db, "select b from p order by id")
				if err != nil {
					r.Fatal(err)
				}
				defer func() { _ = c.Close() }()
				for _, want := range []string{string(all), `\x41`} {
					row := make([]record.Value, 1)
					var arena record.Arena
					if !c.Next() || c.Scan(row, &arena) != nil || row[0].Text() != want {
						r.Errorf("got %q, want %q", row[0].Text(), want)
					}
				}
			})
		}
	})
}

func TestAValueThatDoesNotFitItsColumnIsRefusedOnBothDatabases(t *testing.T) {
	cases := []struct{ column, value, hint string }{
		{"integer", "12abc", ""}, {"integer", "1.9", ""}, {"integer", "", ""}, {"integer", "99999999999999999999", ""},
		{"numeric(12,2)", "12,50", ""}, {"numeric(12,2)", "abc", ""}, {"double precision", "1.5x", ""}, {"boolean", "maybe", ""},
		{"date", "20.11.2026x", ""}, {"timestamp", "soon", ""},
	}
	eachSQL(t, func(r *sqlRig) {
		for _, c := range cases {
			for _, conf := range []sqlConf{{Mode: "insert"}, {Mode: "insert", Bulk: "never"}, {Mode: "upsert", Key: []string{"id"}}} {
				r.run(c.column+" "+c.value+" "+conf.Mode+conf.Bulk, func(r *sqlRig) {
					r.exec("create table p (id integer primary key, v " + c.column + ")")
					schema := sqlSchema(r, "id:int v")
					rows := []record.Record{
						{Schema: schema, Values: []record.Value{record.OfInt(1), record.NullValue}},
						{Schema: schema, Values: []record.Value{record.OfInt(2), record.OfText(c.value)}},
					}
					conf.Table = "p"
					wantSQLRow(r.T, r.try(conf, rows), 1, c.value)
				})
			}
		}
	})
}

func TestTooLongTextsAreRefusedNeverCut(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver == "sqlite" {
			r.Skip("SQLite's declared lengths mean nothing")
		}
		for _, conf := range []sqlConf{{Mode: "insert"}, {Mode: "insert", Bulk: "never"}, {Mode: "update", Key: []string{"id"}}, {Mode: "update", Key: []string{"id"}, Bulk: "never"},
			{Mode: "upsert", Key: []string{"id"}}} {
			r.run(conf.Mode+conf.Bulk, func(r *sqlRig) {
				r.exec("create table p (id integer primary key, v varchar(3))")
				if conf.Mode == "update" {
					r.exec("insert into p values (1, 'old')")
				}
				conf.Table = "p"
				err := r.try(conf, sqlRecords(r, sqlSchema(r, "id:int v"), "1|four"))
				wantSQLRow(r.T, err, 0, "too long")
			})
		}
	})
}

func TestDecimalsThatSQLiteWouldRoundAreRefused(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver != "sqlite" {
			r.Skip("PostgreSQL's numeric is exact")
		}
		r.exec("create table p (exact text, near numeric(20,2))")
		schema := sqlSchema(r, "exact:decimal near:decimal")
		r.write(sqlConf{Table: "p"}, sqlRecords(r, schema, "12345678901234567.89|1234567890123.45"))
		r.want("select exact, near from p", "12345678901234567.89|1234567890123.45")
		err := r.try(sqlConf{Table: "p"}, sqlRecords(r, schema, "1|12345678901234567.89"))
		wantSQLRow(r.T, err, 0, "SQLite would round 12345678901234567.89")
	})
}

func TestMomentsStayWhatTheyAre(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver == "sqlite" {
			r.Skip("SQLite stores the text")
		}
		r.exec("create table p (id integer, z timestamptz, w timestamp)")
		rows := sqlRecords(r, sqlSchema(r, "id:int z:datetime w:datetime"),
			"1|2026-11-20T10:00:00+02:00|2026-11-20T10:00:00+02:00", "2|2026-11-20T10:00:00.123456|2026-11-20T10:00:00.123456")
		for _, bulk := range []string{"auto", "never"} {
			r.write(sqlConf{Table: "p", Bulk: bulk}, rows)
			// The job's zone is UTC+9: a reading without a zone is meant there, and a column without one is kept in it.
			r.want("select distinct id, z at time zone 'UTC' as z, w from p order by id",
				"1|2026-11-20 08:00:00|2026-11-20 17:00:00", "2|2026-11-20 01:00:00.123456|2026-11-20 10:00:00.123456")
		}
	})
}

func TestATextWithANULByteIsAnErrorOfItsRowOnPostgreSQL(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver == "sqlite" {
			r.Skip("SQLite takes it")
		}
		r.exec("create table p (id integer primary key, v text)")
		schema := sqlSchema(r, "id:int v:text")
		rows := sqlRecords(r, schema, "1|a", "2|b")
		rows = append(rows, record.Record{Schema: schema, Values: []record.Value{record.OfInt(3), record.OfText("a\x00b")}})
		for _, conf := range []sqlConf{{Mode: "insert"}, {Mode: "insert", Bulk: "never"}, {Mode: "upsert", Key: []string{"id"}}} {
			conf.Table = "p"
			err := r.try(conf, rows)
			wantSQLRow(r.T, err, 2)
			if fault.ClassOf(err) != fault.Constraint {
				r.Errorf("class %s", fault.ClassOf(err))
			}
		}
	})
}

func TestKeysThatOnlyTheDatabaseFindsEqualAreExplained(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver == "sqlite" {
			r.exec("create table p (k text collate nocase primary key, n integer)")
			r.write(sqlConf{Table: "p", Mode: "upsert", Key: []string{"k"}, Add: []string{"n"}}, sqlRecords(r, sqlSchema(r, "k n:int"), "a|1", "A|2"))
			r.want("select n from p", "3")
			return
		}
		r.exec("create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false); create table p (k text collate nocase primary key, n integer)")
		err := r.try(sqlConf{Table: "p", Mode: "upsert", Key: []string{"k"}}, sqlRecords(r, sqlSchema(r, "k n:int"), "a|1", "A|2"))
		if fault.ClassOf(err) != fault.Definition || !strings.Contains(fault.HintOf(err), "one spelling") {
			r.Errorf("got %v, hint %s", err, fault.HintOf(err))
		}
	})
}

func TestAbsentAndNullAreWrittenAsNull(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer primary key, v text default 'x', n integer default 5)")
		for i, conf := range []sqlConf{{Mode: "insert"}, {Mode: "insert", Bulk: "never"}, {Mode: "upsert", Key: []string{"id"}}} {
			conf.Table = "p"
			r.write(conf, sqlRecords(r, sqlSchema(r, "id:int v n:int"), fmt.Sprintf("%d||-", i)))
		}
		r.want("select count(*) from p where v is null and n is null", "3")
	})
}

// The path of a record to the database must not allocate for each record or value.
func TestPlanningAndConvertingAChunkAllocatesNothing(t *testing.T) {
	w := &sqlTable{conf: &sqlConf{Table: "p", Mode: "upsert", Key: []string{"id"}}}
	w.columns = []sqldb.Column{{Name: "id", Type: "bigint", Kind: record.Int}, {Name: "name", Type: "text", Kind: record.Text}, {Name: "amount", Type: "numeric(12,2)", Kind: record.Decimal}}
	schema := sqlSchema(t, "id:int name:text amount:decimal")
	rows := sqlRecords(t, schema, sqlLines(1000, "%d|Kim|0.10")...)
	b, err := w.bind(postgresLike{}, schema)
	if err != nil {
		t.Fatal(err)
	}
	allocations := testing.AllocsPerRun(20, func() {
		if err := w.plan.fill(b, rows); err != nil {
			t.Fatal(err)
		}
		for i := range w.plan.order {
			for c := range b.fields {
				if _, err := w.plan.cell(b, &w.plan.order[i], c); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	if allocations > 5 {
		t.Errorf("%v allocations for 1000 records", allocations)
	}
}

// postgresLike is as much of a dialect as planning needs.
type postgresLike struct{ sqldb.Dialect }

func (postgresLike) Name() string { return "postgres" }
