package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
)

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// aliasBomb returns levels of lists, each of nine aliases of the one before.
func aliasBomb(levels int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x]\n")
	for i := range levels {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 9), ","))
	}
	return b.String()
}

func mergeBomb(levels int) string {
	var b strings.Builder
	b.WriteString("m0: &m0 {x: 1}\n")
	for i := range levels {
		fmt.Fprintf(&b, "m%d: &m%d {<<: [%s]}\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*m%d,", i), 9), ","))
	}
	return b.String()
}

func TestHostileTextsAreRefusedWithin300Milliseconds(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"300 KiB", strings.Repeat("# comment\n", 30<<10), "larger than 256 KiB"},
		{"a scalar of 1 MB", "a: " + strings.Repeat("x", 1_000_000), "larger than 256 KiB"},
		{"100,000 brackets", strings.Repeat("[", 100_000), "nested too deep"},
		{"9,000 closed brackets", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "nested more than 50 deep"},
		{"100,000 braces", strings.Repeat("{a: ", 60_000), "nested too deep"},
		{"100,000 dashes", strings.Repeat("- ", 100_000), "nested too deep"},
		{"100,000 question marks", strings.Repeat("? ", 100_000), "nested too deep"},
		{"20,000 keys", numbered(20_000, "k%d: 1\n"), "more than 10000 keys"},
		{"20,000 keys in braces", "a: {" + numbered(20_000, "k%d: 1,") + "}", "more than 10000 keys"},
		{"130,000 members", "a: [" + strings.Repeat("a,", 130_000) + "]", "more than 40000 values"},
		{"an alias bomb", aliasBomb(12), "more than 40000 values"},
		{"an alias bomb of depth", aliasBomb(400), "more than 40000 values"},
		{"a merge key bomb", mergeBomb(12), "merge keys (<<) are not supported"},
		{"an alias of itself", "a: &x [*x]", "stands inside the value"},
		{"a NUL", "job: a\x00b", "byte 0x00"},
		{"UTF-16", "\xff\xfej\x00o\x00b\x00", "UTF-16"},
		{"UTF-16 without a mark", "j\x00o\x00b\x00:\x00", "byte 0x00"},
		{"latin1", "job: caf\xe9", "byte 0xe9"},
		{"an escape character", "job: \x1b[31m", "byte 0x1b"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := parsedSoon(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if fault.ClassOf(err.(fault.List)[0]) != fault.Definition || fault.HintOf(err) == "" {
				t.Errorf("class %s, hint %q", fault.ClassOf(err), fault.HintOf(err))
			}
		})
	}
}

// parsedSoon returns what Parse says of a text, and fails the test where that takes more than 300 ms.
func parsedSoon(t *testing.T, text string) (err error) {
	t.Helper()
	batchtest.Soon(t, 300*time.Millisecond, func() { _, err = Parse("job.yaml", []byte(text)) })
	return err
}

func TestTextsAtTheLimitsAreReadWithin300Milliseconds(t *testing.T) {
	cases := []struct{ name, text string }{
		{"9,900 keys", numbered(9_900, "k%d: 1\n")},
		{"130,000 comments", strings.Repeat("#\n", 130_000) + "a: 1"},
		{"comments behind values", "a:\n" + strings.Repeat(" - b # x\n", 25_000)},
		{"a long block", "a: |\n" + strings.Repeat("  x\n", 60_000)},
		{"anchors", numbered(15_000, "- &a%d x\n")},
		{"escapes", `a: "` + strings.Repeat(`\u00e9`, 40_000) + `"`},
		{"50 levels", strings.Repeat("[", 49) + strings.Repeat("]", 49)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := parsedSoon(t, c.text); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDuplicateKeysAreFoundAtEveryLevelWithBothPlaces(t *testing.T) {
	t.Parallel()
	_, err := Parse("job.yaml", []byte("a: 1\nb:\n  - c: 1\n    c: 2\n\"a\": 3\n"))
	var all fault.List
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("got %v, want two errors", err)
	}
	if all[0].Pos.String() != "job.yaml:4:5" || !strings.Contains(all[0].Hint, "line 3") {
		t.Errorf("got %v with hint %q", all[0], all[0].Hint)
	}
	if all[1].Pos.String() != "job.yaml:5:1" || !strings.Contains(all[1].Hint, "line 1") {
		t.Errorf("got %v with hint %q", all[1], all[1].Hint)
	}
}

func TestAliasesStandForTheirValues(t *testing.T) {
	t.Parallel()
	document := parse(t, "a: &common {x: 1}\nb: *common\nc: [*common, *common]\n")
	b, _ := document.Root.Get("b")
	x, ok := b.Get("x")
	if !ok || x.Text() != "1" || x.Position().String() != "job.yaml:1:16" {
		t.Errorf("got %q at %s", x.Text(), x.Position())
	}
	c, _ := document.Root.Get("c")
	if len(c.Items()) != 2 || c.Items()[1].Kind() != Mapping {
		t.Errorf("got %v", c.Items())
	}
}

func TestAByteOrderMarkIsIgnored(t *testing.T) {
	t.Parallel()
	document := parse(t, "\ufeffjob: x\n")
	if n, ok := document.Root.Get("job"); !ok || n.Position().Column != 6 {
		t.Errorf("got column %d", n.Position().Column)
	}
}

func TestSyntaxErrorsPointAtTheTrouble(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, at, message, hint string }{
		{"colon in a value", "a: 1\nb: x: y\nc: 2\n", "2:5", `": " inside a value`, "b: 'x: y'"},
		{"text behind double quotes", "s:\n  - n: x\n    f: \"A\" == b\n  - c: 2\n", "3:12", "text behind a closing quote", `f: '"A" == b'`},
		{"text behind single quotes", "a: 'PAID' == s\nb: 1\n", "1:11", "text behind a closing quote", `a: "'PAID' == s"`},
		{"quotes of both sorts", "a: \"it's\" + s\nb: 1\n", "1:11", "text behind a closing quote", `a: '"it''s" + s'`},
		{"a quote inside quotes", "a: 'it's'\nb: 1\n", "1:8", "text behind a closing quote", "twice"},
		{"text behind brackets", "f: [1,2] contains x\nd: 1\n", "1:10", "text behind a closing bracket", "f: '[1,2] contains x'"},
		{"a bracket too many", "a: {b: 1}}\nc: 1\n", "1:10", "a closing bracket too many", "remove it"},
		{"a bracket alone", "a: 1\n}\n", "2:1", "without an opening one", "remove it"},
		{"an open bracket", "a: [1\nb: 2\n", "2:1", "not closed", "close it"},
		{"a condition in braces", "s:\n  - {n: x, f: a ? b : c}\n", "2:21", `": " inside a value in {...}`, "f: 'a ? b : c'"},
		{"a reference in braces", "a: {p: ${params.x}}\nb: 1\n", "1:8", "without quotes", `"${params.x}"`},
		{"a reference in brackets", "l: [1, a, ${params.x}]\nb: 1\n", "1:11", "without quotes", `"${params.x}"`},
		{"a tab", "s:\n  - name: x\n\tf: b\n", "3:1", "a tab in the indentation", "blanks"},
		{"too little indentation", "s:\n  - name: x\n   f: b\n", "3:4", "indentation", "one column"},
		{"too much indentation", "a: 1\n  b: 1\n", "2:3", "indentation", "value already"},
		{"a list behind a key", "a: - b\n", "1:4", "a list cannot begin behind a key", "next line"},
		{"a list among keys", "a: 1\n- b\n", "2:1", "a list member where a key is expected", "column"},
		{"an open quote", "a: 1\nb: \"x\nc: 2\n", "2:4", "never closed", "close it"},
		{"at", "a: 1\nf: @x\nd: 1\n", "2:4", "cannot begin with @", "f: '@x'"},
		{"backquote", "f: `x`\n", "1:4", "cannot begin with `", "f: '`x`'"},
		{"percent", "f: % 5\nd: 1\n", "1:4", "cannot begin with %", "f: '% 5'"},
		{"greater", "f: > 5\nd: 1\n", "1:4", "> begins a block", "f: '> 5'"},
		{"unknown alias", "a: 1\nf: *x\nd: 1\n", "2:4", "alias *x refers to nothing", "f: '*x'"},
		{"unknown escape", `a: "\q"` + "\nb: 1\n", "1:5", `knows no \q`, `\\`},
		{"a word alone", "a: 1\nfoo\nd: 1\n", "2:1", `without "key: "`, "colon"},
		{"no blank behind a colon", "s:\n- a: 1\n  b:2\n  c: 3\n", "3:4", "no blank", "b: 2"},
		{"behind the end", "a: 1\n...\nb: 2\n", "3:1", "behind the end", "one definition"},
		{"a second document", "a: 1\n---\nb: 2\n", "2:1", "second YAML document", "one definition"},
		{"wide characters", "이름: \"가\" 나\nb: 1\n", "1:9", "text behind a closing quote", `이름: '"가" 나'`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("", []byte(c.text))
			var all fault.List
			if !errors.As(err, &all) || len(all) != 1 {
				t.Fatalf("got %v, want one error", err)
			}
			at := fmt.Sprintf("%d:%d", all[0].Pos.Line, all[0].Pos.Column)
			if at != c.at || !strings.Contains(all[0].Message, c.message) || !strings.Contains(all[0].Hint, c.hint) {
				t.Errorf("got %s %s (%s), want %s %s (%s)", at, all[0].Message, all[0].Hint, c.at, c.message, c.hint)
			}
		})
	}
}

// FuzzParse looks for texts that make the parser panic or an error that has no message.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"a: 1\n", "- {a: [b, *c]}\n", "a: &x\n  <<: *x\n", "\"a\\", "a:\r\n\t- b", "%YAML 1.1\n---\n", "? !t |\n x", "{a: 'b' c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		document, err := Parse("fuzz.yaml", []byte(text))
		if err != nil {
			if fault.Render(err) == "" || fault.ClassOf(err.(fault.List)[0]) != fault.Definition {
				t.Errorf("an error without text or class: %#v", err)
			}
			return
		}
		walk(document.Root)
		var conf everything
		if err := new(Decoder).Decode(document.Root, &conf); err != nil {
			fault.Render(err)
		}
	})
}

func walk(n Node) {
	_, _, _ = n.Position(), n.Words(), n.ErrorAt(len(n.Text())/2, "x")
	for _, item := range n.Items() {
		walk(item)
	}
	for _, p := range n.Pairs() {
		walk(p.Key)
		walk(p.Value)
	}
}

func parse(t testing.TB, text string) *Document {
	t.Helper()
	document, err := Parse("job.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%s", fault.Render(err))
	}
	return document
}
