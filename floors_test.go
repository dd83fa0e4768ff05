package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the table of docs/design.md, lowest floor first. A package imports only from floors below its own.
var floors = [][]string{
	{"pkg/fault"},
	{"pkg/record"},
	{"pkg/batch", "pkg/config", "pkg/sqldb", "pkg/format", "pkg/files", "pkg/mail", "pkg/proc", "pkg/web"},
	{"pkg/catalog", "pkg/job", "pkg/expr", "pkg/trial"},
	{"pkg/readers", "pkg/processors", "pkg/writers", "pkg/tasklets", "pkg/listeners", "pkg/meta"},
	{"pkg/runner"},
	{"pkg/plan"},
	{"cmd"},
	{"main.go"},
}

// testPackages are imported by tests only. They may import what they test with.
var testPackages = []string{"pkg/batch/batchtest", "pkg/sqldb/sqltest"}

// drivers are the modules that talk to a database; only pkg/sqldb knows them.
var drivers = []string{"modernc.org/sqlite", "github.com/lib/pq", "github.com/jackc/pgx", "github.com/mattn/go-sqlite3",
	"github.com/go-sql-driver/mysql", "github.com/ncruces/go-sqlite3", "zombiezen.com/go/sqlite"}

// processOnly are the functions and variables that belong to the process: only cmd and main.go touch them.
var processOnly = map[string][]string{
	"os": {"Exit", "Args", "Stdin", "Stdout", "Stderr", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv",
		"Clearenv"},
	"syscall": {"Exit", "Getenv", "Environ", "Setenv", "Unsetenv"},
	"fmt":     {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// processImports are the packages that exist to touch the process.
var processImports = []string{"os/signal", "flag", "log"}

const module = "batchctl/"

func TestFloorsAreKept(t *testing.T) {
	t.Parallel()
	for _, file := range sourceFiles(t) {
		for _, complaint := range file.complaints() {
			t.Error(complaint)
		}
	}
}

func TestFloorsOfTheDesignAreThoseOfTheTest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	described := make(map[string]int)
	for _, line := range regexp.MustCompile(`(?m)^([0-9])  (.+)$`).FindAllStringSubmatch(string(text), -1) {
		floor, _ := strconv.Atoi(line[1])
		for _, name := range regexp.MustCompile(`pkg/[a-z]+|cmd\b|main\.go`).FindAllString(line[2], -1) {
			described[name] = floor
		}
	}
	if !maps.Equal(described, floorOf()) {
		t.Errorf("the floors in docs/design.md are %v, in this test %v", described, floorOf())
	}
}

// Each source below breaks one rule, so that a check that sees nothing is seen.
func TestFloorsCheckSeesEachViolation(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, path, source, want string }{
		{"upper floor", "pkg/record/a.go", `import "batchctl/pkg/batch"`, "does not lie below"},
		{"same floor", "pkg/format/a.go", `import "batchctl/pkg/files"`, "of its own floor"},
		{"same floor in a test", "pkg/format/a_test.go", `import "batchctl/pkg/files"`, "of its own floor"},
		{"main from below", "cmd/a.go", `import "batchctl"`, "has no floor"},
		{"package without a floor", "pkg/record/a.go", `import "batchctl/pkg/utils"`, "has no floor"},
		{"file without a floor", "pkg/utils/a.go", ``, "has no floor"},
		{"test package outside tests", "pkg/runner/a.go", `import "batchctl/pkg/batch/batchtest"`, "for tests only"},
		{"driver", "pkg/meta/a.go", `import "github.com/lib/pq"`, "only pkg/sqldb"},
		{"driver by a blank import in a test", "pkg/meta/a_test.go", `import _ "modernc.org/sqlite"`, "only pkg/sqldb"},
		{"part of a driver", "cmd/a.go", `import "modernc.org/sqlite/lib"`, "only pkg/sqldb"},
		{"os.Exit", "pkg/plan/a.go", `import "os"; func f() { os.Exit(1) }`, "os.Exit"},
		{"os.Stdout as a value", "pkg/plan/a.go", `import "os"; var w = os.Stdout`, "os.Stdout"},
		{"os under another name", "pkg/plan/a.go", `import sys "os"; var v = sys.Getenv("HOME")`, "os.Getenv"},
		{"os by a dot", "pkg/plan/a.go", `import . "os"; var v = Getenv("HOME")`, "dot import"},
		{"signals", "pkg/runner/a.go", `import "os/signal"; var f = signal.Notify`, "os/signal"},
		{"log", "pkg/runner/a.go", `import "log"; func f() { log.Println() }`, "imports log"},
		{"fmt.Println", "pkg/runner/a.go", `import "fmt"; func f() { fmt.Println() }`, "fmt.Println"},
		{"init", "cmd/a.go", `func init() {}`, "func init"},
		{"init in a test", "cmd/a_test.go", `func init() {}`, "func init"},
		{"blank import", "cmd/a.go", `import _ "embed"`, "blank import"},
		{"blank import in main.go", "main.go", `import _ "net/http/pprof"`, "blank import"},
	}
	for _, c := range cases {
		got := parseSource(t, c.path, c.source).complaints()
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: got %q, want one complaint with %q", c.name, got, c.want)
		}
	}
}

func TestFloorsCheckLetsPassWhatIsAllowed(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, path, source string }{
		{"lower floor", "pkg/runner/a.go", `import ("batchctl/pkg/batch"; "context")`},
		{"test package in a test", "pkg/writers/a_test.go", `import "batchctl/pkg/batch/batchtest"`},
		{"own package in a test", "pkg/writers/a_test.go", `import "batchctl/pkg/writers"`},
		{"test package with a driver", "pkg/sqldb/sqltest/a.go", `import _ "github.com/lib/pq"`},
		{"drivers", "pkg/sqldb/a.go", `import ("github.com/lib/pq"; _ "modernc.org/sqlite")`},
		{"time zones", "main.go", `import ("os"; _ "time/tzdata"; "batchctl/cmd"); func main() { os.Exit(cmd.Main(os.Args)) }`},
		{"the process in cmd", "cmd/a.go", `import ("fmt"; "os"; "os/signal"); func f() { fmt.Println(os.Args); signal.Reset() }`},
		{"the process in tests", "pkg/plan/a_test.go", `import "os"; var v = os.Getenv("BATCHCTL_SOAK")`},
		{"a method called init", "pkg/plan/a.go", `type t int; func (t) init() {}`},
		{"a variable called os", "pkg/plan/a.go", `var os struct{ Args []string }; var v = os.Args`},
		{"files", "pkg/files/a.go", `import "os"; var v = os.Open`},
	}
	for _, c := range cases {
		if got := parseSource(t, c.path, c.source).complaints(); len(got) != 0 {
			t.Errorf("%s: got %q, want none", c.name, got)
		}
	}
}

func floorOf() map[string]int {
	of := make(map[string]int)
	for floor, names := range floors {
		for _, name := range names {
			of[name] = floor
		}
	}
	return of
}

// source is a parsed file; its path starts at the root of the module.
type source struct {
	path string
	set  *token.FileSet
	file *ast.File
}

func parseSource(t *testing.T, name, body string) source {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, "package p; "+body, 0)
	if err != nil {
		t.Fatal(err)
	}
	return source{name, set, file}
}

// sourceFiles parses the module's files. Folders that the go tool passes over are passed over.
func sourceFiles(t *testing.T) []source {
	t.Helper()
	var files []source
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		base := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (base == "testdata" || base == "build" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		files = append(files, source{filepath.ToSlash(name), set, file})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// unit is the name the file's package has in the table.
func (s source) unit() string {
	if folder := path.Dir(s.path); folder != "." {
		return folder
	}
	return "main.go"
}

func (s source) complaints() []string {
	if slices.Contains(testPackages, s.unit()) {
		return nil
	}
	if _, ok := floorOf()[s.unit()]; !ok {
		return []string{s.at(s.file.Package, "package %s has no floor: give it one here and in docs/design.md", s.unit())}
	}
	var all []string
	for _, spec := range s.file.Imports {
		if c := s.aboutImport(spec); c != "" {
			all = append(all, c)
		}
	}
	return append(append(all, s.aboutInit()...), s.aboutProcess()...)
}

func (s source) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s: %s", s.set.Position(pos), fmt.Sprintf(format, args...))
}

func (s source) aboutImport(spec *ast.ImportSpec) string {
	target, _ := strconv.Unquote(spec.Path.Value)
	name := ""
	if spec.Name != nil {
		name = spec.Name.Name
	}
	inProcess := s.isTest() || s.unit() == "cmd" || s.unit() == "main.go"
	switch {
	case isDriver(target):
		if s.unit() != "pkg/sqldb" {
			return s.at(spec.Pos(), "imports %s: only pkg/sqldb knows drivers", target)
		}
	case name == "_":
		if s.path != "main.go" && !strings.HasSuffix(s.path, "_test.go") || target != "time/tzdata" {
			return s.at(spec.Pos(), "blank import of %s", target)
		}
	case name == "." && processOnly[target] != nil:
		return s.at(spec.Pos(), "dot import of %s hides what is used of it", target)
	case !inProcess && slices.Contains(processImports, target):
		return s.at(spec.Pos(), "imports %s: only cmd touches the process", target)
	case target+"/" == module || strings.HasPrefix(target, module):
		return s.aboutFloor(spec.Pos(), strings.TrimPrefix(target, module))
	}
	return ""
}

func isDriver(target string) bool {
	return slices.ContainsFunc(drivers, func(d string) bool { return target == d || strings.HasPrefix(target, d+"/") })
}

func (s source) aboutFloor(pos token.Pos, target string) string {
	if slices.Contains(testPackages, target) {
		if s.isTest() {
			return ""
		}
		return s.at(pos, "imports %s, which is for tests only", target)
	}
	own, of := floorOf()[s.unit()], floorOf()
	floor, known := of[target]
	switch {
	case !known:
		return s.at(pos, "imports %s, which has no floor", target)
	case s.isTest() && target == s.unit():
		return ""
	case floor == own:
		return s.at(pos, "imports %s, a package of its own floor: they are not to know each other", target)
	case floor > own:
		return s.at(pos, "imports %s of floor %d, which does not lie below %s on floor %d", target, floor, s.unit(), own)
	}
	return ""
}

func (s source) aboutInit() []string {
	var all []string
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			all = append(all, s.at(f.Pos(), "func init: say what is needed where it is needed"))
		}
	}
	return all
}

// aboutProcess finds uses of the process's own functions, under whatever name their package was imported.
func (s source) aboutProcess() []string {
	if s.isTest() || s.unit() == "cmd" || s.unit() == "main.go" {
		return nil
	}
	packages := s.imported()
	var all []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && slices.Contains(processOnly[packages[x.Name]], selector.Sel.Name) {
			all = append(all, s.at(n.Pos(), "uses %s.%s: only cmd touches the process", packages[x.Name], selector.Sel.Name))
		}
		return true
	})
	return all
}

// imported maps the names under which packages are known in the file to their paths.
func (s source) imported() map[string]string {
	names := make(map[string]string)
	for _, spec := range s.file.Imports {
		target, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(target)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = target
	}
	return names
}
