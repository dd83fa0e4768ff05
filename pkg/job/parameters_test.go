package job_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
)

var seoul = time.FixedZone("KST", 9*60*60)

// options are those of a run in Seoul, at eleven in the evening of 2026-03-31 in London.
func options() job.Options {
	return job.Options{Now: time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC), Location: seoul, Folder: "/home/me", Base: "/jobs",
		Scope: &config.World{Env: testEnv}, Secrets: &config.Secrets{}}
}

func withParam(t *testing.T, declaration string) *job.Job {
	t.Helper()
	return load(t, "params:\n  p: "+declaration+minimal)
}

func TestValuesHaveOneCanonicalText(t *testing.T) {
	t.Parallel()
	cases := []struct{ kind, given, want string }{
		{"string", "", ""}, {"string", " a=b ", " a=b "}, {"string", "${env.SHOP}", "${env.SHOP}"},
		{"int", "1", "1"}, {"int", "01", "1"}, {"int", "+1", "1"}, {"int", "-0", "0"}, {"int", "-7", "-7"}, {"int", "9223372036854775807", "9223372036854775807"},
		{"decimal", "1", "1"}, {"decimal", "1.0", "1"}, {"decimal", "1.00", "1"}, {"decimal", "1e0", "1"}, {"decimal", "-0.0", "0"}, {"decimal", "0.10", "0.1"},
		{"decimal", "100", "100"}, {"decimal", "1e2", "100"}, {"decimal", "12345678901234567890123456789012345678.90", "12345678901234567890123456789012345678.9"},
		{"bool", "true", "true"}, {"bool", "false", "false"},
		{"date", "2026-11-20", "2026-11-20"}, {"date", "today", "2026-04-01"}, {"date", "yesterday", "2026-03-31"}, {"date", "tomorrow", "2026-04-02"},
		{"date", "today-2d", "2026-03-30"}, {"date", "today+1d", "2026-04-02"}, {"date", "today-1w", "2026-03-25"}, {"date", "yesterday-1m", "2026-02-28"},
		{"date", "yesterday+1m", "2026-04-30"}, {"date", "today-12m", "2025-04-01"}, {"date", "yesterday-25m", "2024-02-29"},
		{"datetime", "2026-11-20T13:45:00", "2026-11-20T04:45:00Z"}, {"datetime", "2026-11-20 13:45", "2026-11-20T04:45:00Z"},
		{"datetime", "2026-11-20T13:45:00+09:00", "2026-11-20T04:45:00Z"}, {"datetime", "2026-11-20T04:45:00.500Z", "2026-11-20T04:45:00.5Z"},
		{"duration", "90m", "1h30m0s"}, {"duration", "1d", "24h0m0s"}, {"duration", "250ms", "250ms"},
		{"path", "in/x.csv", "/home/me/in/x.csv"}, {"path", "/a/../b", "/b"}, {"path", "-", "-"},
	}
	for _, c := range cases {
		t.Run(c.kind+" "+c.given, func(t *testing.T) {
			t.Parallel()
			r, err := withParam(t, "{type: "+c.kind+"}").Resolve(map[string]string{"p": c.given}, options())
			if err != nil {
				t.Fatal(fault.Render(err))
			}
			if got := r.List[0].Value; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			again, err := withParam(t, "{type: "+c.kind+"}").Resolve(map[string]string{"p": c.want}, options())
			if err != nil || again.Key() != r.Key() {
				t.Errorf("the canonical text gives %v, %v", again, err)
			}
		})
	}
}

func TestValuesThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	cases := []struct{ declaration, given, want, hint string }{
		{"{type: int}", "12abc", `parameter p: "12abc" is not an int`, "42"},
		{"{type: int}", "", "is not an int", "42"},
		{"{type: int}", "1.9", "is not an int", "42"},
		{"{type: int}", "9223372036854775808", "is not an int", "64 bits"},
		{"{type: decimal}", "1,5", "is not a decimal", "12.50"},
		{"{type: decimal}", "NaN", "is not a decimal", "12.50"},
		{"{type: bool}", "yes", "is not a bool", "true or false"},
		{"{type: date}", "2026-13-01", "is not a date", "yesterday"},
		{"{type: date}", "2026-02-29", "is not a date", "yesterday"},
		{"{type: date}", "today-2", "is not a date", "today-2d"},
		{"{type: date}", "now", "is not a date", "today"},
		{"{type: datetime}", "noon", "is not a datetime", "2026-11-20T13:45:00"},
		{"{type: duration}", "5", "is not a duration", "5s"},
		{"{type: path}", "", "the path is empty", ""},
		{"{enum: [low, high]}", "hgih", `"hgih" is not one of low, high`, `did you mean "high"?`},
		{"{type: int, enum: [1, 2]}", "3", `"3" is not one of 1, 2`, ""},
		{"{pattern: '[A-Z]{3}'}", "ABCD", "does not match the pattern [A-Z]{3}", "all of it"},
	}
	for _, c := range cases {
		t.Run(c.declaration+" "+c.given, func(t *testing.T) {
			t.Parallel()
			_, err := withParam(t, c.declaration).Resolve(map[string]string{"p": c.given}, options())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) || fault.ClassOf(err) != fault.Definition {
				t.Errorf("got %v (%s)", err, fault.HintOf(err))
			}
		})
	}
}

func TestEnumsCompareCanonicalTexts(t *testing.T) {
	t.Parallel()
	for declaration, given := range map[string]string{"{type: int, enum: [1, 02]}": "+2", "{type: decimal, enum: [1.50]}": "1.5", "{type: date, enum: [today, yesterday]}": "2026-04-01"} {
		if _, err := withParam(t, declaration).Resolve(map[string]string{"p": given}, options()); err != nil {
			t.Errorf("%s: %s: %v", declaration, given, err)
		}
	}
}

func TestDefaultsStandInForWhatIsNotGiven(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, declaration, want string }{
		{"text", "{default: abc}", "abc"},
		{"relative date", "{type: date, default: today}", "2026-04-01"},
		{"path below the base", "{type: path, default: in/x.csv}", "/jobs/in/x.csv"},
		{"environment", "{default: \"${env.SHOP}-${env.NONE:-x}\"}", "seoul-x"},
		{"path from the environment", "{type: path, default: \"${env.SHOP}.csv\"}", "/jobs/seoul.csv"},
		{"number", "{type: int, default: 007}", "7"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := withParam(t, c.declaration).Resolve(nil, options())
			if err != nil || r.List[0].Value != c.want {
				t.Errorf("got %v, %v, want %s", r, err, c.want)
			}
		})
	}
}

func TestDefaultsThatCannotBeResolvedAreExplained(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, declaration, want string }{
		{"unset variable", "{default: \"${env.NONE}\"}", "the environment variable NONE is not set"},
		{"a variable that does not fit", "{type: int, default: \"${env.SHOP}\"}", `default of parameter p: "seoul" is not an int`},
	}
	for _, c := range cases {
		_, err := withParam(t, c.declaration).Resolve(nil, options())
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.PositionOf(err).Line != 2 {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestUnknownAndMissingParametersAreReportedTogether(t *testing.T) {
	t.Parallel()
	j := load(t, "params:\n  date: {type: date, required: true}\n  shop: {required: true}\n  token: {required: true, secret: true}\n"+minimal)
	_, err := j.Resolve(map[string]string{"dat": "today", "shop": "x"}, options())
	var all fault.List
	if !errors.As(err, &all) || len(all) != 3 {
		t.Fatalf("got %v, want three errors", err)
	}
	want := []string{`job payments has no parameter "dat" | did you mean "date"?`, "parameter date is required | give it with -p date=..., 2026-11-20", "parameter token is required | give it with -p token=...; secrets are not stored"}
	for i, e := range all {
		if got := e.Message + " | " + e.Hint; !strings.HasPrefix(got, want[i]) {
			t.Errorf("got %s, want %s", got, want[i])
		}
	}
}

func TestAParameterWithoutAValueIsNull(t *testing.T) {
	t.Parallel()
	j := withParam(t, "{type: int}")
	r, err := j.Resolve(nil, options())
	if err != nil || len(r.List) != 0 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if v, known := r.Into(j.Names(nil)).Lookup("params.p"); known != config.Now || v.Kind() != record.Null {
		t.Errorf("got %v, %d", v, known)
	}
}

func TestValuesReachExpressionsWithTheirTypes(t *testing.T) {
	t.Parallel()
	for declaration, c := range map[string]struct {
		given string
		kind  record.Kind
	}{
		"{}": {"1", record.Text}, "{type: int}": {"1", record.Int}, "{type: decimal}": {"1", record.Decimal}, "{type: bool}": {"true", record.Bool},
		"{type: date}": {"today", record.Date}, "{type: datetime}": {"2026-01-01T00:00", record.DateTime}, "{type: duration}": {"1d", record.Text},
		"{type: path}": {"x", record.Text}, "{type: int, secret: true}": {"1", record.Int},
	} {
		r, err := withParam(t, declaration).Resolve(map[string]string{"p": c.given}, options())
		if err != nil || r.Value("p").Kind() != c.kind {
			t.Errorf("%s: got %v, %v", declaration, r, err)
		}
	}
}

func TestSecretValuesAreInNoMessageAndKnownToBeHidden(t *testing.T) {
	t.Parallel()
	for _, declaration := range []string{"{type: int, secret: true}", "{secret: true, enum: [other, canary-2]}", "{secret: true, pattern: x}", "{secret: true, type: date}"} {
		o := options()
		_, err := withParam(t, declaration).Resolve(map[string]string{"p": "canary-1"}, o)
		if err == nil || strings.Contains(fault.Render(err), "canary-1") {
			t.Errorf("%s: got %s", declaration, fault.Render(err))
		}
		if got := o.Secrets.Redact("canary-1"); got != "***" {
			t.Errorf("%s: got %s", declaration, got)
		}
	}
	o := options()
	r, err := withParam(t, "{secret: true, default: \"${env.SHOP}\"}").Resolve(nil, o)
	if err != nil || !r.List[0].Secret || r.List[0].Identifying || o.Secrets.Redact("in seoul") != "in ***" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestTheInstanceKeyIsTheHashOfNetstrings(t *testing.T) {
	t.Parallel()
	day := batch.Parameter{Name: "date", Type: "date", Value: "2026-11-20", Identifying: true}
	cases := []struct {
		name       string
		parameters []batch.Parameter
		want       string
	}{
		{"none", nil, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		// printf '4:date,4:date,10:2026-11-20,' | sha256sum
		{"one", []batch.Parameter{day}, "2d14db470fc53dc6ac365abf974312848883680f41fb28b10c04e5fb052db227"},
		// printf '4:date,4:date,10:2026-11-20,4:shop,6:string,6:서울,' | sha256sum
		{"two, in any order", []batch.Parameter{{Name: "shop", Type: "string", Value: "서울", Identifying: true}, day}, "4322ada2d396532ab4837e1e492266c8d525e9450f70be4f44836b8012c74b11"},
		{"one that does not identify", []batch.Parameter{day, {Name: "n", Type: "int", Value: "1"}}, "2d14db470fc53dc6ac365abf974312848883680f41fb28b10c04e5fb052db227"},
	}
	for _, c := range cases {
		if got := job.InstanceKey(c.parameters); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDifferentParametersHaveDifferentKeys(t *testing.T) {
	t.Parallel()
	one := func(name, kind, value string) []batch.Parameter {
		return []batch.Parameter{{Name: name, Type: kind, Value: value, Identifying: true}}
	}
	all := [][]batch.Parameter{
		one("a", "string", "b"), one("ab", "string", ""), one("a", "string", ""), one("a", "int", "1"), one("a", "string", "1"), nil,
		one("a", "string", "1,1:b,6:string,1:2"), append(one("a", "string", "1"), one("b", "string", "2")...),
	}
	seen := map[string]string{}
	for _, parameters := range all {
		key := job.InstanceKey(parameters)
		if other, twice := seen[key]; twice {
			t.Errorf("%v has the key of %s", parameters, other)
		}
		seen[key] = fmt.Sprint(parameters)
	}
}

func TestRelativeDatesAreNamed(t *testing.T) {
	t.Parallel()
	j := load(t, "params:\n  a: {type: date}\n  b: {type: date, default: yesterday}\n  c: {type: date}\n"+minimal)
	r, err := j.Resolve(map[string]string{"a": "today-1d", "c": "2026-01-01"}, options())
	if err != nil || strings.Join(r.Relative, " ") != "a b" {
		t.Errorf("got %+v, %v", r, err)
	}
}
