package main_test

import (
	"database/sql"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The commands of the README are run as they stand, in one shell, in a copy of the sources: all but the tests.
func TestReadmeCommandsWork(t *testing.T) {
	t.Parallel()
	folder := sourceCopy(t)
	var script strings.Builder
	for _, s := range sections(readText(t, "README.md")) {
		for _, f := range s.fences {
			if f.language == "sh" && s.name != "Tests" {
				script.WriteString(f.text)
			}
		}
	}
	for _, wanted := range []string{"make run", "kill -9", "batchctl restart"} {
		if !strings.Contains(script.String(), wanted) {
			t.Errorf("the README does not say %q", wanted)
		}
	}
	out := shell(t, folder, script.String())
	for _, wanted := range []string{"1,000 read          857 written       143 filtered", "1,000,000 read      850,115 written   149,885 filtered"} {
		if !strings.Contains(out, wanted) || !strings.Contains(readText(t, "README.md"), wanted) {
			t.Errorf("the README and what the commands print do not both say %q:\n%s", wanted, out)
		}
	}
	checkAttempts(t, folder)
}

// shell runs a script that ends with the first command that fails.
func shell(t *testing.T, folder, script string) string {
	t.Helper()
	c := exec.Command("bash", "-euo", "pipefail", "-c", script)
	c.Dir = folder
	c.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(folder, "state"), "BATCHCTL_META=",
		"GOFLAGS=-trimpath -buildvcs=false", "CGO_ENABLED=0") // so that packages are taken from the build cache
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// sourceCopy is a folder with what a clone has and the README needs.
func sourceCopy(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "main.go"} {
		writeFile(t, folder, name, readText(t, name))
	}
	for _, name := range []string{"cmd", "pkg", "jobs", "testdata"} {
		if err := os.CopyFS(filepath.Join(folder, name), os.DirFS(name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// checkAttempts looks whether the load was killed in the middle and continued, and whether all rows are there.
func checkAttempts(t *testing.T, folder string) {
	t.Helper()
	c := exec.Command("build/batchctl", "list", "-o", "json", "--meta", "build/batchctl.db")
	c.Dir = folder
	text, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var attempts []struct {
		Status   string           `json:"status"`
		Instance int64            `json:"instance_id"`
		Counters map[string]int64 `json:"counters"`
	}
	if err := json.Unmarshal(text, &attempts); err != nil || len(attempts) != 3 {
		t.Fatalf("%v: want 3 executions:\n%s", err, text)
	}
	second, first := attempts[0], attempts[1]
	if first.Status != "FAILED" || second.Status != "COMPLETED" || first.Instance != second.Instance || second.Counters["read_count"] >= 1_000_000 {
		t.Errorf("it was not killed in the middle and continued:\n%s", text)
	}
	db, err := sql.Open("sqlite", filepath.Join(folder, "build/shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := rowsText(t, db, "select count(*), count(distinct id) from payments"); got != "850115|850115" {
		t.Errorf("rows|ids: %s", got)
	}
}

// Links from page to page lead to a file that is there and, behind #, to a heading.
func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]+))?\)`)
	for _, page := range append(pages(t), "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md") {
		for _, found := range link.FindAllStringSubmatch(fences.ReplaceAllString(readText(t, page), ""), -1) {
			target := page
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(page), found[1])
			}
			info, err := os.Stat(target)
			switch {
			case err != nil:
				t.Errorf("%s: %s leads nowhere", page, found[0])
			case found[2] != "" && (info.IsDir() || !hasHeading(readText(t, target), found[2])):
				t.Errorf("%s: %s: there is no such heading", page, found[0])
			}
		}
	}
}

// hasHeading looks for a heading by the anchor that GitHub gives it.
func hasHeading(text, anchor string) bool {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		if strings.ReplaceAll(name, " ", "-") == anchor {
			return true
		}
	}
	return false
}
