package meta

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// ids returns the executions' ids in their order.
func ids(found []ExecutionSummary) (all []int64) {
	for _, e := range found {
		all = append(all, e.Execution.ID)
	}
	return all
}

// history is: import 20th failed (1), continued and completed (2); import 21st failed (3); import 22nd stopped (4); nightly
// abandoned (5); nightly running (6).
func history(t *testing.T, s *Store) {
	t.Helper()
	ended(t, s, identified("2026-11-20"), batch.Failed)
	ended(t, s, identified("2026-11-20"), batch.Completed)
	l := launch(t, s, identified("2026-11-21"))
	step(t, s, l, "load", batch.Completed, 2)
	step(t, s, l, "load:partition0", batch.Completed, 1)
	step(t, s, l, "load:partition1", batch.Completed, 1)
	step(t, s, l, "loads", batch.Failed, 5)
	end(t, s, l, batch.Failed)
	ended(t, s, identified("2026-11-22"), batch.Stopped)
	nightly := eachRun("a.csv")
	nightly.Job = "nightly"
	if err := s.Abandon(t.Context(), ended(t, s, nightly, batch.Failed).ID); err != nil {
		t.Fatal(err)
	}
	launch(t, s, nightly)
}

func TestExecutionsAreFilteredNewestFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		history(t, s)
		cases := map[string]struct {
			filter Filter
			want   []int64
		}{
			"all":            {Filter{}, []int64{6, 5, 4, 3, 2, 1}},
			"a job":          {Filter{Job: "import"}, []int64{4, 3, 2, 1}},
			"an unknown job": {Filter{Job: "export"}, nil},
			"an instance":    {Filter{Instance: 1}, []int64{2, 1}},
			"statuses":       {Filter{Status: []batch.Status{batch.Failed, batch.Stopped}}, []int64{4, 3, 1}},
			"limited":        {Filter{Job: "import", Limit: 2}, []int64{4, 3}},
		}
		for name, c := range cases {
			found, err := s.Executions(t.Context(), c.filter)
			if got := ids(found); err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
			}
		}
	})
}

func TestCandidatesAreTheUnfinishedInstances(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		history(t, s)
		for job, want := range map[string]string{"": "[4 3]", "import": "[4 3]", "nightly": "[]"} {
			found, err := s.Candidates(t.Context(), job)
			if got := fmt.Sprint(ids(found)); err != nil || got != want {
				t.Errorf("job %q: got %v, %v, want %v", job, got, err, want)
			}
		}
	})
}

func TestSummariesCountPartitionsOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		history(t, s)
		found, err := s.Executions(t.Context(), Filter{Status: []batch.Status{batch.Failed}, Limit: 1})
		if err != nil || len(found) != 1 || found[0].Counters.Commit != 7 || found[0].Steps != 3 {
			t.Errorf("got %+v, %v, want 7 commits in 3 steps", found, err)
		}
	})
}

func TestJobsAreSummarised(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		history(t, s)
		jobs, err := s.Jobs(t.Context())
		if err != nil || len(jobs) != 2 {
			t.Fatalf("got %+v, %v", jobs, err)
		}
		for i, want := range []struct {
			name                        string
			instances, executions, last int64
			status                      batch.Status
		}{{"import", 3, 4, 4, batch.Stopped}, {"nightly", 2, 2, 6, batch.Starting}} {
			got := jobs[i]
			if got.Name != want.name || got.Instances != want.instances || got.Executions != want.executions ||
				got.Last.Execution.ID != want.last || got.Last.Execution.Status != want.status {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

func TestUnknownExecutionIsSaid(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	_, err := s.Execution(t.Context(), 17)
	if !errors.Is(err, ErrNoExecution) || fault.CodeOf(err) != "no_execution" || !strings.Contains(err.Error(), "17") || fault.HintOf(err) == "" {
		t.Errorf("got %v (%s), hint %q", err, fault.CodeOf(err), fault.HintOf(err))
	}
}

func TestInstanceAndItsLastExecution(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		history(t, s)
		if none, err := s.Instance(t.Context(), "import", "unknown"); none != nil || err != nil {
			t.Errorf("unknown key: got %v, %v", none, err)
		}
		if none, err := s.LastExecution(t.Context(), 99); none != nil || err != nil {
			t.Errorf("unknown instance: got %v, %v", none, err)
		}
		instance, err := s.Instance(t.Context(), "import", identified("2026-11-21").Key)
		if err != nil {
			t.Fatal(err)
		}
		last, err := s.LastExecution(t.Context(), instance.ID)
		if err != nil || last.ID != 3 || len(last.Steps) != 4 || last.Definition.Text == "" {
			t.Errorf("got %+v, %v, want execution 3 with four steps and its definition", last, err)
		}
	})
}

func TestDifferencesAreChangedLines(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ a, b, want string }{
		"equal":           {"a\nb\n", "a\nb\n", ""},
		"only the end":    {"a\nb\n", "a\nb", ""},
		"a changed line":  {"a\nb\nc\n", "a\nB\nc\n", "-    2  b\n+    2  B"},
		"an added one":    {"a\nc\n", "a\nb\nc\n", "+    2  b"},
		"a removed one":   {"a\nb\nc\n", "a\nc\n", "-    2  b"},
		"two places":      {"a\nb\nc\nd\ne\n", "x\nb\nc\nd\ny\n", "-    1  a\n+    1  x\n-    5  e\n+    5  y"},
		"all of it":       {"a\n", "", "-    1  a"},
		"a repeated line": {"a\na\nb\n", "a\nb\nb\n", "-    2  a\n+    2  b"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := diffLines(c.a, c.b); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestLargeDifferencesStaySmall(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a\nx\n", 20000), strings.Repeat("b\nx\n", 20000)
	got := diffLines(a, b)
	if lines := strings.Count(got, "\n") + 1; lines != maxDiff+1 || !strings.Contains(got, "more lines") {
		t.Errorf("got %d lines, ending %q", lines, got[len(got)-40:])
	}
}
