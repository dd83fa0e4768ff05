package processors

import (
	"context"
	"testing"

	"batchctl/pkg/record"
)

const settlement = `
- filter: status == "PAID"
- validate:
    - {rule: amount > 0, message: amount must be positive}
- default: {country: KR}
- convert: {seller: text}
- set:
    booked_on: params.date
    fee: round(amount * 0.03, 2)
    net: amount - fee
    payments: 1
    label: upper(status) + "-" + text(id)
- drop: [status]
- rename: {seller: seller_id}
- select: [seller_id, booked_on, net, fee, payments, label]
`

// pipeline returns a function that passes a record through the processors, as the runner does.
func pipeline(t testing.TB, yaml string, in record.Record) (pass func() error, reset func()) {
	t.Helper()
	chain, err := build(t, yaml)
	if err != nil {
		t.Fatal(err)
	}
	stages := make([]record.Batch, len(chain))
	schema := in.Schema
	for i, p := range chain {
		if schema, err = p.Bind(schema); err != nil {
			t.Fatal(err)
		}
		stages[i].SetSchema(schema)
	}
	ctx := context.Background()
	pass = func() error {
		row := in
		for i, p := range chain {
			stages[i].ClearRows()
			if err := p.Process(ctx, row, &stages[i]); err != nil {
				return err
			}
			row = stages[i].Row(0)
		}
		return nil
	}
	return pass, func() {
		for i := range stages {
			schema := stages[i].Schema()
			stages[i].Reset()
			stages[i].SetSchema(schema)
		}
	}
}

const settled = "id int 17; seller int 4; amount decimal 1234.56; status text PAID; country text null"

func TestProcessorsDoNotAllocateForARecord(t *testing.T) {
	pass, reset := pipeline(t, settlement, recordOf(t, settled))
	chunk := func() {
		for range 100 {
			if err := pass(); err != nil {
				t.Fatal(err)
			}
		}
		reset()
	}
	chunk()
	if got := testing.AllocsPerRun(10, chunk); got != 0 {
		t.Errorf("%v allocations for 100 records, want 0", got)
	}
}

func BenchmarkSettlement(b *testing.B) {
	pass, reset := pipeline(b, settlement, recordOf(b, settled))
	i := 0
	for b.Loop() {
		if err := pass(); err != nil {
			b.Fatal(err)
		}
		if i++; i%1000 == 0 {
			reset()
		}
	}
}
