package cmd

import (
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// twinValues are values that differ from the defaults, for flags that do not take any.
var twinValues = map[string]string{
	"output": "json", "log-format": "json", "log-level": "debug", "if-complete": "skip", "on-overlap": "skip",
	"wait-lock": "30m", "timeout": "2h", "older-than": "90d",
}

func twinValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return strconv.FormatBool(f.DefValue != "true")
	case "int":
		return "7"
	case "stringArray":
		return "name=a,b=c"
	}
	if v, ok := twinValues[f.Name]; ok {
		return v
	}
	return "x.json"
}

func TestEveryFlagHasATwinInTheEnvironment(t *testing.T) {
	seen := 0
	walk(newRootCommand(new(app)), func(c *cobra.Command) {
		names := map[string]bool{}
		note := func(f *pflag.Flag) { names[f.Name] = f.Name != "help" }
		c.LocalFlags().VisitAll(note)
		c.InheritedFlags().VisitAll(note)
		path := strings.Fields(c.CommandPath())[1:]
		for name, wanted := range names {
			if wanted {
				seen++
				t.Run(c.CommandPath()+"/"+name, func(t *testing.T) { hasTwin(t, path, name) })
			}
		}
	})
	if seen < 80 {
		t.Errorf("%d flags were tried: the walk does not see them", seen)
	}
}

func hasTwin(t *testing.T, path []string, name string) {
	c, _, err := newRootCommand(new(app)).Find(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ParseFlags(nil); err != nil {
		t.Fatal(err)
	}
	f := c.Flag(name)
	before, value := f.Value.String(), twinValue(f)
	twin := TwinPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	t.Setenv(twin, value)
	if err := environmentTwins(c); err != nil {
		t.Fatal(err)
	}
	if got := f.Value.String(); got == before || !strings.Contains(got, value) {
		t.Errorf("%s=%s: --%s is %s, was %s", twin, value, name, got, before)
	}
}

func TestFlagCountsMoreThanItsTwin(t *testing.T) {
	t.Setenv("BATCHCTL_OUTPUT", "json")
	var out strings.Builder
	if code := Main([]string{"version", "-o", "table"}, strings.NewReader(""), &out, &out); code != 0 || strings.HasPrefix(out.String(), "{") {
		t.Errorf("exit %d: %s", code, out.String())
	}
}

func TestTwinOfABooleanTakesFalse(t *testing.T) {
	t.Setenv("BATCHCTL_QUIET", "false")
	a := new(app)
	root := newRootCommand(a)
	_ = root.ParseFlags(nil)
	if err := environmentTwins(root); err != nil || a.global.quiet {
		t.Errorf("quiet is %t, %v", a.global.quiet, err)
	}
	t.Setenv("BATCHCTL_QUIET", "perhaps")
	root = newRootCommand(a)
	_ = root.ParseFlags(nil)
	err := environmentTwins(root)
	if err == nil || err.Error() != `BATCHCTL_QUIET in the environment: "perhaps" is neither true nor false` {
		t.Errorf("got %v", err)
	}
}
