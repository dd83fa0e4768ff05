package config

import (
	"strings"
	"testing"
)

func TestExpressionsKeepTheirSource(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		{"bare", `status == "PAID"`, `status == "PAID"`},
		{"number", "1.50", "1.50"},
		{"octal looks", "0777", "0777"},
		{"boolean", "true", "true"},
		{"quoted", `'status == "PAID"'`, `status == "PAID"`},
		{"list behind an operator", `status in ["A", "B"]`, `status in ["A", "B"]`},
		{"block", "|\n  a +\n  b", "a +\nb"},
		{"not", "not done", "not done"},
		{"dollar", `"$5"`, "$5"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var e Expression
			value, _ := parse(t, "when: "+c.text).Root.Get("when")
			if err := new(Decoder).Decode(value, &e); err != nil || e.Source != c.want {
				t.Errorf("got %q, %v, want %q", e.Source, err, c.want)
			}
		})
	}
}

func TestTracesOfYAMLInExpressionsAreRecognised(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want, hint string }{
		{"comment", "set:\n  a: # b == 1\n", "2:5: a: the expression is missing", "'# b == 1'"},
		{"nothing", "set:\n  a:\n", "the expression is missing", "a: amount > 0"},
		{"null", "set:\n  a: null\n", "the expression is missing", "nil"},
		{"anchor", "set:\n  a: &b\n", "the expression is missing", "'&b'"},
		{"tag", "set:\n  a: !done\n", "a: YAML took !done for a tag", "a: '!done'"},
		{"tag and text", "set:\n  a: !x == 1\n", "a: YAML took !x for a tag", "a: '!x == 1'"},
		{"list", "set:\n  a: [b, c]\n", "expected an expression, got a list", "a: '[b, c]'"},
		{"mapping", "set:\n  a: {b: c}\n", "expected an expression, got a mapping", "a: '{b: c}'"},
		{"date", "set:\n  a: 2026-11-20\n", "would be a subtraction", `date("2026-11-20")`},
		{"cut at a comma", "set: {a: round(b, 2), c: 1}\n", `1:10: a: the expression "round(b" was cut off`, "a: 'round(b, 2)'"},
		{"cut in quotes", "set: {a: x + \"b, c\", c: 1}\n", "was cut off", `a: 'x + "b, c"'`},
		{"empty", "set:\n  a: ''\n", "the expression is empty", `a: '""'`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var set Map[Expression]
			value, _ := parse(t, c.text).Root.Get("set")
			err := new(Decoder).Decode(value, &set)
			got := strings.Join(messages(err), "\n")
			if !strings.Contains(got, c.want) || !strings.Contains(got, c.hint) || strings.Contains(got, "\n") {
				t.Errorf("got %s, want %s (%s)", got, c.want, c.hint)
			}
		})
	}
}

func TestHintNamesWhatCutAnExpressionOff(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		{"comment", "when: name == #1", "'name == #1'"},
		{"comma", "{when: round(a, b: 2}", "'round(a, ...'"},
		{"nothing", "when: a == b", ""},
		{"quoted", "when: 'a == #1' # first", ""},
	}
	for _, c := range cases {
		var e Expression
		value, _ := parse(t, c.text).Root.Get("when")
		if err := new(Decoder).Decode(value, &e); err != nil {
			t.Fatal(err)
		}
		if got := e.Hint(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestErrorAtPointsIntoTheText(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text, find, at string
	}{
		{"bare", "when: amount > x", "x", "1:16"},
		{"quoted", `when: "amount > x"`, "x", "1:17"},
		{"wide characters", "when: 금액 > x", "x", "1:12"},
		{"block", "when: |\n    amount >\n    금 + x\n", "x", "3:9"},
		{"folded", "when: >\n    amount >\n    x\n", "x", "1:7"},
		{"escapes", `when: "a\tb > x"`, "x", "1:7"},
		{"beyond", "when: abc", "", "1:7"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, _ := parse(t, c.text).Root.Get("when")
			offset := strings.Index(n.Text(), c.find)
			if c.find == "" {
				offset = 1000
			}
			if got := strings.TrimPrefix(n.ErrorAt(offset, "wrong").Pos.String(), "job.yaml:"); got != c.at {
				t.Errorf("got %s, want %s", got, c.at)
			}
		})
	}
}

func TestWithoutLeavesTheOthers(t *testing.T) {
	t.Parallel()
	n := parse(t, "type: csv\npath: x\nheader: true\n").Root
	rest := n.Without("type", "nothing")
	if _, there := rest.Get("type"); there || len(rest.Pairs()) != 2 || len(n.Pairs()) != 3 || rest.Position() != n.Position() {
		t.Errorf("got %v of %v", rest.Pairs(), n.Pairs())
	}
}
