package main_test

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"batchctl/pkg/config"
	"batchctl/pkg/job"
)

// fence is a block of code: its language, the path of the file that it shows, if it shows one, and its text.
type fence struct {
	language, path, text string
	line                 int
}

// isResult reports whether the block shows what a run makes: a file, or a query with its rows as comments.
func (f fence) isResult() bool {
	return strings.HasPrefix(f.path, "out/") || strings.HasSuffix(f.path, ".db") && strings.HasPrefix(f.text, "select")
}

var fences = regexp.MustCompile("(?ms)^```([a-z]*) ?([^\n]*)\n(.*?)^```$")

// section is a part of a page: what stands under one heading.
type section struct {
	name   string
	fences []fence
}

// sections takes a page apart; what stands before the first heading of the second level belongs to "".
func sections(text string) []section {
	found := []section{{}}
	heading := regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatchIndex(text, -1)
	for _, at := range fences.FindAllStringSubmatchIndex(text, -1) {
		for len(heading) > 0 && heading[0][0] < at[0] {
			found = append(found, section{name: text[heading[0][2]:heading[0][3]]})
			heading = heading[1:]
		}
		last := &found[len(found)-1]
		last.fences = append(last.fences, fence{
			language: text[at[2]:at[3]], path: text[at[4]:at[5]], text: text[at[6]:at[7]],
			line: 1 + strings.Count(text[:at[0]], "\n"),
		})
	}
	return found
}

// A block of YAML is a whole job, or a part of one: keys of a job, keys of a step, or a list of processors. Parts are
// completed to a job.

const (
	pageConnections = "connections:\n  shop: {driver: sqlite, dsn: shop.db}\n"
	pageReader      = "    reader: {type: csv, path: in/payments.csv}\n"
	pageWriter      = "    writer: {type: jsonl, path: out/records.jsonl}\n"
	pageStep        = "steps:\n  - name: load\n"
)

func wholeJob(t *testing.T, where, text string) string {
	t.Helper()
	if strings.HasPrefix(text, "- ") {
		text = "processors:\n" + indented(text, "  ")
	}
	names, err := topKeys(text)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	switch {
	case has("job"):
		return text
	case has("tasklet"):
		return "job: page\n" + pageConnections + pageStep + indented(text, "    ")
	case has("reader") || has("processors") || has("writer") || isStep(names) && !slices.Equal(names, []string{"listeners"}): // a job has those, too
		head := "job: page\n" + pageConnections + pageStep
		if !has("reader") {
			head += pageReader
		}
		if !has("writer") {
			head += pageWriter
		}
		return head + indented(text, "    ")
	}
	head := "job: page\n"
	if !has("connections") {
		head += pageConnections
	}
	if !has("steps") {
		head += pageStep + pageReader + pageWriter
	}
	return head + text
}

func isStep(names []string) bool {
	keys := config.Keys(job.Step{})
	for _, name := range names {
		if !slices.ContainsFunc(keys, func(k config.Key) bool { return k.Name == name }) {
			return false
		}
	}
	return true
}

func topKeys(text string) (names []string, err error) {
	var top map[string]yaml.Node
	err = yaml.Unmarshal([]byte(text), &top)
	return slices.Collect(maps.Keys(top)), err
}

func indented(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by) + "\n"
}

func TestYAMLOfPagesIsValid(t *testing.T) {
	t.Parallel()
	blocks := 0
	for _, page := range append(pages(t), "README.md") {
		folder := t.TempDir()
		for _, section := range sections(readText(t, page)) {
			for _, f := range section.fences {
				if f.language != "yaml" {
					continue
				}
				blocks++
				where := fmt.Sprintf("%s:%d", page, f.line)
				writeFile(t, folder, "job.yaml", wholeJob(t, where, f.text))
				if out, err := command(t, folder, "validate", "job.yaml").CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", where, err, out)
				}
			}
		}
	}
	if blocks < 30 {
		t.Errorf("only %d blocks of YAML were found", blocks)
	}
}

// A section that shows files is run: those in in/ and *.db (made by the SQL that is shown) before it, those in out/ are
// what it must make. Commands in a block "sh run" are run where they stand. Files before the first heading are there for all sections of a page.
func TestExamplesOfPagesMakeWhatTheyShow(t *testing.T) {
	t.Parallel()
	run := 0
	for _, page := range pages(t) {
		all := sections(readText(t, page))
		for _, section := range all[1:] {
			if !slices.ContainsFunc(section.fences, fence.isResult) {
				continue
			}
			run++
			t.Run(filepath.Base(page)+" "+section.name, func(t *testing.T) {
				t.Parallel()
				runSection(t, page, append(slices.Clone(all[0].fences), section.fences...))
			})
		}
	}
	if run < 15 {
		t.Errorf("only %d sections were run", run)
	}
}

func runSection(t *testing.T, page string, shown []fence) {
	t.Helper()
	folder := t.TempDir()
	for _, f := range shown {
		where := fmt.Sprintf("%s:%d", page, f.line)
		switch {
		case f.isResult() && f.language == "sql":
			if got := query(t, filepath.Join(folder, f.path), f.text); got != resultOf(f.text) {
				t.Errorf("%s: the query returns\n%s", where, got)
			}
		case strings.HasSuffix(f.path, ".db"):
			runSQL(t, filepath.Join(folder, f.path), f.text)
		case strings.HasPrefix(f.path, "in/"):
			if err := os.MkdirAll(filepath.Join(folder, "in"), 0o755); err != nil {
				t.Fatal(err)
			}
			writeFile(t, folder, f.path, f.text)
		case f.isResult():
			if got := readText(t, filepath.Join(folder, f.path)); got != f.text {
				t.Errorf("%s: %s is\n%s", where, f.path, got)
			}
		case f.language == "sh" && f.path == "run":
			for _, line := range strings.Split(strings.TrimSpace(f.text), "\n") {
				if out, err := command(t, folder, strings.Fields(line)[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%s: %s: %v\n%s", where, line, err, out)
				}
			}
		case f.language == "yaml":
			writeFile(t, folder, "job.yaml", wholeJob(t, where, f.text))
			if out, err := command(t, folder, "run", "job.yaml").CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", where, err, out)
			}
		}
	}
}

func runSQL(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

// resultOf is what the comments behind a query say that it returns.
func resultOf(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if row, ok := strings.CutPrefix(line, "-- "); ok {
			lines = append(lines, row)
		}
	}
	return strings.Join(lines, "\n")
}

// query returns the rows of a query, a line each, with | between the values.
func query(t *testing.T, path, text string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return rowsText(t, db, text)
}

func rowsText(t *testing.T, db *sql.DB, text string, args ...any) string {
	t.Helper()
	rows, err := db.Query(text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		pointers[i] = &values[i]
	}
	var lines []string
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = v.String
		}
		lines = append(lines, strings.Join(row, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
