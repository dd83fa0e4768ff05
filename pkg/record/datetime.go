package record

import "time"

// parseDate reads 2006-01-02.
func parseDate(s string) (Value, bool) {
	if len(s) != 10 {
		return Value{}, false
	}
	t, rest, ok := cutDate(s)
	return OfDate(t), ok && rest == ""
}

// parseISO reads a datetime as ISO 8601 and databases write it: a date, then optionally T or a blank and 15:04 or
// 15:04:05 or 15:04:05.999999999, then optionally Z, +09, +0900 or +09:00.
func parseISO(s string) (Value, bool) {
	day, rest, ok := cutDate(s)
	if !ok || rest == "" {
		return OfLocalTime(day), ok
	}
	if rest[0] != 'T' && rest[0] != ' ' && rest[0] != 't' {
		return Value{}, false
	}
	clock, rest, ok := cutClock(rest[1:])
	if !ok {
		return Value{}, false
	}
	v := OfLocalTime(day.Add(clock))
	if rest == "" {
		return v, true
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return Value{}, false
	}
	v.hi -= uint64(int64(offset))
	v.aux, v.flag = offset, flagZoned
	return v, true
}

// number reads the digits of s, which are two or four.
func number(s string) (n int, ok bool) {
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

func cutDate(s string) (t time.Time, rest string, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return t, "", false
	}
	year, a := number(s[:4])
	month, b := number(s[5:7])
	day, c := number(s[8:10])
	if !a || !b || !c || month < 1 || month > 12 || day < 1 || day > 31 {
		return t, "", false
	}
	t = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return t, s[10:], day <= 28 || t.Day() == day
}

func cutClock(s string) (clock time.Duration, rest string, ok bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, "", false
	}
	hour, a := number(s[:2])
	minute, b := number(s[3:5])
	if !a || !b || hour > 23 || minute > 59 {
		return 0, "", false
	}
	clock = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	if len(s) < 8 || s[5] != ':' {
		return clock, s[5:], true
	}
	second, c := number(s[6:8])
	if !c || second > 59 {
		return 0, "", false
	}
	nanos, rest, ok := cutNanos(s[8:])
	return clock + time.Duration(second)*time.Second + nanos, rest, ok
}

// cutNanos reads .9 to .999999999; more digits would be lost and are refused.
func cutNanos(s string) (nanos time.Duration, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	digits := digitsIn(s[1:])
	if digits == 0 || digits > 9 {
		return 0, "", false
	}
	n, _ := number(s[1 : 1+digits])
	return time.Duration(n) * time.Duration(pow10[9-digits]), s[1+digits:], true
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
	hours, a := number(s[1:3])
	minutes, b := number(s[3:])
	if !a || !b || hours > 23 || minutes > 59 {
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
