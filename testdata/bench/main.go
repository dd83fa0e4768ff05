// Bench measures batchctl against the programs that its users would take instead: whole processes, one after the other, in
// turns, with outputs that are compared field by field with what they must be. docs/performance.md says how to read it.
//
//	make bench                                              all of it, and the table in docs/performance.md made anew
//	make bench BENCH='-run sqlite -rounds 3 -n 100000'      some rows of it, smaller
//	make bench BENCH='-run load -old /tmp/batchctl'         another batchctl beside this one
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"
)

type options struct {
	run     string
	rounds  int
	rows    int64
	wait    time.Duration
	binary  string
	old     string
	folder  string
	update  string
	offline bool
	list    bool
	root    string // folder of the module, empty: the current one
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == measureCommand {
		exit(measureOne(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 2 && os.Args[1] == upsertCommand {
		exit(upsertRowByRow(ctx, os.Args[2]))
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = measureAll(ctx, o)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.run, "run", "", "measure only the jobs whose name matches `pattern`")
	flags.IntVar(&o.rounds, "rounds", 5, "how `often` each program runs")
	flags.Int64Var(&o.rows, "n", 1_000_000, "`rows` of the reference data")
	flags.DurationVar(&o.wait, "wait", 2*time.Minute, "how `long` to wait for an idle machine before each run; 0: not at all, and no run is repeated")
	flags.StringVar(&o.binary, "batchctl", "build/batchctl", "`program` to measure")
	flags.StringVar(&o.old, "old", "", "another batchctl `program` to measure beside it")
	flags.StringVar(&o.folder, "folder", "build/bench", "`folder` for data and outputs")
	flags.StringVar(&o.update, "update", "", "`page` whose table of figures is made anew")
	flags.BoolVar(&o.offline, "offline", false, "install nothing: measure against the programs that are there")
	flags.BoolVar(&o.list, "list", false, "list the names of the jobs")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 1 || o.rows < 100 {
		return o, errors.New("-rounds must be 1 or more, -n 100 or more")
	}
	_, err := regexp.Compile(o.run)
	return o, err
}

// bench is what the contests share.
type bench struct {
	options
	jobs   string // folder of the definitions
	server *server
	peers  peers
}

func measureAll(ctx context.Context, o options) (err error) {
	b := &bench{options: o, jobs: filepath.Join(o.root, "testdata", "bench", "jobs")}
	if o.list {
		return b.printList()
	}
	if err := os.MkdirAll(o.folder, 0o755); err != nil {
		return err
	}
	if b.server, err = startServer(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.server.close()) }()
	b.peers = findPeers(ctx, b)
	results, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return b.report(results)
}
