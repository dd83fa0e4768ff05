package record

import (
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// layoutTokens maps the letters of a date pattern (Unicode TR 35, as Java's DateTimeFormatter has them) to what a Go
// layout says for them.
var layoutTokens = map[string]string{
	"yyyy": "2006", "yy": "06", "uuuu": "2006", "MMMM": "January", "MMM": "Jan", "MM": "01", "M": "1", "dd": "02", "d": "2",
	"EEEE": "Monday", "EEE": "Mon", "HH": "15", "hh": "03", "h": "3", "mm": "04", "m": "4", "ss": "05", "s": "5", "a": "PM",
	"S": "0", "SS": "00", "SSS": "000", "SSSSSS": "000000", "SSSSSSSSS": "000000000",
	"XXX": "Z07:00", "XX": "Z0700", "X": "Z07", "xxx": "-07:00", "xx": "-0700", "x": "-07", "Z": "-0700", "z": "MST", "DDD": "002",
}

// Layout returns the Go layout of a date pattern such as dd.MM.yyyy or yyyy-MM-dd'T'HH:mm:ss, whose letters are those of
// Java and Unicode TR 35. A pattern with 2006 in it is a Go layout already. An unknown letter is an error of class
// definition.
func Layout(pattern string) (string, error) {
	if strings.Contains(pattern, "2006") {
		return pattern, nil
	}
	var b strings.Builder
	for at := 0; at < len(pattern); {
		end, text, err := layoutPart(pattern, at, b.String())
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		at = end
	}
	if b.Len() == 0 {
		return "", fault.New(fault.Definition, "a date pattern is empty")
	}
	return b.String(), nil
}

// layoutPart translates what stands at one place of a pattern, behind the layout before.
func layoutPart(pattern string, at int, before string) (end int, text string, err error) {
	c := pattern[at]
	end = at + 1
	if c == '\'' {
		length := strings.IndexByte(pattern[end:], '\'')
		if length < 0 {
			return 0, "", fault.New(fault.Definition, "a quote is not closed in date pattern %q", clip(pattern))
		}
		if length == 0 {
			return end + 1, "'", nil
		}
		return literalPart(pattern, pattern[end:end+length], end+length+1)
	}
	if c|0x20 < 'a' || c|0x20 > 'z' {
		return literalPart(pattern, pattern[at:end], end)
	}
	for end < len(pattern) && pattern[end] == c {
		end++
	}
	token := pattern[at:end]
	text, ok := layoutTokens[token]
	if !ok {
		return 0, "", fault.New(fault.Definition, "unknown letters %q in date pattern %q", clip(token), clip(pattern)).
			WithHint("letters are yyyy MM dd HH mm ss SSS XXX and MMM EEE a; quote others, as in yyyy-MM-dd'T'HH:mm")
	}
	if c == 'S' && !strings.HasSuffix(before, ".") && !strings.HasSuffix(before, ",") {
		return 0, "", fault.New(fault.Definition, "fractions of a second must stand behind a point or comma in date pattern %q", clip(pattern))
	}
	return end, text, nil
}

// literalPart refuses literal digits and words that a Go layout would take for a part of the date.
func literalPart(pattern, literal string, end int) (int, string, error) {
	probe := time.Date(2033, 11, 22, 21, 44, 55, 0, time.UTC)
	if probe.Format(literal) != literal {
		return 0, "", fault.New(fault.Definition, "%q cannot stand literally in date pattern %q", clip(literal), clip(pattern))
	}
	return end, literal, nil
}

// layoutHasZone reports whether a time that is read by layout has an offset from UTC of its own.
func layoutHasZone(layout string) bool {
	return strings.Contains(layout, "07") || strings.Contains(layout, "MST")
}

// InLocation returns the moment at which clocks in a place read as wall does. Where they read so twice, or, in a gap,
// never, it is what time.Date makes of it.
func InLocation(wall time.Time, place *time.Location) time.Time {
	year, month, day := wall.Date()
	return time.Date(year, month, day, wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), place)
}
