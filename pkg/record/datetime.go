package record

import "time"

// setISO makes v the datetime that a text stands for as ISO 8601 and databases write it: a date, then optionally T or a
// blank and 15:04 or 15:04:05 or 15:04:05.999999999, then optionally Z, +09, +0900 or +09:00. It keeps the text.
func (v *Value) setISO(s string) bool {
	days, rest, ok := cutDate(s)
	if !ok {
		return false
	}
	v.set(DateTime, 0, s, 0)
	seconds := days * secondsPerDay
	if rest != "" {
		if rest[0] != 'T' && rest[0] != ' ' && rest[0] != 't' {
			return false
		}
		var clock, nanos int64
		if clock, nanos, rest, ok = cutClock(rest[1:]); !ok {
			return false
		}
		seconds += clock
		v.lo = uint64(nanos)
	}
	if rest != "" {
		offset, ok := parseOffset(rest)
		if !ok {
			return false
		}
		seconds -= int64(offset)
		v.aux, v.flag = offset, flagZoned
	}
	v.hi = uint64(seconds)
	return true
}

// twoDigits reads the number that s begins with; 100 or more where that is none.
func twoDigits(s string) int {
	tens, ones := s[0]-'0', s[1]-'0'
	if tens > 9 || ones > 9 {
		return 100
	}
	return int(tens)*10 + int(ones)
}

// DaysTo reads 2006-01-02 as days since 1970-01-01. The year 0 is that before 0001 (ISO 8601).
func DaysTo(date string) (days int64, ok bool) {
	days, rest, ok := cutDate(date)
	return days, ok && rest == ""
}

// cutDate reads 2006-01-02 at the beginning of s, as days since 1970-01-01.
func cutDate(s string) (days int64, rest string, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, "", false
	}
	century, year, month, day := twoDigits(s), twoDigits(s[2:]), twoDigits(s[5:]), twoDigits(s[8:])
	if century > 99 || year > 99 || month < 1 || month > 12 || day < 1 {
		return 0, "", false
	}
	year += century * 100
	return daysTo(year, month, day), s[10:], day <= 28 || day <= daysIn(year, month)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysTo returns the days from 1970-01-01 to a day of a year from 0 on. It counts in years that begin in March, so that
// the leap day comes last: the months from there on have 30.6 days each, rounded (Hinnant, "chrono-Compatible Low-Level
// Date Algorithms").
func daysTo(year, month, day int) int64 {
	const daysToEpoch = 719468 // from 0000-03-01
	if month < 3 {
		year, month = year-1, month+12
	}
	leaps := floorDiv(int64(year), 4) - floorDiv(int64(year), 100) + floorDiv(int64(year), 400)
	return int64(year)*365 + leaps + int64((153*(month-3)+2)/5+day-1) - daysToEpoch
}

// cutClock reads 15:04 or 15:04:05 or 15:04:05.999999999 at the beginning of s.
func cutClock(s string) (seconds, nanos int64, rest string, ok bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, 0, "", false
	}
	hour, minute := twoDigits(s), twoDigits(s[3:])
	if hour > 23 || minute > 59 {
		return 0, 0, "", false
	}
	seconds = int64(hour*3600 + minute*60)
	if len(s) < 8 || s[5] != ':' {
		return seconds, 0, s[5:], true
	}
	second := twoDigits(s[6:])
	if second > 59 {
		return 0, 0, "", false
	}
	nanos, rest, ok = cutNanos(s[8:])
	return seconds + int64(second), nanos, rest, ok
}

// cutNanos reads .9 to .999999999; more digits would be lost and are refused.
func cutNanos(s string) (nanos int64, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	digits := digitsIn(s[1:])
	if digits == 0 || digits > 9 {
		return 0, "", false
	}
	for _, c := range []byte(s[1 : 1+digits]) {
		nanos = nanos*10 + int64(c-'0')
	}
	return nanos * int64(pow10[9-digits]), s[1+digits:], true
}

// parseOffset reads Z, +09, +0900, +09:00 as seconds east of UTC.
func parseOffset(s string) (seconds int32, ok bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = s[:3] + s[4:]
	}
	if len(s) != 3 && len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, minutes := twoDigits(s[1:]), 0
	if len(s) == 5 {
		minutes = twoDigits(s[3:])
	}
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	seconds = int32(hours*3600 + minutes*60)
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

func appendDate(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, time.DateOnly)
	}
	return append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-',
		byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10))
}

// appendDateTime appends RFC 3339. Offsets that are no whole minutes, which it cannot write, become UTC.
func appendDateTime(dst []byte, v Value) []byte {
	if v.aux%60 != 0 {
		v.aux = 0
	}
	wall := v.Wall()
	dst = appendDate(dst, wall)
	dst = wall.AppendFormat(dst, "T15:04:05.999999999")
	switch {
	case !v.Zoned():
		return dst
	case v.aux == 0:
		return append(dst, 'Z')
	}
	sign, minutes := byte('+'), v.aux/60
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	hours, minutes := minutes/60, minutes%60
	return append(dst, sign, byte('0'+hours/10), byte('0'+hours%10), ':', byte('0'+minutes/10), byte('0'+minutes%10))
}
