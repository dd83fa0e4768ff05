package batch

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPatternsMatchWholeCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, code string
		want          bool
	}{
		{"COMPLETED", "COMPLETED", true},
		{"COMPLETED", "COMPLETED WITH SKIPS", false},
		{"COMPLETED*", "COMPLETED WITH SKIPS", true},
		{"COMPLETED*", "COMPLETED", true},
		{"completed", "COMPLETED", false},
		{"*", "", true},
		{"?", "", false},
		{"", "", true},
		{"C?T", "CAT", true},
		{"C?T", "COAT", false},
		{"C*T", "COAT", true},
		{"*SKIPS", "COMPLETED WITH SKIPS", true},
		{"*A*B*", "xxAyyBzz", true},
		{"*A*B*", "xxByyAzz", false},
		{"a.c", "abc", false},
		{"한?", "한글", true},
	} {
		if got := Pattern(c.pattern).Match(c.code); got != c.want {
			t.Errorf("%q matches %q: got %v, want %v", c.pattern, c.code, got, c.want)
		}
	}
}

func TestPatternsMatchAsTheirRegularExpressionDoes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	text := func(alphabet string) string {
		var b strings.Builder
		for range random.IntN(8) {
			b.WriteByte(alphabet[random.IntN(len(alphabet))])
		}
		return b.String()
	}
	for range 20_000 {
		pattern, code := text("AB*?"), text("ABC")
		expression := "^" + strings.NewReplacer("*", ".*", "?", ".").Replace(pattern) + "$"
		if want := regexp.MustCompile(expression).MatchString(code); Pattern(pattern).Match(code) != want {
			t.Fatalf("%q matches %q: want %v", pattern, code, want)
		}
	}
}

func TestMoreSpecificPatternsAreTriedFirst(t *testing.T) {
	t.Parallel()
	for _, want := range [][]Pattern{
		{"CONTINUABLE", "CONTIN*"},
		{"CONTINUABLE", "CONTIN???LE"},
		{"C?", "*"},
		{"CON?", "CON*"},
		{"CONTI?UABLE", "CONTI??ABLE"},
		{"CONTINUABLE*", "CON*"},
		{"**", "*"},
		{"COMPLETED", "FAILED", "COMPLETE?", "COMPLETED*", "*"},
	} {
		for range 10 {
			got := slices.Clone(want)
			rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
			slices.SortFunc(got, Pattern.Compare)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
}
