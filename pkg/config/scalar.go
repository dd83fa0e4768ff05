package config

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// scalar fills one value: ${...} is expanded, then the text must be what the type asks for.
func (d *Decoder) scalar(n Node, into reflect.Value, r rules) error {
	expected := words(into.Type())
	if n.Kind() != Scalar {
		e := d.mismatch(n, expected)
		if e.Hint = hintFor(into.Type(), ""); e.Hint == "" {
			e.Hint = "write one value here, without brackets, braces or keys below it"
		}
		return e
	}
	if err := d.refuseTag(n); err != nil {
		return err
	}
	if into.Type() == reflect.TypeFor[SQL]() {
		into.Set(reflect.ValueOf(SQL{Text: n.Text(), Node: n}))
		return d.checkSQL(n)
	}
	text, found, err := d.expand(n, r.literal)
	if err != nil {
		return err
	}
	if found.later {
		return errLater
	}
	if why := d.set(into, n, text, found, r); why != "" {
		e := n.Errorf("%s", d.named(why)).WithCode("wrong_type")
		e.Hint = hintFor(into.Type(), text)
		if len(r.enum) > 0 && into.Kind() == reflect.String {
			e.Hint = fault.DidYouMean(text, r.enum)
		}
		return e
	}
	return nil
}

// set stores text as what the type of into asks for; otherwise it returns what is wrong.
func (d *Decoder) set(into reflect.Value, n Node, text string, found expansion, r rules) (why string) {
	expected := "expected " + words(into.Type()) + ", got " + found.describe(n, text)
	switch into.Interface().(type) {
	case Path:
		if text == "" {
			return "the path is empty"
		}
		into.SetString(string(d.path(text)))
		return ""
	case Duration:
		v, err := ParseDuration(text)
		into.SetInt(int64(v))
		return whyNot(err, expected)
	case Size:
		v, err := ParseSize(text)
		into.SetInt(int64(v))
		return whyNot(err, expected)
	case Percent:
		v, err := ParsePercent(text)
		into.SetFloat(float64(v))
		return whyNot(err, expected)
	case Factor:
		v, err := ParseFactor(text)
		if err == nil && !found.any && !n.plain() {
			return expected
		}
		into.SetFloat(float64(v))
		return whyNot(err, expected)
	}
	switch into.Kind() {
	case reflect.String:
		if len(r.enum) > 0 && !contains(r.enum, text) {
			return "expected one of " + strings.Join(r.enum, ", ") + ", got " + found.describe(n, text)
		}
		into.SetString(text)
		return ""
	case reflect.Bool:
		into.SetBool(text == "true")
		if text != "true" && text != "false" || !found.any && !n.plain() {
			return expected
		}
		return ""
	case reflect.Int, reflect.Int64, reflect.Int32:
		return setInt(into, n, text, found, expected)
	}
	return fmt.Sprintf("a field of type %s cannot be decoded", into.Type())
}

func setInt(into reflect.Value, n Node, text string, found expansion, expected string) string {
	v, err := strconv.ParseInt(text, 10, into.Type().Bits())
	if err != nil || !found.any && !n.plain() {
		return expected
	}
	into.SetInt(v)
	return ""
}

func whyNot(err error, expected string) string {
	if err != nil {
		return expected
	}
	return ""
}

// path returns text as an absolute path where the decoder has a base; "-" is standard input or output. A slash at the end,
// which says that a folder is meant, stays.
func (d *Decoder) path(text string) Path {
	if text == "-" || filepath.IsAbs(text) || d.Base == "" {
		return Path(text)
	}
	path := filepath.Join(d.Base, text)
	if strings.HasSuffix(text, "/") {
		path += "/"
	}
	return Path(path)
}

// refuseTag returns an error where n has an explicit YAML tag: nothing here means one.
func (d *Decoder) refuseTag(n Node) error {
	if tag := n.tag(); tag != "" {
		return n.Errorf("%s", d.named("YAML took "+tag+" for a tag, and tags mean nothing here")).
			WithHint("quote the value: %s: %s", d.word(), strconv.Quote(strings.TrimSpace(tag+" "+n.Text())))
	}
	return nil
}

// word returns the last word of what is decoded, for examples in hints.
func (d *Decoder) word() string {
	if d.What == "" {
		return "key"
	}
	return d.What
}

// ParseDuration reads what Go's time.ParseDuration does, and days: 1d, 1d12h.
func ParseDuration(text string) (Duration, error) {
	days, rest := int64(0), text
	if at := strings.IndexByte(text, 'd'); at > 0 {
		n, err := strconv.ParseInt(text[:at], 10, 32)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
		days, rest = n, text[at+1:]
		if rest == "" {
			rest = "0s"
		}
	}
	v, err := time.ParseDuration(rest)
	if err != nil || v < 0 || days > 100*366 || v > 100*366*24*time.Hour {
		return 0, fmt.Errorf("%q is not a duration", text)
	}
	return Duration(v + time.Duration(days)*24*time.Hour), nil
}

var units = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseSize reads a number of bytes with a unit: KiB, MiB, GiB, TiB are powers of 1024; kB (or KB), MB, GB, TB of 1000;
// B, or none, is bytes.
func ParseSize(text string) (Size, error) {
	for _, u := range units {
		digits, found := strings.CutSuffix(text, u.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimRight(digits, " "), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			break
		}
		return Size(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%q is not a size", text)
}

var factor = regexp.MustCompile(`^[0-9]{1,6}(\.[0-9]{1,6})?$`)

// ParseFactor reads a number that is not negative, as people write one: 2, 1.5.
func ParseFactor(text string) (Factor, error) {
	if !factor.MatchString(text) {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	v, err := strconv.ParseFloat(text, 64)
	return Factor(v), err
}

// ParsePercent reads a percentage from 0% to 100% as a fraction of 1.
func ParsePercent(text string) (Percent, error) {
	digits, found := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if !found || err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("%q is not a percentage", text)
	}
	return Percent(v / 100), nil
}
