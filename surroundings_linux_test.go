package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a process finds when it starts may lack almost anything. A load that cannot do its work says so with a documented
// exit code, one that can is complete, and after a failure it goes on exactly where nothing is lacking.
func TestLoadInPoorSurroundingsEndsCleanlyAndIsExact(t *testing.T) {
	t.Parallel()
	const quiet = ` >/dev/null 2>said`
	run := `"$BATCHCTL" run job.yaml`
	limited := func(limit string) string { // the shell itself must not need what is lacking
		return `exec >/dev/null 2>said; ulimit ` + limit + `; exec ` + run
	}
	for name, c := range map[string]struct {
		shell string
		codes []int
		says  string // in the file said
	}{
		"nobody reads standard output":     {`{ ` + run + ` -o json 2>said; echo $? >code; } | true; exit $(cat code)`, []int{0}, ""},
		"nobody reads what is logged":      {`{ ` + run + ` 2>&1; echo $? >code; } | true; exit $(cat code)`, []int{0}, ""},
		"no standard input":                {run + ` <&-` + quiet, []int{0}, "COMPLETED"},
		"no standard output":               {run + ` -o json >&- 2>said`, []int{0}, ""},
		"no standard error":                {run + ` 2>&-`, []int{0}, ""},
		"no streams at all":                {run + ` <&- >&- 2>&-`, []int{0}, ""},
		"log disk full":                    {run + ` 2>/dev/full`, []int{0}, ""},
		"log disk full, json":              {run + ` --log-format json 2>/dev/full`, []int{0}, ""},
		"disk of standard output full":     {run + ` -o json >/dev/full 2>said`, []int{0}, "write standard output: no space left on device"},
		"no home, a place for the history": {`env -u HOME -u XDG_STATE_HOME ` + run + quiet, []int{0}, "COMPLETED"},
		"no home and no place":             {`env -u HOME -u XDG_STATE_HOME -u STATE_DIRECTORY -u BATCHCTL_META ` + run + quiet, []int{2, 3}, "--meta"},
		"an empty environment":             {`env -i BATCHCTL_META=meta/batchctl.db ` + run + quiet, []int{0}, "COMPLETED"},
		"16 open files":                    {limited("-n 16"), []int{0, 1, 3}, ""},
		"12 open files":                    {limited("-n 12"), []int{0, 1, 3}, "ulimit -n"},
		"8 open files":                     {limited("-n 8"), []int{1, 3}, "ulimit -n"},
		"5 open files":                     {limited("-n 5"), []int{1, 3}, "ulimit -n"},
		"files of 200 KiB":                 {limited("-f 200"), []int{1, 3}, ""},
		"2 GB of address space":            {limited("-v 2000000"), []int{0}, "COMPLETED"},
		"1 GB of address space":            {limited("-v 1000000"), []int{0, 2}, ""}, // Go's own runtime ends with 2
		"100 MB of address space":          {limited("-v 100000"), []int{0, 2}, ""},
		"hangup, ignored":                  {`trap '' HUP; ` + run + quiet, []int{0}, "COMPLETED"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			targets := syscallTargets()[:2]
			if os.Getenv("BATCHCTL_SOAK") == "" {
				targets = targets[len(name)%2:][:1]
			}
			for _, target := range targets {
				target.records, target.name = 10_000, "poor "+target.name
				p := &place{target: target, folder: t.TempDir(), dsn: "out/shop.db"}
				p.writeQuickly(t)
				code := p.shell(t, c.shell)
				said := string(read(t, filepath.Join(p.folder, "said")))
				if !slices.Contains(c.codes, code) || !strings.Contains(said, c.says) {
					t.Errorf("%s: exit %d, want one of %v, and %q\n%.2000s", target.name, code, c.codes, c.says, said)
				}
				if status := p.status(); code == 0 != (status == "COMPLETED") {
					t.Errorf("%s: exit %d, and the execution is %q\n%.2000s", target.name, code, status, said)
				}
				if code != 0 {
					if again, _, output := p.run(t, time.Minute, "run", "job.yaml"); again != 0 {
						t.Errorf("%s: exit %d\n%.2000s\nagain: exit %d\n%s", target.name, code, said, again, output)
					}
				}
				p.check(t, 0)
			}
		})
	}
}

// shell runs a command of sh in the load's folder and returns its exit code.
func (p *place) shell(t *testing.T, command string) int {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", command)
	c.Dir = p.folder
	c.Env = append(os.Environ(), "BATCHCTL="+path, "BATCHCTL_META=meta/batchctl.db")
	err = c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// The folder that a process starts in need not be writable: paths start at the folder of the definition.
func TestCurrentFolderNeedNotBeWritable(t *testing.T) {
	t.Parallel()
	target := syscallTargets()[1]
	p := &place{target: target, folder: nobodysFolder(t), dsn: "out/shop.db"}
	p.writeQuickly(t)
	p.give(t, false)
	inside := filepath.Join(p.folder, "here")
	if err := os.Mkdir(inside, 0o555); err != nil {
		t.Fatal(err)
	}
	if code, output := asNobody(t, inside, "run", "../job.yaml", "--quiet", "--meta", "../meta/batchctl.db"); code != 0 || output != "" {
		t.Errorf("exit %d\n%s", code, output)
	}
	p.check(t, 0)
}
