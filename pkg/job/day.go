package job

import (
	"regexp"
	"strconv"
	"time"
)

var relativeDay = regexp.MustCompile(`^(today|yesterday|tomorrow)(?:([+-])(\d{1,4})([dwm]))?$`)

var dayWords = map[string]int{"yesterday": -1, "today": 0, "tomorrow": 1}

// parseDay reads a date: 2006-01-02, or relative to today in the zone of o: yesterday, today-2d, today+1w, today-1m. A
// month later or earlier is the same day of that month, or its last day where it is shorter.
func parseDay(text string, o Options) (time.Time, bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, day.Year() > 0
	}
	m := relativeDay.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, false
	}
	y, month, d := o.Now.In(o.Location).Date()
	day := time.Date(y, month, d+dayWords[m[1]], 0, 0, 0, 0, time.UTC)
	count, _ := strconv.Atoi(m[3])
	if m[2] == "-" {
		count = -count
	}
	switch m[4] {
	case "d":
		day = day.AddDate(0, 0, count)
	case "w":
		day = day.AddDate(0, 0, 7*count)
	case "m":
		day = addMonths(day, count)
	}
	return day, day.Year() > 0 && day.Year() < 10000
}

// addMonths moves a day by months and keeps it within the month it comes to.
func addMonths(day time.Time, months int) time.Time {
	first := time.Date(day.Year(), day.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(day.Day(), last)-1)
}

// RelativeDay reports whether a date is written relative to the day of the run.
func RelativeDay(text string) bool { return relativeDay.MatchString(text) }
