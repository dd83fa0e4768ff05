package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestClassOfFindsOutermostClassThroughWrapping(t *testing.T) {
	t.Parallel()
	inner := New(Constraint, "duplicate key").WithCode("23505")
	cases := map[string]struct {
		err   error
		class Class
		code  string
	}{
		"plain":        {errors.New("x"), Internal, ""},
		"direct":       {inner, Constraint, "23505"},
		"wrapped":      {fmt.Errorf("write: %w", inner), Constraint, "23505"},
		"outer wins":   {Wrap(Validation, inner, "rule"), Validation, "23505"},
		"no own class": {&Error{Message: "at", Err: inner}, Constraint, "23505"},
		"joined":       {errors.Join(errors.New("x"), inner), Constraint, "23505"},
	}
	for name, c := range cases {
		if got := ClassOf(c.err); got != c.class {
			t.Errorf("%s: got class %s, want %s", name, got, c.class)
		}
		if got := CodeOf(c.err); got != c.code {
			t.Errorf("%s: got code %q, want %q", name, got, c.code)
		}
	}
}

func TestSuggestFindsTyposAndNothingFarAway(t *testing.T) {
	t.Parallel()
	known := []string{"delimiter", "quote", "header", "columns", "path"}
	cases := map[string]string{
		"delimeter": "delimiter", "qoute": "quote", "Header": "header", "colums": "columns", "paht": "path",
		"zebra": "", "": "", strings.Repeat("x", 100): "",
	}
	for got, want := range cases {
		if s := Suggest(got, known); s != want {
			t.Errorf("Suggest(%q) = %q, want %q", got, s, want)
		}
	}
}

func TestRenderPointsAtColumnUnderWideLetters(t *testing.T) {
	t.Parallel()
	err := New(Definition, "unknown key %q", "값").At(Position{File: "job.yaml", Line: 7, Column: 6}).WithHint("remove it")
	err.Snippet = "이름: 값: x"
	want := "job.yaml:7:6: unknown key \"값\"\n" +
		"    7 | 이름: 값: x\n" +
		"      |         ^\n" +
		"  hint: remove it\n"
	if got := Render(err); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRenderEscapesControlCharacters(t *testing.T) {
	t.Parallel()
	got := Render(errors.New("bad value \x1b[31mred\x00"))
	if strings.ContainsAny(got, "\x1b\x00") || !strings.Contains(got, `\x1b[31mred\x00`) {
		t.Errorf("got %q", got)
	}
}

func TestRenderShowsTwentyErrorsAndCountsTheRest(t *testing.T) {
	t.Parallel()
	var list List
	for i := range 25 {
		list.Add(New(Definition, "error %d", i).At(Position{File: "j", Line: 25 - i}))
	}
	got := Render(list.Err())
	if n := strings.Count(got, "error "); n != 20 {
		t.Errorf("got %d errors, want 20", n)
	}
	if !strings.HasPrefix(got, "j:1: error 24\n") || !strings.HasSuffix(got, "and 5 more\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestRenderCutsLongLinesAroundTheColumn(t *testing.T) {
	t.Parallel()
	err := New(Parse, "bad").At(Position{File: "f", Line: 1, Column: 501})
	err.Snippet = strings.Repeat("a", 500) + "!" + strings.Repeat("b", 500)
	lines := strings.Split(Render(err), "\n")
	if at := strings.IndexByte(lines[2], '^'); at < 0 || lines[1][at] != '!' {
		t.Errorf("the caret does not stand under the column:\n%s\n%s", lines[1], lines[2])
	}
}

func TestListTakesApartNestedLists(t *testing.T) {
	t.Parallel()
	var inner, outer List
	inner.Add(New(Parse, "a"))
	inner.Add(New(Parse, "b"))
	outer.Add(fmt.Errorf("file: %w", inner.Err()))
	outer.Add(errors.New("c"))
	outer.Add(nil)
	if len(outer) != 3 {
		t.Errorf("got %d errors, want 3", len(outer))
	}
	if (List{}).Err() != nil {
		t.Error("an empty list is an error")
	}
}

func TestRenderGivesJoinedErrorsLinesOfTheirOwn(t *testing.T) {
	t.Parallel()
	full := New(Environment, "disk full").WithHint("make room")
	err := errors.Join(errors.Join(Wrap(Environment, full, "write"), Wrap(Environment, full, "record")), errors.New("close"))
	want := "write: disk full\nrecord: disk full\nclose\n  hint: make room\n"
	if got := Render(err); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// decision has a text, a reason that callers ask for, and the error that it is shown as.
type decision struct{ reason, shown error }

func (d decision) Error() string   { return d.shown.Error() }
func (d decision) Unwrap() []error { return []error{d.reason, d.shown} }

func TestRenderSaysOnceWhatWrapsSeveralErrors(t *testing.T) {
	t.Parallel()
	err := decision{errors.New("not running"), New(Environment, "execution 2 is not running").WithHint("show 2")}
	if got, want := Render(err), "execution 2 is not running\n  hint: show 2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	both := Several{err, errors.New("step b failed")}
	if got, want := Render(both), "execution 2 is not running\nstep b failed\n  hint: show 2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := both.Error(), "execution 2 is not running; step b failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
