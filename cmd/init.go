package cmd

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/fault"
)

// example holds the job that init writes, under the name example.
//
//go:embed example
var example embed.FS

const exampleName = "example"

func newInitCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init [NAME]",
		Short: "Write a working example job to start from",
		Long: "init writes NAME.yaml, a job with comments that loads a file into a table, and NAME.csv, the file, into the current\n" +
			"folder. NAME is example where none is given. A file that is there already is left alone: exit code 2.",
		Example:           "  batchctl init\n  batchctl init orders && batchctl run orders.yaml -p day=today",
		Args:              atMost(1, "init takes the name of a job"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return runInit(a, c, append(args, exampleName)[0])
		},
	}
}

// initName is what a name may be, so that it can stand in a file's name, a YAML text and a path without quotes.
var initName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

func runInit(a *app, c *cobra.Command, name string) error {
	if !initName.MatchString(name) {
		return usageError(c, "%q is no name for a job", name).WithHint("a letter, then up to 63 letters, digits, - and _; the files are made in the current folder")
	}
	made := []string{name + ".yaml", name + ".csv"}
	for _, path := range made {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.Definition, "%s is there already", path).WithCode("exists").WithHint("give another name: batchctl init NAME")
		}
	}
	for _, path := range made {
		if err := writeExample(path, name); err != nil {
			return fault.Wrap(fault.Environment, err, "cannot write the example")
		}
	}
	if a.json() {
		a.document(struct {
			Made []string `json:"made"`
		}{made})
		return nil
	}
	if !a.global.quiet {
		a.printf("made %s and %s; now\n  batchctl preview %s -p day=today\n  batchctl run %s -p day=today\n", made[0], made[1], made[0], made[0])
	}
	return nil
}

func writeExample(path, name string) error {
	text, err := example.ReadFile("example/" + exampleName + filepath.Ext(path))
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(strings.ReplaceAll(string(text), exampleName, name))
	return errors.Join(err, file.Close())
}
