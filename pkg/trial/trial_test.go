package trial

import (
	"context"
	"errors"
	"testing"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

func decode(t *testing.T, yaml string) (Conf, error) {
	t.Helper()
	document, err := config.Parse("job.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	var c Conf
	if err := (&config.Decoder{What: "fault"}).Decode(document.Root, &c); err != nil {
		return c, err
	}
	return c, c.Check()
}

// attempts makes n attempts at each of ten records and returns which failed.
func attempts(p *Plan, n int) (failed []int64) {
	for ordinal := int64(1); ordinal <= 10; ordinal++ {
		for range n {
			if p.Chosen(ordinal) && p.Fail(context.Background(), ordinal) != nil {
				failed = append(failed, ordinal)
			}
		}
	}
	return failed
}

func TestPlanFailsAtItsRecordsAndNowhereElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml     string
		epoch    int64
		attempts int
		want     []int64
	}{
		"one":                          {"{at: 4}", 1, 2, []int64{4, 4}},
		"a list":                       {"{at: [7, 2]}", 1, 1, []int64{2, 7}},
		"every third":                  {"{every: 3}", 1, 1, []int64{3, 6, 9}},
		"either":                       {"{at: 1, every: 5}", 1, 1, []int64{1, 5, 10}},
		"heals for each record":        {"{at: [4, 5], times: 2}", 1, 3, []int64{4, 4, 5, 5}},
		"first run":                    {"{at: 4, runs: 1}", 1, 1, []int64{4}},
		"second run":                   {"{at: 4, runs: 1}", 2, 1, nil},
		"second of two runs":           {"{at: 4, runs: 2}", 2, 1, []int64{4}},
		"a dry run is like the first":  {"{at: 4, runs: 1}", 0, 1, []int64{4}},
		"the class none does not fail": {"{every: 1, class: none, sleep: 1ms}", 1, 1, nil},
	} {
		conf, err := decode(t, c.yaml)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		now := func(time.Duration) <-chan time.Time { ch := make(chan time.Time, 1); ch <- time.Time{}; return ch }
		got := attempts(New(conf, c.epoch, now), c.attempts)
		if len(got) != len(c.want) {
			t.Errorf("%s: got failures at %v, want %v", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: got failures at %v, want %v", name, got, c.want)
			}
		}
	}
}

func TestClassIsThatOfTheCodeWhereNothingElseIsSaid(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]fault.Class{
		"{at: 1}":                              fault.Validation,
		"{at: 1, class: internal}":             fault.Internal,
		`{at: 1, code: "40001"}`:               fault.Transient,
		`{at: 1, code: "23505"}`:               fault.Constraint,
		`{at: 1, code: "57P01"}`:               fault.Transient,
		`{at: 1, code: MINE}`:                  fault.Validation,
		`{at: 1, code: "40001", class: parse}`: fault.Parse,
	} {
		conf, err := decode(t, yaml)
		if err != nil {
			t.Fatal(err)
		}
		err = New(conf, 1, nil).Fail(t.Context(), 1)
		if fault.ClassOf(err) != want || fault.CodeOf(err) != conf.Code || err.Error() != "planned failure" || fault.HintOf(err) == "" {
			t.Errorf("%s: got class %s, code %q, %v, want class %s", yaml, fault.ClassOf(err), fault.CodeOf(err), err, want)
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	conf, err := decode(t, "{at: 1, sleep: 1h}")
	if err != nil {
		t.Fatal(err)
	}
	slept := time.Duration(0)
	never := func(d time.Duration) <-chan time.Time { slept += d; return nil }
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := New(conf, 1, never).Fail(ctx, 1); !errors.Is(err, context.Canceled) || slept != time.Hour {
		t.Errorf("got %v after %s", err, slept)
	}
}

func TestWrongNumbersAreRefused(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{"{at: 0}", "{at: [1, -1]}", "{at: x}", "{every: -1}", "{times: -1}", "{runs: -2}", "{at: 1, class: none}", "{at: 1, class: data}"} {
		if _, err := decode(t, yaml); err == nil {
			t.Errorf("%s is taken", yaml)
		} else if c := fault.ClassOf(err); c != fault.Definition {
			t.Errorf("%s: got class %s", yaml, c)
		}
	}
}
