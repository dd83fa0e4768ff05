package job

import (
	"cmp"
	"slices"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Overlap is what a run does that meets a running execution of its instance. The zero Overlap leaves it open.
type Overlap struct {
	Do   string          // one of the constants below, or "" where nothing is said
	Wait config.Duration // how long OverlapWait waits at most; 0 where nothing is said
}

// The values of Overlap.Do.
const (
	OverlapFail = "fail" // the run is refused
	OverlapSkip = "skip" // the run does nothing, and that counts as success
	OverlapWait = "wait" // the run waits until the other execution has ended, and decides anew
)

// DefaultWait is how long a run waits for another execution where nothing is said.
const DefaultWait = 10 * time.Minute

// Over returns o with what it leaves open taken from below, and else from the defaults.
func (o Overlap) Over(below Overlap) Overlap {
	o.Do = cmp.Or(o.Do, below.Do, OverlapFail)
	o.Wait = cmp.Or(o.Wait, below.Wait, config.Duration(DefaultWait))
	return o
}

// DecodeYAML reads fail, skip or wait, or a mapping with the longest wait.
func (o *Overlap) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() == config.Mapping {
		var bounded struct {
			Wait config.Duration `yaml:"wait,required" help:"how long to wait at most"`
		}
		if err := d.For("on_overlap").Decode(n, &bounded); err != nil {
			return err
		}
		if at, _ := n.Get("wait"); bounded.Wait == 0 && written(at) {
			return at.Errorf("wait: expected a duration above 0").WithHint("on_overlap: fail does not wait")
		}
		*o = Overlap{Do: OverlapWait, Wait: bounded.Wait}
		return nil
	}
	known := []string{OverlapFail, OverlapSkip, OverlapWait}
	if n.Kind() != config.Scalar || !slices.Contains(known, n.Text()) {
		return n.Errorf("%s: expected fail, skip, wait or {wait: DURATION}, got %s", d.What, n.Words()).WithCode("wrong_value").
			WithHint("%s", fault.DidYouMean(n.Text(), known))
	}
	*o = Overlap{Do: n.Text()}
	return nil
}

// YAMLType implements config.Worded.
func (Overlap) YAMLType() string { return "fail, skip, wait, or {wait: DURATION}" }
