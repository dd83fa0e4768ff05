package writers

import (
	"errors"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/record"
)

func TestSQLWriterConforms(t *testing.T) {
	short := sqlSchema(t, "id:int name:text amount:decimal")
	long, err := short.Grow(record.Field{Name: "note", Kind: record.Text})
	if err != nil {
		t.Fatal(err)
	}
	rows := append(sqlRecords(t, short, "3|c|0.10", "1|a|-", "2|b|1.00"), sqlRecords(t, long, "4|d|5|x", "5|e\tf|8|y")...)
	table := "create table p (id integer primary key, name text, amount numeric(12,2), note text)"
	want := "1|a|-|-\n2|b|1|-\n3|c|0.1|-\n4|d|5|x\n5|e\tf|8|y"
	cases := map[string]struct {
		conf  sqlConf
		setup []string
		rows  []record.Record
		want  string
		empty string
	}{
		"insert":    {sqlConf{Mode: "insert"}, []string{table}, rows, want, ""},
		"upsert":    {sqlConf{Mode: "upsert", Key: []string{"id"}}, []string{table}, rows, want, ""},
		"never":     {sqlConf{Mode: "insert", Bulk: "never"}, []string{table}, rows, want, ""},
		"create":    {sqlConf{Mode: "upsert", Key: []string{"id"}, Create: true}, nil, rows[:3], "1|a|-\n2|b|1\n3|c|0.1", "no table"},
		"adding":    {sqlConf{Mode: "upsert", Key: []string{"id"}, Add: []string{"amount"}}, []string{table, "insert into p values (3, 'old', 0.20, 'n')"}, rows[:3], "1|a|-|-\n2|b|1|-\n3|c|0.3|n", "3|old|0.2|n"},
		"statement": {sqlConf{}, []string{table}, rows, want, ""},
	}
	eachSQL(t, func(r *sqlRig) {
		for name, c := range cases {
			r.run(name, func(r *sqlRig) {
				batchtest.Writer(r.T, batchtest.WriterCase{
					Place: func(t *testing.T) batchtest.WriterPlace {
						place := &sqlRig{T: t, db: r.db, driver: r.driver}
						place.exec(append([]string{"drop table if exists p"}, c.setup...)...)
						return place.place(c.conf)
					},
					Rows: c.rows, Want: c.want, Empty: c.empty,
				})
			})
		}
	})
}

// place is where the suite writes: table p, through a transaction for each attempt.
func (r *sqlRig) place(conf sqlConf) batchtest.WriterPlace {
	return batchtest.WriterPlace{
		New: func(int64) batch.Writer {
			if conf.Mode == "" {
				conf := conf
				conf.Statement.Text = "insert into p (id, name, amount, note) values (:id, :name, :amount, :note)"
				w := r.writer(conf)
				w.(*sqlStatement).env.Scope = sqlScope{"params.note": record.NullValue}
				return w
			}
			conf := conf
			conf.Table = "p"
			return r.writer(conf)
		},
		Content: func() string {
			if _, err := r.db.Exec(r.Context(), "select 1 from p limit 0"); err != nil {
				return "no table"
			}
			return r.plainRows()
		},
		Tx: func(fn func(batch.Tx) error) error {
			conn, err := r.db.Conn(r.Context())
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			tx, err := conn.Begin(r.Context())
			if err != nil {
				return err
			}
			if err := fn(tx); err != nil {
				return errors.Join(err, tx.Rollback(r.Context()))
			}
			return tx.Commit(r.Context())
		},
	}
}

// plainRows returns the rows of table p with decimals without zeros at their end, in which the databases differ.
func (r *sqlRig) plainRows() string {
	r.Helper()
	text := ""
	for i, row := range r.values("select * from p order by id") {
		if i > 0 {
			text += "\n"
		}
		for c, v := range row {
			if c > 0 {
				text += "|"
			}
			switch {
			case v.IsNull():
				text += "-"
			case v.Kind().Numeric():
				text += v.Number().Trim().String()
			default:
				n, err := record.ParseNumber(v.Text())
				if err == nil {
					text += n.Trim().String()
					break
				}
				text += v.Text()
			}
		}
	}
	return text
}
