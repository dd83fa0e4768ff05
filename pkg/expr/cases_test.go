package expr

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the cases are in Asia/Seoul, also where the machine has no zones

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

const page = "../../docs/expressions.md"

var update = flag.Bool("update", false, "write the list of functions into the page")

// names is a scope of fixed values; late ones are known and have no value yet.
type names struct {
	now  map[string]record.Value
	late []string
}

func (n names) Lookup(name string) (record.Value, config.Availability) {
	if v, ok := n.now[name]; ok {
		return v, config.Now
	}
	for _, l := range n.late {
		if l == name {
			return record.Value{}, config.Later
		}
	}
	return record.Value{}, config.NoSuchName
}

func (n names) Names(namespace string) []string {
	var all []string
	for name := range n.now {
		if strings.HasPrefix(name, namespace+".") {
			all = append(all, name)
		}
	}
	return all
}

func documentedOptions(t testing.TB) Options {
	t.Helper()
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	date := record.OfDate(time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC))
	return Options{Location: seoul, Scope: names{now: map[string]record.Value{
		"params.date": date, "params.limit": record.OfInt(100), "params.none": record.NullValue,
		"steps.load.write_count": record.OfInt(42), "counters.read_count": record.OfInt(42),
	}, late: []string{"context.total", "params.pattern"}}}
}

type documentedCase struct{ line, expression, fields, result string }

// documentedCases reads the table of the page.
func documentedCases(t testing.TB) []documentedCase {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- cases -->")
	table, _, _ = strings.Cut(table, "<!-- end of cases -->")
	start := strings.Count(string(text[:strings.Index(string(text), "<!-- cases -->")]), "\n")
	var cases []documentedCase
	for i, line := range strings.Split(table, "\n") {
		line = strings.ReplaceAll(line, `\|`, "\x00")
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		for j := range cells {
			cells[j] = strings.ReplaceAll(strings.TrimSpace(cells[j]), "\x00", "|")
		}
		cases = append(cases, documentedCase{fmt.Sprintf("expressions.md:%d", start+i+1), strings.Trim(cells[1], "`"), cells[2], cells[3]})
	}
	return cases
}

var kindsByName = map[string]record.Kind{"any": record.Absent, "int": record.Int, "decimal": record.Decimal, "float": record.Float, "bool": record.Bool,
	"text": record.Text, "date": record.Date, "datetime": record.DateTime, "json": record.JSON}

// documentedRecord reads "name kind value; name kind value".
func documentedRecord(t *testing.T, fields string) record.Record {
	t.Helper()
	var schema []record.Field
	var values []record.Value
	for _, f := range strings.Split(fields, "; ") {
		if f == "" {
			continue
		}
		words := strings.Split(f, " ")
		at := 1
		for _, known := kindsByName[words[at]]; !known; _, known = kindsByName[words[at]] {
			at++
		}
		kind := kindsByName[words[at]]
		schema = append(schema, record.Field{Name: strings.Join(words[:at], " "), Kind: kind})
		values = append(values, documentedValue(t, kind, words[at+1:]))
	}
	s, err := record.NewSchema(schema...)
	if err != nil {
		t.Fatal(err)
	}
	return record.Record{Schema: s, Values: values}
}

func documentedValue(t *testing.T, kind record.Kind, words []string) record.Value {
	t.Helper()
	switch text := strings.Join(words, " "); {
	case text == "null":
		return record.NullValue
	case text == "absent":
		return record.Value{}
	case kind == record.Absent:
		return documentedValue(t, kindsByName[words[0]], words[1:])
	default:
		v, err := new(record.Format).Parse(kind, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestEveryCaseOfThePageHolds(t *testing.T) {
	t.Parallel()
	cases := documentedCases(t)
	if len(cases) < 200 {
		t.Fatalf("the page has %d cases, want at least 200: is the table still read?", len(cases))
	}
	o := documentedOptions(t)
	for _, c := range cases {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			got, kind := outcome(t, c, o)
			want := c.result
			if strings.HasPrefix(want, "refused: ") || strings.HasPrefix(want, "error: ") {
				if !strings.HasPrefix(got, want[:6]) || !strings.Contains(got, want[strings.Index(want, ": ")+2:]) {
					t.Errorf("%s with %s\n got %s\nwant %s", c.expression, c.fields, got, want)
				}
				return
			}
			if got != want {
				t.Errorf("%s with %s\n got %s\nwant %s", c.expression, c.fields, got, want)
			}
			if result, _, _ := strings.Cut(want, " "); kind != record.Absent && want != "null" && kind.String() != result {
				t.Errorf("%s with %s: the kind said before is %s, the value is %s", c.expression, c.fields, kind, want)
			}
		})
	}
}

// outcome runs a case and describes its result as the page does, with the kind that was known before.
func outcome(t *testing.T, c documentedCase, o Options) (string, record.Kind) {
	r := documentedRecord(t, c.fields)
	e, err := Compile(c.expression, o)
	if err != nil {
		return refusal(t, err), 0
	}
	p, err := e.Bind(r.Schema)
	if err != nil {
		return refusal(t, err), 0
	}
	var arena record.Arena
	v, err := p.Eval(r, &arena)
	if err != nil {
		if fault.ClassOf(err) != fault.Validation {
			t.Errorf("%s: an error of class %s, want validation", c.expression, fault.ClassOf(err))
		}
		return "error: " + err.Error(), 0
	}
	if v.IsNull() {
		return "null", p.Kind()
	}
	return v.Kind().String() + " " + string(v.AppendCanonical(nil)), p.Kind()
}

func refusal(t *testing.T, err error) string {
	if fault.ClassOf(err) != fault.Definition {
		t.Errorf("%v: of class %s, want definition", err, fault.ClassOf(err))
	}
	if _, ok := Offset(err); !ok {
		t.Errorf("%v: has no place in the source", err)
	}
	return "refused: " + err.Error()
}

func TestThePageListsEveryFunction(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	list.WriteString("<!-- functions -->\n| function | gives |\n|---|---|\n")
	for _, f := range Functions() {
		fmt.Fprintf(&list, "| `%s` | %s |\n", f.Signature, f.Summary)
	}
	list.WriteString("<!-- end of functions -->")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), list.String()) {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the functions as they are; run go test ./pkg/expr -update", page)
	}
	before, after, _ := strings.Cut(string(text), "<!-- functions -->")
	if _, rest, found := strings.Cut(after, "<!-- end of functions -->"); found {
		after = rest
	}
	if err := os.WriteFile(page, []byte(before+list.String()+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestThePageTriesEveryFunction keeps a function from being added without a case.
func TestThePageTriesEveryFunction(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, c := range documentedCases(t) {
		all.WriteString(c.expression + "\n")
	}
	for _, f := range Functions() {
		if !strings.Contains(all.String(), f.Name+"(") {
			t.Errorf("no case calls %s", f.Name)
		}
	}
}
