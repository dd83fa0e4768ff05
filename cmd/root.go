package cmd

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"batchctl/pkg/fault"
)

type globalOptions struct {
	meta       string
	output     string
	logFormat  string
	logLevel   string
	quiet      bool
	noColor    bool
	noProgress bool
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "batchctl",
		Short: "Run batch jobs that go on exactly where they were",
		Long: "batchctl runs the job that a YAML file describes: it reads records, processes them, writes them in chunks, and\n" +
			"remembers after every chunk how far it came. A job that stops, fails or is killed goes on exactly where it was.\n\n" +
			"Every flag has a twin in the environment: --log-format is BATCHCTL_LOG_FORMAT. A flag that is given counts more.",
		Example:       "  batchctl run jobs/quickstart.yaml\n  batchctl restart\n  batchctl list",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			return a.prepare(c)
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError(c, "%s", flagReason(err))
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.global.meta, "meta", "", "`file` of the job repository (default: batchctl/batchctl.db in the user's state folder), or postgres://user@host/database for a team")
	flags.StringVarP(&a.global.output, "output", "o", "table", "`form` of what is printed: table or json")
	flags.StringVar(&a.global.logFormat, "log-format", "text", "`form` of log lines: text or json")
	flags.StringVar(&a.global.logLevel, "log-level", "info", "the least important `level` of log lines shown: debug, info, warn or error")
	flags.BoolVarP(&a.global.quiet, "quiet", "q", false, "print nothing unless something went wrong")
	flags.BoolVar(&a.global.noColor, "no-color", false, "no colours (as with NO_COLOR)")
	flags.BoolVar(&a.global.noProgress, "no-progress", false, "log lines instead of progress bars, on a terminal too")
	addGroup(root, "Run jobs:", newRunCommand(a), newRestartCommand(a), newStopCommand(a), newAbandonCommand(a))
	addGroup(root, "See what was run:", newListCommand(a), newShowCommand(a), newDeadLettersCommand(a), newPurgeCommand(a))
	addGroup(root, "Write and check definitions:", newInitCommand(a), newValidateCommand(a), newPlanCommand(a), newPreviewCommand(a), newGraphCommand(a), newExplainCommand(a))
	root.AddCommand(newVersionCommand(a))
	return root
}

// addGroup adds commands that help shows together.
func addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, c := range commands {
		c.GroupID = title
	}
	root.AddCommand(commands...)
}

func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	names := []string{}
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	return usageError(c, "unknown command %q", args[0]).WithHint("%s", fault.DidYouMean(args[0], names))
}

// usageError is an error of the command line itself: exit 2.
func usageError(c *cobra.Command, format string, args ...any) *fault.Error {
	return fault.New(fault.Definition, format, args...).WithCode("usage").WithHint("see %s --help", c.CommandPath())
}

// prepare takes flags from their twins in the environment where they are not given, and checks their values.
func (a *app) prepare(c *cobra.Command) error {
	if err := environmentTwins(c); err != nil {
		return err
	}
	if err := exclusive(c); err != nil {
		return err
	}
	if a.json() && c.HasParent() && c.Parent().Name() == "completion" {
		return usageError(c, "a completion script has no form in JSON")
	}
	if err := a.checkMeta(c); err != nil {
		return err
	}
	return oneOf(c, map[string]string{"output": "table json", "log-format": "text json", "log-level": "debug info warn error"})
}

// exclusives are flags that say opposite things.
var exclusives = [][2]string{{"accept-changes", "as-recorded"}, {"adopt", "fresh"}, {"dry-run", "report"}}

func exclusive(c *cobra.Command) error {
	for _, pair := range exclusives {
		if given(c, pair[0]) && given(c, pair[1]) {
			return usageError(c, "--%s and --%s exclude each other", pair[0], pair[1])
		}
	}
	return nil
}

func given(c *cobra.Command, name string) bool {
	f := c.Flags().Lookup(name)
	return f != nil && f.Changed && f.Value.String() != "false"
}

// flagReason takes out of an error about a flag what only programmers can read.
func flagReason(err error) string {
	text := err.Error()
	if before, after, ok := strings.Cut(text, "strconv."); ok {
		reason := "not a number"
		if strings.HasPrefix(after, "ParseBool") {
			reason = "neither true nor false"
		}
		return before + reason
	}
	return text
}

func oneOf(c *cobra.Command, allowed map[string]string) error {
	for name, values := range allowed {
		given := c.Flag(name).Value.String()
		if known := strings.Fields(values); !contains(known, given) {
			return usageError(c, "--%s: unknown value %q", name, given).WithHint("%s", fault.DidYouMean(given, known))
		}
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TwinPrefix is what the names of flags begin with in the environment: --log-format is BATCHCTL_LOG_FORMAT.
const TwinPrefix = "BATCHCTL_"

func environmentTwins(c *cobra.Command) error {
	var err error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		name := TwinPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || value == "" || f.Changed || f.Name == "help" || err != nil {
			return
		}
		if setErr := c.Flags().Set(f.Name, value); setErr != nil {
			reason := flagReason(setErr)
			if at := strings.LastIndex(reason, " flag: "); at >= 0 {
				reason = reason[at+len(" flag: "):]
			}
			err = usageError(c, "%s in the environment: %q is %s", name, value, reason)
		}
	})
	return err
}

// oneArgument says what is missing instead of cobra's count of arguments.
func oneArgument(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageError(c, "missing argument: %s", what)
		case len(args) > 1:
			return usageError(c, "unexpected argument %q", args[1]).
				WithHint("a parameter is given as -p name=value; see %s --help", c.CommandPath())
		}
		return nil
	}
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError(c, "missing argument: %s", what)
		}
		return nil
	}
}

func atMost(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return usageError(c, "unexpected argument %q: %s", args[n], what)
		}
		return nil
	}
}

func (a *app) json() bool { return a.global.output == "json" }

func (a *app) printf(format string, args ...any) {
	fmt.Fprintf(a.stdout, format, args...)
}
