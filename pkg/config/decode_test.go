package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
)

type inner struct {
	Kind  string `yaml:"kind,required" enum:"a|b"`
	Count *int   `yaml:"count"`
}

type location struct {
	Path Path `yaml:"path,required" help:"where it lies"`
}

// either is text or a list of texts.
type either []string

func (e *either) DecodeYAML(d *Decoder, n Node) error {
	if n.Kind() == List {
		return d.Decode(n, (*[]string)(e))
	}
	var one string
	err := d.Decode(n, &one)
	*e = either{one}
	return err
}

type everything struct {
	location
	Name    string          `yaml:"name,required,literal"`
	Chunk   int             `yaml:"chunk" default:"1000"`
	Big     int64           `yaml:"big"`
	Mode    string          `yaml:"mode" enum:"insert|upsert" default:"insert"`
	On      bool            `yaml:"on"`
	Wait    Duration        `yaml:"wait" default:"5s"`
	Size    Size            `yaml:"size"`
	Ratio   Percent         `yaml:"ratio"`
	When    Expression      `yaml:"when"`
	Query   SQL             `yaml:"query"`
	Set     Map[Expression] `yaml:"set"`
	Columns []string        `yaml:"columns"`
	Modes   []string        `yaml:"modes" enum:"x|y"`
	Inner   []inner         `yaml:"inner"`
	One     *inner          `yaml:"one"`
	Either  either          `yaml:"either"`
	Body    Node            `yaml:"body"`
	Limit   *int            `yaml:"limit"`
	Ignored string
}

func decode(t *testing.T, d Decoder, text string) (everything, error) {
	t.Helper()
	var conf everything
	d.What = "reader csv"
	err := d.Decode(parse(t, text).Root, &conf)
	return conf, err
}

// messages returns each error as position, message and hint.
func messages(err error) []string {
	var all fault.List
	errors.As(err, &all)
	var lines []string
	for _, e := range all {
		lines = append(lines, strings.TrimPrefix(e.Error(), "job.yaml:")+" | "+e.Hint)
	}
	return lines
}

func TestDecodeFillsEveryType(t *testing.T) {
	t.Parallel()
	conf, err := decode(t, Decoder{Base: "/base"}, `
name: a
path: in/x.csv
big: -9223372036854775808
mode: upsert
on: true
wait: 1d12h
size: 64KiB
ratio: 0.5%
when: status == "PAID"
query: select 1
set:
  b: 1
  a: true
columns: [x, 1, true, 2026-01-01]
modes: [x, y]
inner: [{kind: a, count: 3}, {kind: b}]
one: {kind: b}
either: z
body: {anything: [1]}
limit: 0
`)
	if err != nil {
		t.Fatal(fault.Render(err))
	}
	got := []any{conf.Path, conf.Chunk, conf.Big, conf.Mode, conf.On, time.Duration(conf.Wait), conf.Size, conf.Ratio,
		conf.When.Source, conf.Query.Text, conf.Set.Names(), conf.Set[1].Value.Source, conf.Columns, conf.Modes,
		*conf.Inner[0].Count, conf.Inner[1].Count == nil, conf.One.Kind, conf.Either, conf.Body.Kind(), *conf.Limit}
	want := []any{Path("/base/in/x.csv"), 1000, int64(-1 << 63), "upsert", true, 36 * time.Hour, Size(65536), Percent(0.005),
		`status == "PAID"`, "select 1", []string{"b", "a"}, "true", []string{"x", "1", "true", "2026-01-01"}, []string{"x", "y"},
		3, true, "b", either{"z"}, Mapping, 0}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("field %d: got %#v, want %#v", i, got[i], want[i])
		}
	}
}

func TestDecodeReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := decode(t, Decoder{}, `
chunk: many
mod: x
columns: a
inner: [{kind: c}, {count: 1}, 7]
wait: 5
on: "true"
size: big
ratio: 150%
either: {a: b}
modes: [x, z]
one:
limit: 1.5
big: "7"
`)
	want := []string{
		`2:1: key "path" is missing in reader csv | add "path: ...", a path: where it lies`,
		`2:1: key "name" is missing in reader csv | add "name: ...", text`,
		`2:8: chunk: expected a whole number, got text "many" | write digits without quotes, blanks or separators: 1000`,
		`3:1: unknown key "mod" in reader csv | did you mean "mode"?`,
		`4:10: columns: expected a list, got text "a" | write it in brackets, [a, b], or each member on a line of its own behind "- "`,
		`5:16: kind: expected one of a, b, got text "c" | did you mean "a"?`,
		`5:20: key "kind" is missing in inner | add "kind: ...", one of a, b`,
		`5:32: inner: expected a mapping, got the number 7 | a mapping is "key: value" on lines of their own, or {key: value}`,
		`6:7: wait: expected a duration, got the number 5 | write a number with a unit: 250ms, 5s, 10m, 2h, 1d`,
		`7:5: on: expected true or false, got text "true" | write true, without quotes`,
		`8:7: size: expected a size, got text "big" | write a number of bytes or with a unit: 64KiB, 10MB, 1GiB`,
		`9:8: ratio: expected a percentage, got text "150%" | write a number from 0 to 100 with a percent sign: 1%, 0.5%`,
		`10:9: either: expected text, got a mapping | write one value here, without brackets, braces or keys below it`,
		`11:12: modes: expected one of x, y, got text "z" | did you mean "x"?`,
		`12:5: one: no value | write a value or remove the key; null does not mean anything here`,
		`13:8: limit: expected a whole number, got the number 1.5 | write digits without quotes, blanks or separators: 1000`,
		`14:6: big: expected a whole number, got text "7" | write digits without quotes, blanks or separators: 1000`,
	}
	got := messages(err)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			break
		}
	}
}

func TestAbsentKeysHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	conf, err := decode(t, Decoder{}, "{name: a, path: x}")
	if err != nil || conf.Chunk != 1000 || conf.Mode != "insert" || time.Duration(conf.Wait) != 5*time.Second || conf.Limit != nil || conf.One != nil {
		t.Errorf("got %+v, error %v", conf, err)
	}
}

func TestEveryDefaultFitsItsField(t *testing.T) {
	t.Parallel()
	type wrong struct {
		N int `yaml:"n" default:"many"`
	}
	if err := new(Decoder).Decode(parse(t, "{}").Root, new(wrong)); err == nil {
		t.Error("a default that does not fit was accepted")
	}
}

func TestPathsStartAtTheBase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Path{"x.csv": "/base/x.csv", "../x.csv": "/x.csv", "/y/x.csv": "/y/x.csv", "'-'": "-", "in/*.csv": "/base/in/*.csv"} {
		conf, err := decode(t, Decoder{Base: "/base"}, "name: a\npath: "+text)
		if err != nil || conf.Path != want {
			t.Errorf("%s: got %s, want %s (%v)", text, conf.Path, want, err)
		}
	}
	if _, err := decode(t, Decoder{}, "name: a\npath: ''"); err == nil || !strings.Contains(err.Error(), "the path is empty") {
		t.Errorf("an empty path gave %v", err)
	}
}

func TestScalarsWithUnits(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text string
		want       any
		parse      func(string) (any, error)
	}{
		{"milliseconds", "250ms", Duration(250 * time.Millisecond), anyOf(ParseDuration)},
		{"days", "1d", Duration(24 * time.Hour), anyOf(ParseDuration)},
		{"days and more", "2d3h", Duration(51 * time.Hour), anyOf(ParseDuration)},
		{"no unit", "5", nil, anyOf(ParseDuration)},
		{"negative", "-5s", nil, anyOf(ParseDuration)},
		{"negative days", "-1d", nil, anyOf(ParseDuration)},
		{"a word", "soon", nil, anyOf(ParseDuration)},
		{"too long", "99999999d", nil, anyOf(ParseDuration)},
		{"bytes", "1048576", Size(1 << 20), anyOf(ParseSize)},
		{"binary", "64KiB", Size(64 << 10), anyOf(ParseSize)},
		{"decimal", "10MB", Size(10_000_000), anyOf(ParseSize)},
		{"with a blank", "1 GiB", Size(1 << 30), anyOf(ParseSize)},
		{"overflow", "99999999999TiB", nil, anyOf(ParseSize)},
		{"negative size", "-1", nil, anyOf(ParseSize)},
		{"broken", "1.5MB", nil, anyOf(ParseSize)},
		{"percent", "1%", Percent(0.01), anyOf(ParsePercent)},
		{"all", "100%", Percent(1), anyOf(ParsePercent)},
		{"no sign", "1", nil, anyOf(ParsePercent)},
		{"too many", "101%", nil, anyOf(ParsePercent)},
		{"no number", "NaN%", nil, anyOf(ParsePercent)},
		{"factor", "2", Factor(2), anyOf(ParseFactor)},
		{"factor with a point", "1.5", Factor(1.5), anyOf(ParseFactor)},
		{"negative factor", "-1", nil, anyOf(ParseFactor)},
		{"factor in another form", "1e3", nil, anyOf(ParseFactor)},
		{"no factor", "Inf", nil, anyOf(ParseFactor)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := c.parse(c.text)
			if (err != nil) != (c.want == nil) || err == nil && got != c.want {
				t.Errorf("%q: got %v, %v, want %v", c.text, got, err, c.want)
			}
		})
	}
}

func anyOf[T any](parse func(string) (T, error)) func(string) (any, error) {
	return func(text string) (any, error) { return parse(text) }
}

func TestExplicitTagsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := decode(t, Decoder{}, "name: !x a\npath: !!str 5\n")
	if got := messages(err); len(got) != 2 || !strings.Contains(got[0], "tag") {
		t.Errorf("got %q", got)
	}
}

func TestKeysDescribeAStruct(t *testing.T) {
	t.Parallel()
	keys := Keys(&everything{})
	byName := map[string]Key{}
	for _, k := range keys {
		byName[k.Name] = k
	}
	cases := []struct {
		name string
		want Key
	}{
		{"path", Key{Name: "path", Type: "a path", Required: true, Help: "where it lies"}},
		{"chunk", Key{Name: "chunk", Type: "a whole number", Default: "1000"}},
		{"mode", Key{Name: "mode", Type: "text", Default: "insert", Enum: []string{"insert", "upsert"}}},
		{"set", Key{Name: "set", Type: "a mapping of names to expressions"}},
		{"columns", Key{Name: "columns", Type: "a list of texts"}},
		{"body", Key{Name: "body", Type: "anything"}},
		{"query", Key{Name: "query", Type: "SQL text"}},
		{"limit", Key{Name: "limit", Type: "a whole number"}},
	}
	for _, c := range cases {
		if got := byName[c.name]; !reflect.DeepEqual(got, c.want) {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
	if keys[0].Name != "path" || len(byName["inner"].Keys) != 2 || len(byName["one"].Keys) != 2 {
		t.Errorf("got %+v", keys)
	}
}
