// Gen writes a file of made-up payments of any size: the same bytes for the same flags, in constant memory.
//
//	go run ./testdata/gen -n 1000 -seed 42 -o testdata/payments.csv
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"batchctl/testdata/random"
)

type options struct {
	rows   int64
	bad    int64
	seed   uint64
	format string
	out    string
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = save(o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Int64Var(&o.rows, "n", 1000, "number of `rows`")
	flags.Int64Var(&o.bad, "bad", 0, "how many of the `rows` have an amount or a date that is none, spread evenly")
	flags.Uint64Var(&o.seed, "seed", 42, "`number` that the rows are drawn from")
	flags.StringVar(&o.format, "format", "csv", strings.Join(formatNames(), ", "))
	flags.StringVar(&o.out, "o", "-", "`file` to write, - for standard output")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rows < 0 || o.bad < 0 || o.bad > o.rows {
		return o, fmt.Errorf("-n %d -bad %d: there cannot be more bad rows than rows, nor fewer than none", o.rows, o.bad)
	}
	return o, nil
}

// save writes the file beside its final place and renames it, so that nobody meets half of one.
func save(o options, stdout io.Writer) error {
	if o.out == "-" {
		return write(stdout, o)
	}
	partial := o.out + ".partial"
	file, err := os.Create(partial)
	if err != nil {
		return err
	}
	err = errors.Join(write(file, o), file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	return os.Rename(partial, o.out)
}

func write(to io.Writer, o options) error {
	form, ok := findFormat(o.format)
	if !ok {
		return fmt.Errorf("unknown format %q: one of %s", o.format, strings.Join(formatNames(), ", "))
	}
	out := bufio.NewWriterSize(to, 1<<20)
	source := payments{numbers: random.From(o.seed), rows: o.rows, bad: o.bad}
	line := []byte(form.head)
	for i := range o.rows {
		if i > 0 {
			line = append(line, form.between...)
		}
		line = form.row(line, source.next())
		if _, err := out.Write(line); err != nil {
			return err
		}
		line = line[:0]
	}
	line = append(line, form.tail...)
	if _, err := out.Write(line); err != nil {
		return err
	}
	return out.Flush()
}
