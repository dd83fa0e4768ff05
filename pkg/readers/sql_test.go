package readers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// sqlRig is a database with what a test needs to read from it.
type sqlRig struct {
	*testing.T
	db      *sqldb.DB
	driver  string
	scope   sqlScope
	notices []string
}

func eachSQL(t *testing.T, test func(r *sqlRig)) {
	t.Helper()
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, driver, dsn string) { test(newSQLRig(t, driver, dsn)) })
}

func newSQLRig(t *testing.T, driver, dsn string) *sqlRig {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: driver, DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &sqlRig{T: t, db: db, driver: driver}
}

func (r *sqlRig) exec(statements ...string) {
	r.Helper()
	for _, s := range statements {
		if _, err := r.db.Exec(context.Background(), s); err != nil {
			r.Fatalf("%s: %v", s, err)
		}
	}
}

// payments makes table p with n rows, three to a seller.
func (r *sqlRig) payments(n int) {
	r.Helper()
	r.exec("create table p (id integer primary key, seller_id integer not null, amount numeric(12,2), name text)")
	for i := range n {
		r.exec(fmt.Sprintf("insert into p values (%d, %d, %d.25, 'n%d')", n-i, (n-i)/3, i, n-i))
	}
}

func (r *sqlRig) env() *catalog.Env {
	return &catalog.Env{
		Location: time.UTC,
		Scope:    r.scope,
		Connect:  func(string) (*sqldb.DB, error) { return r.db, nil },
		Notice:   func(message string) { r.notices = append(r.notices, message) },
	}
}

func (r *sqlRig) reader(conf sqlConf) *sqlReader {
	r.Helper()
	conf.Connection = "shop"
	reader, err := newSQL(&conf, r.env())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		if err := reader.Close(); err != nil {
			r.Error(err)
		}
	})
	return reader.(*sqlReader)
}

func sqlText(text string) config.SQL { return config.SQL{Text: text} }

// read reads up to n rows as lines of values joined by a bar, and the error that ended them, nil at the end.
func (r *sqlRig) read(reader batch.Reader, n int) (lines []string, err error) {
	r.Helper()
	var chunk record.Chunk
	for range n {
		chunk.Reset()
		err := reader.Read(r.Context(), &chunk)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		var cells []string
		for _, v := range chunk.In.Row(0).Values {
			cells = append(cells, v.String())
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return lines, nil
}

// all reads a query from a state to its end.
func (r *sqlRig) all(conf sqlConf, from batch.State) ([]string, error) {
	r.Helper()
	reader := r.reader(conf)
	defer func() { _ = reader.Close() }()
	if err := reader.Open(r.Context(), from); err != nil {
		return nil, err
	}
	return r.read(reader, 1<<20)
}

// stateAfter reads n rows and returns the state behind them.
func (r *sqlRig) stateAfter(conf sqlConf, n int) batch.State {
	r.Helper()
	reader := r.reader(conf)
	defer func() { _ = reader.Close() }()
	if err := reader.Open(r.Context(), nil); err != nil {
		r.Fatal(err)
	}
	if lines, err := r.read(reader, n); err != nil || len(lines) != n {
		r.Fatalf("read %d of %d rows: %v", len(lines), n, err)
	}
	state, err := reader.State()
	if err != nil {
		r.Fatal(err)
	}
	return state
}

func (r *sqlRig) wantLines(got []string, err error, want ...string) {
	r.Helper()
	if err != nil {
		r.Fatalf("%v\nhint: %s", err, fault.HintOf(err))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		r.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (r *sqlRig) wantError(err error, class fault.Class, words ...string) {
	r.Helper()
	if err == nil || fault.ClassOf(err) != class {
		r.Fatalf("got %v (class %s), want class %s", err, fault.ClassOf(err), class)
	}
	for _, w := range words {
		if !strings.Contains(err.Error()+"\n"+fault.HintOf(err), w) {
			r.Errorf("got %q, hint %q, want %q in it", err, fault.HintOf(err), w)
		}
	}
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

var sqlWays = map[string]sqlConf{
	"position":          {Query: sqlText("select id, seller_id, amount, name from p order by id;")},
	"keyset":            {Query: sqlText("select id, seller_id, amount, name from p -- all of them"), Keyset: []string{"id"}},
	"keyset of two":     {Query: sqlText("select id, seller_id, amount, name from p"), Keyset: []string{"seller_id", "id"}},
	"pages of 1":        {Query: sqlText("select id, seller_id, amount, name from p"), Keyset: []string{"seller_id", "id"}, Page: 1},
	"pages of 4":        {Query: sqlText("select id, seller_id, amount, name from p"), Keyset: []string{"seller_id", "id"}, Page: 4},
	"pages of 1000":     {Query: sqlText("select id, seller_id, amount, name from p"), Keyset: []string{"id"}, Page: 1000},
	"pages by decimal":  {Query: sqlText("select id, seller_id, amount, name from p"), Keyset: []string{"amount"}, Page: 3},
	"pages by text":     {Query: sqlText("select id, seller_id, amount, name from p"), Keyset: []string{"name"}, Page: 3},
	"with and group by": {Query: sqlText("with x as (select * from p) select seller_id, count(*) as n, sum(id) * 1.5 + seller_id as total from x group by seller_id"), Keyset: []string{"total"}, Page: 2},
}

func TestSQLReaderConforms(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.payments(12)
		r.exec("create table none (id integer, seller_id integer, amount numeric(12,2), name text)")
		for name, conf := range sqlWays {
			r.T.Run(name, func(t *testing.T) {
				r := &sqlRig{T: t, db: r.db, driver: r.driver}
				empty := conf
				empty.Query.Text = strings.ReplaceAll(conf.Query.Text, "from p", "from none")
				size := 12
				if strings.Contains(conf.Query.Text, "group by") {
					size = 5
				}
				batchtest.Reader(r.T, batchtest.ReaderCase{
					New:   func() batch.Reader { return r.reader(conf) },
					Size:  size,
					Empty: func() batch.Reader { return r.reader(empty) },
				})
			})
		}
	})
}
