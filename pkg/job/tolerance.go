package job

import (
	"regexp"
	"slices"
	"strings"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Retry says which errors a step tries again, and after which pauses.
type Retry struct {
	MaxRetries int             `yaml:"max_retries" default:"3" help:"attempts after the first one"`
	Backoff    config.Duration `yaml:"backoff" default:"1s" help:"the pause before the first retry"`
	Multiplier config.Factor   `yaml:"multiplier" default:"1" help:"by how much each pause is longer than the one before"`
	MaxBackoff config.Duration `yaml:"max_backoff" default:"1m" help:"no pause is longer, before jitter"`
	Jitter     config.Percent  `yaml:"jitter" default:"0%" help:"how much longer or shorter a pause may be, by chance"`
	On         Reasons         `yaml:"on" help:"classes of errors, or SQLSTATEs; transient where absent"`
}

// DecodeYAML fills the retry and checks its numbers.
func (r *Retry) DecodeYAML(d *config.Decoder, n config.Node) error {
	type keys Retry
	var wrong fault.List
	wrong.Add(d.For("retry").Decode(n, (*keys)(r)))
	if at, ok := n.Get("max_retries"); ok && (r.MaxRetries < 0 || r.MaxRetries > 1000) {
		wrong.Add(at.Errorf("max_retries: expected 0 to 1000, got %d", r.MaxRetries))
	}
	if at, ok := n.Get("multiplier"); ok && (r.Multiplier < 1 || r.Multiplier > 100) {
		wrong.Add(at.Errorf("multiplier: expected 1 to 100, got %g", r.Multiplier))
	}
	if r.On == nil {
		r.On = Reasons{string(fault.Transient)}
	}
	return wrong.Err()
}

// Skip says which errors leave their record out, and how many may be.
type Skip struct {
	Limit *int64          `yaml:"limit" help:"at most so many records of the instance's step"`
	Ratio *config.Percent `yaml:"ratio" help:"at most this share of the records read so far"`
	After int64           `yaml:"after" default:"0" help:"the ratio counts from so many records on"`
	On    Reasons         `yaml:"on" help:"classes of errors, or SQLSTATEs; data where absent"`
}

// DecodeYAML fills the skip and checks that it has an end.
func (s *Skip) DecodeYAML(d *config.Decoder, n config.Node) error {
	type keys Skip
	var wrong fault.List
	wrong.Add(d.For("skip").Decode(n, (*keys)(s)))
	_, limit := n.Get("limit")
	_, ratio := n.Get("ratio")
	if !limit && !ratio {
		wrong.Add(n.Errorf("skip: how many records may be left out is not said").WithCode("missing_key").
			WithHint("add limit: 100, or ratio: 1%%, or both"))
	}
	if at, ok := n.Get("limit"); ok && s.Limit != nil && *s.Limit < 0 {
		wrong.Add(at.Errorf("limit: expected 0 or more, got %d", *s.Limit))
	}
	if at, ok := n.Get("after"); ok && s.After < 0 {
		wrong.Add(at.Errorf("after: expected 0 or more, got %d", s.After))
	}
	if s.On == nil {
		s.On = Reasons{"data"}
	}
	return wrong.Err()
}

// Reasons is a list of classes of errors and SQLSTATEs. The word data stands for parse, validation and constraint.
type Reasons []string

var (
	reasonClasses = []string{"data", "parse", "validation", "constraint", "transient"}
	sqlState      = regexp.MustCompile(`^[0-9A-Z]{5}$`)
)

// DecodeYAML reads the list, or a single reason. Classes that nothing can be done about are refused.
func (r *Reasons) DecodeYAML(d *config.Decoder, n config.Node) error {
	items := n.OneOrMore()
	var wrong fault.List
	*r = make(Reasons, 0, len(items))
	for _, item := range items {
		text := item.Text()
		if item.Kind() != config.Scalar || !slices.Contains(reasonClasses, text) && !sqlState.MatchString(text) {
			wrong.Add(item.Errorf("%s: expected a class of errors or an SQLSTATE, got %s", d.What, item.Words()).WithCode("unknown_class").
				WithHint("%s; or five digits and capitals, as 40001", fault.DidYouMean(strings.ToLower(text), reasonClasses)))
			continue
		}
		*r = append(*r, text)
	}
	return wrong.Err()
}

// YAMLType implements config.Worded.
func (Reasons) YAMLType() string { return "a list of classes of errors or SQLSTATEs" }

// Match reports whether an error is one of the reasons.
func (r Reasons) Match(err error) bool {
	class, code := fault.ClassOf(err), fault.CodeOf(err)
	for _, reason := range r {
		if reason == string(class) || reason == code || reason == "data" && class.Data() {
			return true
		}
	}
	return false
}
