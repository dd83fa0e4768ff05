package main_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"batchctl/pkg/config"
	"batchctl/pkg/plan"
)

// The pages of docs/ are held against the program: tables of keys are those of the decoder, YAML loads, examples that
// come with files are run, and what they show is what comes out.

var update = flag.Bool("update", false, "write the tables of keys into docs/*.md")

func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("docs/*.md")
	if err != nil || len(found) < 5 {
		t.Fatalf("pages: %v %v", found, err)
	}
	return found
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// keyTable is a table of keys between its two comments; its first group names what it is of, as "reader csv" or "job".
var keyTable = regexp.MustCompile(`(?s)<!-- keys: ([a-z ]+) -->\n(.*?)<!-- end of keys -->\n`)

func TestTablesOfKeysAreThoseOfTheDecoder(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, page := range pages(t) {
		text := readText(t, page)
		mended := keyTable.ReplaceAllStringFunc(text, func(found string) string {
			name := keyTable.FindStringSubmatch(found)[1]
			documented[name] = true
			return fmt.Sprintf("<!-- keys: %s -->\n%s<!-- end of keys -->\n", name, tableOf(t, name))
		})
		switch {
		case mended == text:
		case *update:
			if err := os.WriteFile(page, []byte(mended), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s: the tables of keys are not those of the program; run: go test -run TablesOfKeys . -update", page)
		}
	}
	for name, keys := range documentedKeys() {
		if len(keys) > 0 && !documented[name] {
			t.Errorf("no page has the keys of %s", name)
		}
	}
}

func TestEveryKindHasASection(t *testing.T) {
	t.Parallel()
	for _, sort := range plan.Explain() {
		page := readText(t, "docs/"+sort.Name+"s.md")
		for _, kind := range sort.Kinds {
			if !strings.Contains(page, "\n## "+kind.Name+"\n") {
				t.Errorf("docs/%ss.md has no section %s", sort.Name, kind.Name)
			}
		}
	}
}

// documentedKeys is every set of keys that a definition can have, by the name that pages call it.
func documentedKeys() map[string][]config.Key {
	all := map[string][]config.Key{}
	for _, part := range plan.Parts() {
		all[part.Name] = part.Keys
	}
	for _, sort := range plan.Explain() {
		for _, kind := range sort.Kinds {
			all[sort.Name+" "+kind.Name] = kind.Keys
		}
	}
	return all
}

func tableOf(t *testing.T, name string) string {
	t.Helper()
	keys, ok := documentedKeys()[name]
	if !ok {
		t.Fatalf("there are no keys of %q", name)
	}
	var b strings.Builder
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	writeKeys(&b, "", keys, strings.Contains(name, " "))
	return b.String()
}

func writeKeys(b *strings.Builder, prefix string, keys []config.Key, nested bool) {
	for _, k := range keys {
		value := k.Type
		if len(k.Enum) > 0 {
			value = "`" + strings.Join(k.Enum, "`, `") + "`"
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s | %s |\n", prefix, k.Name, value, defaultOf(k), strings.ReplaceAll(k.Help, "|", `\|`))
		if nested {
			writeKeys(b, prefix+k.Name+": ", k.Keys, true)
		}
	}
}

// defaultOf is a default as it is meant: '","' of the tag is a comma.
func defaultOf(k config.Key) string {
	switch {
	case k.Required:
		return "required"
	case k.Default == "":
		return ""
	}
	var value string
	if err := yaml.Unmarshal([]byte(k.Default), &value); err != nil {
		value = k.Default
	}
	return "`" + value + "`"
}

func TestExitCodesOfThePageAreThoseOfTheProgram(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "cmd/exit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	program := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "exit") && len(spec.Values) == 1 {
			if value, ok := spec.Values[0].(*ast.BasicLit); ok && value.Kind == token.INT {
				program[value.Value] = true
			}
		}
		return true
	})
	page := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9]+) \|`).FindAllStringSubmatch(readText(t, "docs/fault-tolerance.md"), -1) {
		page[row[1]] = true
	}
	if len(program) < 8 || !maps.Equal(program, page) {
		t.Errorf("docs/fault-tolerance.md has the exit codes %v, cmd/exit.go %v", slices.Sorted(maps.Keys(page)), slices.Sorted(maps.Keys(program)))
	}
}

// The commands and flags that pages and README show exist.
func TestFlagsOfThePagesExist(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	known := map[string]bool{"--now": true, "--long": true} // of systemctl and zstd
	for _, hidden := range []string{"--cpuprofile", "--trace"} {
		if out, _ := command(t, folder, "run", hidden).CombinedOutput(); strings.Contains(string(out), "needs an argument") {
			known[hidden] = true
		}
	}
	for _, name := range []string{"run", "restart", "stop", "abandon", "purge", "list", "show", "init", "validate", "plan", "preview", "graph", "explain", "version",
		"dead-letters list", "dead-letters show", "dead-letters replay"} {
		out, err := command(t, folder, append(strings.Fields(name), "--help")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s --help: %v\n%s", name, err, out)
		}
		for _, found := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(string(out), -1) {
			known[found] = true
		}
	}
	for _, page := range append(pages(t), "README.md") {
		if page == "docs/design.md" {
			continue
		}
		for _, found := range regexp.MustCompile("(?m)[ `(](--[a-z][a-z-]+)").FindAllStringSubmatch(readText(t, page), -1) {
			if !known[found[1]] {
				t.Errorf("%s: there is no flag %s", page, found[1])
			}
		}
	}
}

func TestGuaranteesOfThePageAreThoseOfPlan(t *testing.T) {
	t.Parallel()
	page := readText(t, "docs/fault-tolerance.md")
	folder := t.TempDir()
	table := "{type: sql, connection: shop, table: payments, create: true}"
	file := "{type: csv, path: out.csv}"
	for name, step := range map[string]string{
		"table":          "writer: " + table,
		"table apart":    "writer: " + table + "\ncheckpoint: metadata\n",
		"table, asked":   "writer: " + table + "\ncheckpoint: intent\n",
		"both, asked":    "writer: {type: all, writers: [" + table + ", " + file + "]}\ncheckpoint: intent\n",
		"file":           "writer: " + file,
		"table and file": "writer: {type: all, writers: [" + table + ", " + file + "]}",
		"nothing":        "writer: {type: discard}",
	} {
		text := wholeJob(t, name, step)
		if strings.Contains(step, "intent") {
			text = strings.Replace(text, "{driver: sqlite, dsn: shop.db}", "{driver: postgres, dsn: 'postgres://app@127.0.0.1/shop'}", 1)
		}
		writeFile(t, folder, "job.yaml", text)
		out, err := command(t, folder, "plan", "job.yaml", "-o", "json").Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var described plan.Description
		if err := json.Unmarshal(out, &described); err != nil {
			t.Fatal(err)
		}
		if guarantee := described.Steps[0].Guarantee; !strings.Contains(page, "| "+guarantee+" |") {
			t.Errorf("%s: docs/fault-tolerance.md does not have the guarantee %q", name, guarantee)
		}
	}
}
