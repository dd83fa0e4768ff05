package plan

import (
	"slices"
	"testing"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/job"
)

func TestPausesGrowByTheMultiplier(t *testing.T) {
	t.Parallel()
	for multiplier, want := range map[config.Factor][]time.Duration{
		1:   {time.Second, time.Second, time.Second, time.Second},
		1.5: {time.Second, 1500 * time.Millisecond, 2250 * time.Millisecond, 3 * time.Second},
		2:   {time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second},
	} {
		a := &assembly{engine: &Engine{Random: func() float64 { return 0.5 }}}
		pause := a.pause(&job.Retry{Backoff: config.Duration(time.Second), MaxBackoff: config.Duration(3 * time.Second), Multiplier: multiplier})
		var got []time.Duration
		for retry := range 4 {
			got = append(got, pause(retry+1))
		}
		if !slices.Equal(got, want) {
			t.Errorf("multiplier %g: got %v, want %v", multiplier, got, want)
		}
	}
}
