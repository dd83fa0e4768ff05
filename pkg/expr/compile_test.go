package expr

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

func schemaOf(t testing.TB, fields ...record.Field) *record.Schema {
	t.Helper()
	s, err := record.NewSchema(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestErrorsSayWhereAndWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	s := schemaOf(t, record.Field{Name: "amount", Kind: record.Text}, record.Field{Name: "주문", Kind: record.Text}, record.Field{Name: "at", Kind: record.DateTime},
		record.Field{Name: "total", Kind: record.Decimal})
	for _, c := range []struct {
		source string
		offset int
		want   string
		hint   string
	}{
		{"amount > 100", 7, "cannot compare amount", "columns: {amount: decimal}"}, {"주문 == \"a\" and amuont == \"1\"", 18, `unknown field "amuont"`, `did you mean "amount"?`},
		{"1 + amount * 2", 4, "*: amount is a text", "decimal(amount)"}, {"xyzzy", 0, `unknown field "xyzzy"`, "the record has amount"}, {"rond(total, 2)", 0, `unknown function "rond"`, `did you mean "round"?`},
		{"params.dat", 0, `unknown name "params.dat"`, `did you mean "params.date"?`}, {"1 +", 2, "the expression ends too early", ""},
		{"total > 1 | abs()", 10, `"|" is not part`, "no pipes"}, {"at > \"2024\"", 5, `"2024" is not a datetime`, "2024-01-31T13:00:00Z"}, {"not total", 4, "total is a decimal", "compare"},
		{"total <> 1", 6, `"<>" is not part`, "write !="}, {"total is null", 6, `unexpected "is"`, "x == nil"}, {"total BETWEEN 1 and 2", 6, `unexpected "BETWEEN"`, "1 <= x <= 10"},
		{"case when total > 1 then 2 end", 5, `unexpected "when"`, "a ? b : c"}, {"nvl(total, 1)", 0, `unknown function "nvl"`, "coalesce"}, {"amount || \"x\"", 10, "or: \"x\" is a text", "concat(a, b)"},
		{"cast(amount as int)", 12, `unexpected "as"`, "int(x)"}, {"total == 99999999999999999999", 28, "more than 64 bits", "with a point"}, {"total == '", 10, "a quote is not closed", ""}, {"upper(total)", 6, "upper: total is a decimal", "text(total)"},
		{"", 0, "empty", ""}, {"total @ 1", 6, "unrecognized character", "field("}, {"amount matches \"[\"", 15, "missing closing ]", "RE2"}, {"total == step", 9, "step is not a value", "step.name"},
	} {
		e, err := Compile(c.source, documentedOptions(t))
		if err == nil {
			_, err = e.Bind(s)
		}
		offset, _ := Offset(err)
		if err == nil || !strings.Contains(err.Error(), c.want) || offset != c.offset || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v at %d (hint %q), want %q at %d (hint %q)", c.source, err, offset, fault.HintOf(err), c.want, c.offset, c.hint)
		}
	}
}

func TestFieldsAreThoseOfTheRecordOnly(t *testing.T) {
	t.Parallel()
	e, err := Compile(`amount * rate > params.limit and field("order id") == "x" or amount == steps.load.write_count or p.a.b == nil`, documentedOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.Fields(), []string{"amount", "rate", "order id", "p"}; !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
}

func TestWithoutASchemaNoFieldCanBeUsed(t *testing.T) {
	t.Parallel()
	e, err := Compile("params.limit + amount", documentedOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Bind(nil); err == nil || !strings.Contains(err.Error(), `unknown name "amount"`) {
		t.Errorf("error %v", err)
	}
	e, err = Compile(`counters.read_count > 40 ? "MANY" : "FEW"`, documentedOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := p.Eval(record.Record{}, nil); err != nil || v.Text() != "MANY" || p.Kind() != record.Text || p.Constant() {
		t.Errorf("%v, %v, kind %s", v, err, p.Kind())
	}
}

func TestNamesWithoutAValueYetAreAskedForWithEveryRecord(t *testing.T) {
	t.Parallel()
	scope := names{now: map[string]record.Value{}, late: []string{"context.total", "params.pattern"}}
	e, err := Compile(`total > context.total and code matches params.pattern`, Options{Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	r := record.Record{Schema: schemaOf(t, record.Field{Name: "total", Kind: record.Int}, record.Field{Name: "code", Kind: record.Text}),
		Values: []record.Value{record.OfInt(5), record.OfText("abc")}}
	p, err := e.Bind(r.Schema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Test(r, nil); err == nil || !strings.Contains(err.Error(), "context.total has no value yet") || fault.ClassOf(err) != fault.Definition {
		t.Errorf("error %v", err)
	}
	for limit, want := range map[int64]bool{4: true, 5: false} {
		scope.now["context.total"], scope.now["params.pattern"] = record.OfInt(limit), record.OfText("^a")
		if got, err := p.Test(r, nil); err != nil || got != want {
			t.Errorf("limit %d: %v, %v", limit, got, err)
		}
	}
	if _, when := scope.Lookup("context.other"); when != config.NoSuchName {
		t.Error("the scope knows everything")
	}
}

func TestTestRefusesWhatIsNoCondition(t *testing.T) {
	t.Parallel()
	r := record.Record{Schema: schemaOf(t, record.Field{Name: "x"}), Values: []record.Value{record.OfInt(1)}}
	if _, err := program(t, "x", r.Schema).Test(r, nil); err == nil || !strings.Contains(err.Error(), "x is the int 1, not true or false") {
		t.Errorf("error %v", err)
	}
	r.Values[0] = record.NullValue
	if got, err := program(t, "x", r.Schema).Test(r, nil); err != nil || got {
		t.Errorf("null is %v, %v, want false", got, err)
	}
}

func TestRowsShorterThanTheirSchemaReadAsNull(t *testing.T) {
	t.Parallel()
	s := schemaOf(t, record.Field{Name: "a", Kind: record.Text}, record.Field{Name: "b", Kind: record.Decimal})
	for source, want := range map[string]bool{"b == nil": true, "b > 1": false, "b * 2 == nil": true, "round(b, 2) == nil": true, `a == nil`: true, `a == "x"`: false} {
		if got, err := program(t, source, s).Test(record.Record{Schema: s}, nil); err != nil || got != want {
			t.Errorf("%s: %v, %v", source, got, err)
		}
	}
}

func TestValuesThatAreNotOfTheirColumnsKindAreErrors(t *testing.T) {
	t.Parallel()
	r := record.Record{Schema: schemaOf(t, record.Field{Name: "a", Kind: record.Text}, record.Field{Name: "b", Kind: record.Decimal}),
		Values: []record.Value{record.OfInt(1), record.OfText("x")}}
	for _, source := range []string{"b > 1", "b * 2", "round(b, 2)", `a == "x"`, `upper(a)`, `b + 1 > 2`, `a in ["x", "y"]`} {
		if v, err := program(t, source, r.Schema).Eval(r, nil); err == nil || fault.ClassOf(err) != fault.Validation {
			t.Errorf("%s: %v, %v, want an error of class validation", source, v, err)
		}
	}
}

func TestHostileSourcesAreRefusedSoon(t *testing.T) {
	t.Parallel()
	shared := "a"
	for range 60 { // each level of a comparison in a row doubles what is evaluated
		shared = "(1 < " + shared + " < 2 ? 1 : 2)"
	}
	for name, source := range map[string]string{
		"long": strings.Repeat("a", MaxSource+1), "brackets": strings.Repeat("(", 4000) + "a" + strings.Repeat(")", 4000), "wide": "a" + strings.Repeat("+a", 4000),
		"signs": strings.Repeat("-", 8000) + "1", "nots": strings.Repeat("!", 8000) + "a", "conditions": strings.Repeat("a?", 2000) + "1" + strings.Repeat(":1", 2000),
		"shared": shared, "members": "a" + strings.Repeat(".a", 4000), "pattern": `a matches "` + strings.Repeat("a", MaxPattern+1) + `"`, "list": "a in [" + strings.Repeat("1,", 4000) + "1]",
	} {
		_, err := Compile(source, Options{})
		if err == nil || fault.CodeOf(err) != "expression_limit" {
			t.Errorf("%s: %v, want a limit", name, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, c := range documentedCases(f) {
		f.Add(c.expression)
	}
	f.Add("((((((")
	f.Add("a ? b ? c : d : e")
	o := documentedOptions(f)
	f.Fuzz(func(t *testing.T, source string) {
		e, err := Compile(source, o)
		if err != nil {
			if offset, ok := Offset(err); !ok || offset < 0 || offset > len(source) || fault.ClassOf(err) != fault.Definition {
				t.Fatalf("%q: %v at %d", source, err, offset)
			}
			return
		}
		evaluateRandomly(t, e)
	})
}

// evaluateRandomly binds to random schemas and evaluates: an error or a value of the kind that was said before.
func evaluateRandomly(t *testing.T, e *Expression) {
	r := rand.New(rand.NewPCG(uint64(len(e.Source())), 7))
	for range 4 {
		var fields []record.Field
		var values []record.Value
		for _, name := range e.Fields() {
			v := randomValues[r.IntN(len(randomValues))]
			kind := v.Kind()
			if v.IsNull() || r.IntN(3) == 0 {
				kind = record.Absent
			}
			fields, values = append(fields, record.Field{Name: name, Kind: kind}), append(values, v)
		}
		s, err := record.NewSchema(fields...)
		if err != nil {
			return
		}
		p, err := e.Bind(s)
		if err != nil {
			continue
		}
		v, err := p.Eval(record.Record{Schema: s, Values: values}, nil)
		if err == nil && !v.IsNull() && p.Kind() != record.Absent && v.Kind() != p.Kind() {
			t.Fatalf("%q over %v %v: %s, said to be %s", e.Source(), fields, values, v.Kind(), p.Kind())
		}
		if err != nil && fault.ClassOf(err) != fault.Validation && fault.ClassOf(err) != fault.Definition {
			t.Fatalf("%q: %v of class %s", e.Source(), err, fault.ClassOf(err))
		}
	}
}

var randomValues = func() []record.Value {
	var all = []record.Value{{}, record.NullValue, record.OfBool(true), record.OfInt(0), record.OfInt(-9223372036854775808), record.OfFloat(0.1), record.OfFloat(1e308),
		record.OfText(""), record.OfText("한국 abc"), record.OfBytes("\xff"), record.OfJSON(`{"a":[1,"x"]}`), record.OfDays(19000), record.OfDays(-800000)}
	for _, text := range []string{"1.50", "-99999999999999999999999999999999999999.9", "1e300"} {
		n, _ := record.ParseNumber(text)
		all = append(all, record.OfNumber(n))
	}
	for _, text := range []string{"2024-01-31T20:00:00Z", "2024-01-31T20:00:00"} {
		v, _ := new(record.Format).Parse(record.DateTime, text)
		all = append(all, v)
	}
	return all
}()

func TestFieldsThatAnOpenSchemaDoesNotHaveYetAreNull(t *testing.T) {
	t.Parallel()
	s, err := record.NewOpenSchema(record.Field{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	r := record.Record{Schema: s, Values: []record.Value{record.OfInt(1)}}
	for source, want := range map[string]bool{"b == nil": true, "b > 1": false, "a + b == nil": true, `b.c == nil`: true} {
		if got, err := program(t, source, s).Test(r, nil); err != nil || got != want {
			t.Errorf("%s: %v, %v", source, got, err)
		}
	}
}
