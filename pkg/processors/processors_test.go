package processors

import (
	"context"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// params is a scope of job parameters.
type params map[string]record.Value

func (p params) Lookup(name string) (record.Value, config.Availability) {
	if v, ok := p[name]; ok {
		return v, config.Now
	}
	return record.Value{}, config.NoSuchName
}

func (p params) Names(string) []string {
	var names []string
	for name := range p {
		names = append(names, name)
	}
	return names
}

func testEnv() *catalog.Env {
	date := record.OfDate(time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC))
	return &catalog.Env{Location: time.FixedZone("KST", 9*3600), Scope: params{"params.date": date, "params.country": record.OfText("KR")}}
}

// build makes the processors of a YAML list, as a step does.
func build(t testing.TB, text string) ([]batch.Processor, error) {
	t.Helper()
	document, err := config.Parse("job.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	d := &config.Decoder{Scope: env.Scope}
	var chain []batch.Processor
	for _, item := range document.Root.Items() {
		pair := item.Pairs()[0]
		entry, ok := Table().Lookup(pair.Name)
		if !ok {
			t.Fatalf("no processor %s", pair.Name)
		}
		conf := entry.New()
		if err := d.For("processor "+pair.Name).Decode(pair.Value, conf); err != nil {
			return nil, err
		}
		p, err := entry.Build(conf, env)
		if err != nil {
			return nil, err
		}
		chain = append(chain, p)
	}
	return chain, nil
}

func bindAll(chain []batch.Processor, s *record.Schema) (*record.Schema, error) {
	var err error
	for _, p := range chain {
		if s, err = p.Bind(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// run passes a record through and returns the rows that come out.
func run(t testing.TB, chain []batch.Processor, in record.Record) ([]record.Record, error) {
	t.Helper()
	rows := []record.Record{in}
	for _, p := range chain {
		schema, err := p.Bind(rows[0].Schema)
		if err != nil {
			return nil, err
		}
		var out record.Batch
		out.SetSchema(schema)
		for _, r := range rows {
			before := out.Len()
			if err := p.Process(context.Background(), r, &out); err != nil {
				if out.Len() != before {
					t.Errorf("a row is left behind by a record that failed: %v", err)
				}
				return nil, err
			}
		}
		if rows = out.AppendRows(nil); len(rows) == 0 {
			return nil, nil
		}
	}
	return rows, nil
}

// recordOf reads "name kind value; ...": kind any has no kind in the schema; a value null or absent is one.
func recordOf(t testing.TB, text string) record.Record {
	t.Helper()
	var fields []record.Field
	var values []record.Value
	for _, part := range strings.Split(text, "; ") {
		words := strings.SplitN(part, " ", 3)
		kind, _ := kindCalled(words[1])
		v, err := record.NullValue, error(nil)
		switch words[2] {
		case "null":
		case "absent":
			v = record.Value{}
		default:
			if v, err = new(record.Format).Parse(kind, words[2]); err != nil {
				t.Fatal(err)
			}
		}
		fields, values = append(fields, record.Field{Name: words[0], Kind: kind}), append(values, v)
	}
	s, err := record.NewSchema(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return record.Record{Schema: s, Values: values}
}

// describe is recordOf the other way round.
func describe(r record.Record) string {
	var parts []string
	for i := range r.Schema.Len() {
		f := r.Schema.Field(i)
		kind := f.Kind.String()
		if f.Kind == record.Absent {
			kind = "any"
		}
		parts = append(parts, f.Name+" "+kind+" "+r.At(i).String())
	}
	return strings.Join(parts, "; ")
}

func TestProcessors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, yaml, in, want string // want "" where the record is filtered
	}{
		{"filter keeps", `- filter: status == "PAID"`, "id int 1; status text PAID", "id int 1; status text PAID"},
		{"filter leaves out", `- filter: status == "PAID"`, "id int 1; status text OPEN", ""},
		{"filter takes null for false", `- filter: amount > 0`, "amount decimal null", ""},
		{"filter takes true", `- filter: true`, "id int 1", "id int 1"},
		{"set adds behind", "- set:\n    fee: round(amount * 0.03, 2)\n    net: amount - fee", "amount decimal 12.50; x text a",
			"amount decimal 12.50; x text a; fee decimal 0.38; net decimal 12.12"},
		{"set overwrites in place", "- set:\n    amount: amount * 2\n    twice: amount", "amount decimal 1.5; x text a", "amount decimal 3.0; x text a; twice decimal 3.0"},
		{"set changes the kind in between", "- set:\n    amount: decimal(amount)\n    fee: amount * 0.1", "amount text 20", "amount decimal 20; fee decimal 2.0"},
		{"set takes numbers and names of the run", "- set:\n    payments: 1\n    booked_on: params.date\n    none: nil", "id int 1", "id int 1; payments int 1; booked_on date 2024-01-31; none any null"},
		{"set of a missing value is null", "- set:\n    b: a", "a any absent", "a any absent; b any null"},
		{"select keeps and orders", `- select: [c, a]`, "a int 1; b int 2; c text x", "c text x; a int 1"},
		{"rename keeps places", `- rename: {a: x, c: y}`, "a int 1; b int 2; c int 3", "x int 1; b int 2; y int 3"},
		{"rename exchanges", `- rename: {a: b, b: a}`, "a int 1; b text x", "b int 1; a text x"},
		{"drop leaves out", `- drop: [b]`, "a int 1; b int 2; c int 3", "a int 1; c int 3"},
		{"convert", `- convert: {amount: decimal, paid_at: {type: datetime, format: dd.MM.yyyy HH:mm}, price: {type: decimal, decimal_separator: ","}}`,
			"amount text 1.50; paid_at text 31.01.2024 13:05; price text 12,50", "amount decimal 1.50; paid_at datetime 2024-01-31T13:05:00; price decimal 12.50"},
		{"convert to text", `- convert: {d: {type: text, format: dd.MM.yyyy}, n: text}`, "d date 2024-01-31; n decimal 1.50", "d text 31.01.2024; n text 1.50"},
		{"convert leaves null", `- convert: {amount: decimal}`, "amount text null", "amount decimal null"},
		{"convert uses the time zone", `- convert: {at: date}`, "at datetime 2024-01-31T20:00:00Z", "at date 2024-02-01"},
		{"default for null and absent", `- default: {country: KR, n: 0, d: 2024-01-31, code: 007, other: "${params.country}"}`,
			"country text null; n decimal null; d date null; code text null; other any absent", "country text KR; n decimal 0; d date 2024-01-31; code text 007; other any KR"},
		{"default leaves values", `- default: {country: KR}`, "country text DE", "country text DE"},
		{"validate passes", "- validate:\n    - {rule: amount > 0, message: amount must be positive}", "amount decimal 1", "amount decimal 1"},
		{"validate filters", "- validate:\n    filter: true\n    rules:\n      - {rule: amount > 0}", "amount decimal 0", ""},
		{"a chain", "- filter: status == \"PAID\"\n- set:\n    net: amount - 1\n- select: [id, net]\n- rename: {net: total}", "id int 7; amount decimal 3; status text PAID", "id int 7; total decimal 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			chain, err := build(t, c.yaml)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := run(t, chain, recordOf(t, c.in))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, r := range rows {
				got += describe(r)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestErrorsOfTheDefinitionSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, yaml, in, want, hint string
		line, column               int
	}{
		{"unknown field in a filter", `- filter: amount > 0 and statsu == "PAID"`, "amount decimal 1; status text x", `filter: unknown field "statsu"`, `did you mean "status"?`, 1, 26},
		{"text compared with a number", `- filter: amount > 100`, "amount text 1", "cannot compare amount", "columns: {amount: decimal}", 1, 18},
		{"no condition", `- filter: amount`, "amount decimal 1", "filter: amount gives a decimal", "amount > 0", 1, 11},
		{"syntax", `- filter: amount >`, "amount decimal 1", "ends too early", "", 1, 18},
		{"unknown function", "- set:\n    fee: rund(amount)", "amount decimal 1", `set fee: unknown function "rund"`, `"round"`, 2, 10},
		{"a later field", "- set:\n    a: b + 1\n    b: 1", "id int 1", `set a: unknown field "b"`, "the record has id", 2, 8},
		{"unknown name", "- set:\n    a: params.dat", "id int 1", `unknown name "params.dat"`, "params.date", 2, 8},
		{"select", `- select: [id, amuont]`, "id int 1; amount int 2", `select: unknown field "amuont"`, `"amount"`, 1, 16},
		{"select twice", `- select: [id, id]`, "id int 1", `"id" stands twice`, "", 1, 16},
		{"rename", `- rename: {idd: x}`, "id int 1", `rename: unknown field "idd"`, `"id"`, 1, 12},
		{"rename to a name that is taken", `- rename: {a: b}`, "a int 1; b int 2", `there is a field "b" already`, "drop it first", 1, 15},
		{"drop", `- drop: [x]`, "id int 1", `drop: unknown field "x"`, "id", 1, 10},
		{"convert", `- convert: {amuont: decimal}`, "amount text 1", `convert: unknown field "amuont"`, `"amount"`, 1, 13},
		{"convert to no type", `- convert: {amount: decimel}`, "amount text 1", `no such type "decimel"`, `"decimal"`, 1, 21},
		{"convert by no pattern", `- convert: {amount: {type: date, format: YYYY}}`, "amount text 1", `unknown letters "YYYY"`, "yyyy", 1, 21},
		{"default of another kind", `- default: {amount: none}`, "amount decimal 1", `default amount: "none" is not a decimal`, "the column is a decimal", 1, 21},
		{"default", `- default: {x: 1}`, "id int 1", `default: unknown field "x"`, "id", 1, 13},
		{"rule", "- validate:\n    - {rule: amount + 1}", "amount decimal 1", "rule: amount + 1 gives a decimal", "", 2, 14},
		{"validate without rules", "- validate:\n    filter: true", "id int 1", "rules", "", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			chain, err := build(t, c.yaml)
			if err == nil {
				_, err = bindAll(chain, recordOf(t, c.in).Schema)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != fault.Definition || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Fatalf("error %v of class %s (hint %q), want %q (hint %q)", err, fault.ClassOf(err), fault.HintOf(err), c.want, c.hint)
			}
			if pos := fault.PositionOf(err); c.line > 0 && (pos.Line != c.line || pos.Column != c.column) {
				t.Errorf("%v stands at %d:%d, want %d:%d", err, pos.Line, pos.Column, c.line, c.column)
			}
		})
	}
}

func TestErrorsOfARecordNameColumnAndValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, yaml, in, want string }{
		{"conversion", `- convert: {amount: int}`, "amount text 12abc", `column amount: "12abc" is not an int`},
		{"conversion that would cut off", `- convert: {amount: int}`, "amount decimal 1.5", `column amount: 1.5 is not an int`},
		{"computation", "- set:\n    fee: 1 / amount", "amount decimal 0", "set fee: division by zero"},
		{"condition", `- filter: x > 1`, "x any null; y int 1", ""},
		{"rule with a message", "- validate:\n    - {rule: amount > 0, message: amount must be positive}", "amount decimal 0", "amount must be positive (rule: amount > 0)"},
		{"rule without", "- validate:\n    - {rule: amount > 0}", "amount decimal null", "rule broken: amount > 0"},
		{"second rule", "- validate:\n    - {rule: true}\n    - {rule: amount < 5, message: too much}", "amount decimal 5", "too much (rule: amount < 5)"},
		{"rule that fails", "- validate:\n    filter: true\n    rules:\n      - {rule: 1 / amount > 0}", "amount decimal 0", "rule 1 / amount > 0: division by zero"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			chain, err := build(t, c.yaml)
			if err != nil {
				t.Fatal(err)
			}
			_, err = run(t, chain, recordOf(t, c.in))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || err.Error() != c.want || fault.ClassOf(err) != fault.Validation {
				t.Errorf("error %v of class %s, want %q of class validation", err, fault.ClassOf(err), c.want)
			}
		})
	}
}

func TestColumnsKeepTheirPlacesWhenTheInputGrows(t *testing.T) {
	t.Parallel()
	chain, err := build(t, `
- set:
    total: a * 2
- convert: {a: decimal, late: int}
- default: {country: KR}
- drop: [gone]
- rename: {late: later}
`)
	if err != nil {
		t.Fatal(err)
	}
	first, err := record.NewOpenSchema(record.Field{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := run(t, chain, record.Record{Schema: first, Values: []record.Value{record.OfInt(1)}})
	if err != nil || describe(rows[0]) != "a decimal 1; total any 2; country any KR" {
		t.Fatalf("%v, %v", rows, err)
	}
	before := rows[0].Schema
	again, err := bindAll(chain, first)
	if err != nil || again != before {
		t.Errorf("binding to the same schema again gives another one: %v, %v", again, err)
	}
	grown, err := first.Grow(record.Field{Name: "late"}, record.Field{Name: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	rows, err = run(t, chain, record.Record{Schema: grown, Values: []record.Value{record.OfInt(2), record.OfText("5"), record.OfText("x")}})
	if err != nil || describe(rows[0]) != "a decimal 2; total any 4; country any KR; later int 5" {
		t.Fatalf("%v, %v", describe(rows[0]), err)
	}
	short, err := run(t, chain, record.Record{Schema: grown, Values: []record.Value{record.OfInt(3)}})
	if err != nil || describe(short[0]) != "a decimal 3; total any 6; country any KR; later int absent" {
		t.Errorf("%v, %v", describe(short[0]), err)
	}
}

func TestABindToAnotherSchemaStartsAnew(t *testing.T) {
	t.Parallel()
	chain, err := build(t, "- set:\n    total: a * 2")
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{"a decimal 1; b int 1", "c text x; a int 1"} {
		rows, err := run(t, chain, recordOf(t, in))
		want := map[string]string{"a decimal 1; b int 1": in + "; total decimal 2", "c text x; a int 1": in + "; total int 2"}[in]
		if err != nil || describe(rows[0]) != want {
			t.Errorf("%v, %v, want %s", describe(rows[0]), err, want)
		}
	}
}

func TestEveryKindHasASummary(t *testing.T) {
	t.Parallel()
	for _, e := range Table() {
		if e.Summary == "" {
			t.Errorf("%s has no summary", e.Name)
		}
		config.Keys(e.New())
	}
}
