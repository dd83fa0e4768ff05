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
			"remembers after every chunk how far it came. A job that stops, fails or is killed goes on exactly where it was.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			return a.prepare(c)
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError(c, "%s", err)
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.global.meta, "meta", "", "`file` of the job repository (default: batchctl/batchctl.db in the user's state folder)")
	flags.StringVarP(&a.global.output, "output", "o", "table", "form of what is printed: table or json")
	flags.StringVar(&a.global.logFormat, "log-format", "text", "form of log lines: text or json")
	flags.StringVar(&a.global.logLevel, "log-level", "info", "least important log lines shown: debug, info, warn or error")
	flags.BoolVarP(&a.global.quiet, "quiet", "q", false, "print nothing unless something went wrong")
	flags.BoolVar(&a.global.noColor, "no-color", false, "no colours (also NO_COLOR)")
	flags.BoolVar(&a.global.noProgress, "no-progress", false, "no progress bars")
	root.AddCommand(
		newRunCommand(a), newRestartCommand(a),
		newStopCommand(a), newAbandonCommand(a),
		newListCommand(a), newShowCommand(a),
		newValidateCommand(a), newPlanCommand(a), newExplainCommand(a),
		newVersionCommand(a),
	)
	return root
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
	if a.global.meta != "" && strings.HasPrefix(a.global.meta, "postgres") && strings.Contains(a.global.meta, "://") {
		a.secrets.Add(a.global.meta)
		return usageError(c, "--meta: a job repository in PostgreSQL is not available in this version").
			WithHint("give the path of a file")
	}
	return oneOf(c, map[string]string{"output": "table json", "log-format": "text json", "log-level": "debug info warn error"})
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
			err = usageError(c, "%s in the environment: %s", name, setErr)
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

func (a *app) json() bool { return a.global.output == "json" }

func (a *app) printf(format string, args ...any) {
	fmt.Fprintf(a.stdout, format, args...)
}
