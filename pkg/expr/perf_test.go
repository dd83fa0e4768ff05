package expr

import (
	"testing"

	"batchctl/pkg/record"
)

// payment returns the record that the figures are about.
func payment(t testing.TB) record.Record {
	t.Helper()
	s, err := record.NewSchema(record.Field{Name: "id", Kind: record.Int}, record.Field{Name: "amount", Kind: record.Decimal},
		record.Field{Name: "status", Kind: record.Text}, record.Field{Name: "paid_on", Kind: record.Date})
	if err != nil {
		t.Fatal(err)
	}
	var f record.Format
	values := make([]record.Value, 4)
	for i, text := range []string{"17", "1234.56", "PAID", "2024-01-31"} {
		if values[i], err = f.Parse(s.Field(i).Kind, text); err != nil {
			t.Fatal(err)
		}
	}
	return record.Record{Schema: s, Values: values}
}

func program(t testing.TB, source string, s *record.Schema) *Program {
	t.Helper()
	e, err := Compile(source, Options{})
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	p, err := e.Bind(s)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return p
}

func TestEvaluationDoesNotAllocate(t *testing.T) {
	r := payment(t)
	var arena record.Arena
	for _, source := range []string{
		`amount * 0.97 > 100 && status == "PAID"`, `round(amount * 0.03, 2)`, `amount - amount / 3`, `id % 7 + 1`, `status in ["PAID", "OPEN"]`,
		`status startsWith "PA" and not (status contains "X")`, `paid_on >= "2024-01-01" ? "new" : "old"`, `upper(status) + "-" + text(id)`,
		`coalesce(status, "none")`, `year(paid_on) * 100 + month(paid_on)`, `format_date(paid_on, "dd.MM.yyyy")`, `lpad(text(id), 8, "0")`,
		`min(amount, 10.0, id)`, `add_days(paid_on, 3)`, `substr(status, 2, 2)`, `replace(status, "A", "aa")`, `text(amount)`,
	} {
		p := program(t, source, r.Schema)
		run := func() {
			for range 50 {
				if _, err := p.Eval(r, &arena); err != nil {
					t.Fatal(err)
				}
			}
			arena.Reset()
		}
		run()
		if got := testing.AllocsPerRun(10, run); got != 0 {
			t.Errorf("%s: %v allocations, want 0", source, got)
		}
	}
}

func BenchmarkExpression(b *testing.B) {
	r := payment(b)
	var arena record.Arena
	for _, source := range []string{`amount * 0.97 > 100 && status == "PAID"`, `status == "PAID"`, `amount > 100`, `round(amount * 0.03, 2)`, `upper(status) + "-"`} {
		p := program(b, source, r.Schema)
		b.Run(source, func(b *testing.B) {
			i := 0
			for b.Loop() {
				if _, err := p.Eval(r, &arena); err != nil {
					b.Fatal(err)
				}
				if i++; i%1000 == 0 {
					arena.Reset()
				}
			}
		})
	}
}
