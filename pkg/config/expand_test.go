package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

func testScope() *Names {
	world := &World{
		Env: func(name string) (string, bool) {
			v, ok := map[string]string{"SHOP": "seoul", "EMPTY": "", "NESTED": "${params.file}"}[name]
			return v, ok
		},
		File: func(path string) ([]byte, error) {
			if path != "/base/secret" {
				return nil, errors.New("no such file")
			}
			return []byte("hunter22\n"), nil
		},
	}
	number, _ := record.ParseNumber("1.50")
	return NewNames(world).
		SetText("params.file", "x.csv").SetInt("params.chunk", 12).SetText("params.many", "many").
		Set("params.day", record.OfDate(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))).
		Set("params.rate", record.OfNumber(number)).Set("params.none", record.NullValue).
		Declare("steps.load.write_count")
}

func TestReferencesAreExpandedOnce(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		{"text", "${params.file}", "x.csv"},
		{"number", "${params.chunk}", "12"},
		{"date", "in-${params.day}.csv", "in-2026-11-20.csv"},
		{"decimal", "${params.rate}", "1.50"},
		{"null", "a${params.none}b", "ab"},
		{"several", "${env.SHOP}/${params.file}", "seoul/x.csv"},
		{"default unused", "${env.SHOP:-busan}", "seoul"},
		{"default of unset", "${env.NONE:-busan}", "busan"},
		{"default of empty", "${env.EMPTY:-busan}", "busan"},
		{"empty default", "a${env.NONE:-}b", "ab"},
		{"default with a colon", "${env.NONE:-http://x:-1}", "http://x:-1"},
		{"empty", "${env.EMPTY}", ""},
		{"value with a reference", "${env.NESTED}", "${params.file}"},
		{"escaped", "$${params.file}", "${params.file}"},
		{"escaped and not", "$${a}-${params.file}-$${b", "${a}-x.csv-${b"},
		{"dollar alone", "$5 {a} $", "$5 {a} $"},
		{"file", "${file:/base/secret}", "hunter22"},
		{"file below the base", "${file:secret}", "hunter22"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := Decoder{Scope: testScope(), Base: "/base"}
			var got string
			if err := d.Decode(parse(t, "'"+c.text+"'").Root, &got); err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestWrongReferencesAreErrors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text, want, hint string
		class                  fault.Class
	}{
		{"unknown parameter", "a ${params.fil}", `1:4: unknown name ${params.fil}`, `"params.file"`, fault.Definition},
		{"unknown namespace", "${parms.file}", "unknown name", `"params.file"`, fault.Definition},
		{"without namespace", "${file}", "unknown name", `"params.file"`, fault.Definition},
		{"step for steps", "${step.load.write_count}", "unknown name", `"steps.load.write_count"`, fault.Definition},
		{"unset variable", "${env.NONE}", "environment variable NONE is not set", "${env.NONE:-value}", fault.Environment},
		{"unreadable file", "${file:/none}", "no such file", "", fault.Environment},
		{"later", "${steps.load.write_count}", "has no value yet", "", fault.Definition},
		{"unclosed", "${params.file", "not closed", "$${", fault.Definition},
		{"empty", "${}", "names nothing", "params.NAME", fault.Definition},
		{"default of a parameter", "${params.file:-x}", "default", "declared", fault.Definition},
		{"bad variable", "${env.A-B}", "not a name", "env.NAME", fault.Definition},
		{"lone namespace", "${params}", "unknown name", "", fault.Definition},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := Decoder{Scope: testScope(), Base: "/base"}
			var into string
			err := d.Decode(parse(t, "'"+c.text+"'").Root, &into)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) || fault.ClassOf(err) != c.class {
				t.Errorf("got %v (%s) of class %s, want %s (%s)", err, fault.HintOf(err), fault.ClassOf(err), c.want, c.hint)
			}
		})
	}
}

func TestAResolvedValueIsTypeChecked(t *testing.T) {
	t.Parallel()
	conf, err := decode(t, Decoder{Scope: testScope()}, "{name: a, path: x, chunk: \"${params.chunk}\"}")
	if err != nil || conf.Chunk != 12 {
		t.Errorf("got %d, %v", conf.Chunk, err)
	}
	_, err = decode(t, Decoder{Scope: testScope()}, "{name: a, path: x, chunk: \"${params.many}\", mode: \"${env.SHOP}\"}")
	got := strings.Join(messages(err), "\n")
	if !strings.Contains(got, `chunk: expected a whole number, got text "many" from ${params.many}`) ||
		!strings.Contains(got, "mode: expected one of insert, upsert, got another value from ${env.SHOP}") || strings.Contains(got, "seoul") {
		t.Errorf("got %s", got)
	}
}

func TestCheckingLetsNamesThroughThatHaveAValueOnlyLater(t *testing.T) {
	t.Parallel()
	text := "name: a\npath: out-${steps.load.write_count}\nchunk: ${steps.load.write_count}\nlimit: ${steps.load.write_count}\nmode: ${env.NONE}\n"
	conf, err := decode(t, Decoder{Scope: testScope(), Check: true, Base: "/base"}, text)
	if err != nil || conf.Path != "" || conf.Chunk != 1000 || conf.Limit != nil || conf.Mode != "insert" {
		t.Errorf("got %+v, %v", conf, err)
	}
	if _, err := decode(t, Decoder{Scope: testScope(), Base: "/base"}, text); len(messages(err)) != 4 {
		t.Errorf("got %q, want four errors", messages(err))
	}
	if _, err := decode(t, Decoder{Scope: testScope(), Check: true}, "{name: a, path: \"${steps.lod.write_count}\"}"); err == nil {
		t.Error("an unknown name was let through")
	}
}

func TestReferencesAreRefusedWhereTheyCannotBe(t *testing.T) {
	t.Parallel()
	_, err := decode(t, Decoder{Scope: testScope()}, `
name: ${params.file}
path: x
when: ${params.file} == 1
query: |
  select '${params.day}',
    ${env.SHOP} from t where x = $${"a"}$$
`)
	want := []string{
		"2:7: name: ${...} cannot stand here | write the value out: it must be known when the file is read",
		"4:7: when: ${...} is not expanded inside expressions | write params.file",
		"6:11: query: ${params.day} inside SQL | values reach SQL as bind parameters: write :day",
		"7:5: query: ${env.SHOP} inside SQL | values reach SQL as bind parameters: write :SHOP and, beside the query, args: {SHOP: env.SHOP}",
	}
	if got := messages(err); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestScopesStandUponEachOther(t *testing.T) {
	t.Parallel()
	below := NewNames(nil).SetText("params.a", "below").SetText("params.b", "below").Declare("steps.x.read_count")
	above := NewNames(below).SetText("params.a", "above").SetInt("steps.x.read_count", 3).Declare("params.b", "context.c")
	cases := []struct {
		name, text string
		known      Availability
	}{
		{"params.a", "above", Now}, {"params.b", "below", Now}, {"steps.x.read_count", "3", Now},
		{"context.c", "", Later}, {"context.d", "", NoSuchName}, {"env.X", "", NoSuchName},
	}
	for _, c := range cases {
		if v, known := above.Lookup(c.name); known != c.known || TextOf(v) != c.text {
			t.Errorf("%s: got %q, %d, want %q, %d", c.name, TextOf(v), known, c.text, c.known)
		}
	}
	if got := strings.Join(above.Names("params"), " "); got != "a b" {
		t.Errorf("got %s", got)
	}
}
