package sqldb

import (
	"encoding/binary"
	"encoding/hex"
	"strings"

	"batchctl/pkg/record"
)

// longestNumeric bounds the digits of a number that is sent in binary. PostgreSQL takes more.
const longestNumeric = 1000

// appendNumeric appends a number of decimal digits as numeric's groups of four. What is dropped for its scale is dropped by
// the server, as it is of a text.
func appendNumeric(dst []byte, s string) ([]byte, bool) {
	unsigned := strings.TrimPrefix(s, "-")
	whole, fraction, broken := strings.Cut(unsigned, ".")
	if whole == "" || broken && fraction == "" || len(s) > longestNumeric || !digits(whole) || !digits(fraction) {
		return dst, false
	}
	whole = strings.TrimLeft(whole, "0")
	before, behind := (len(whole)+3)/4, (len(fraction)+3)/4
	sign := uint16(0)
	if len(unsigned) < len(s) {
		sign = 0x4000
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+2*(before+behind)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(before+behind))
	dst = binary.BigEndian.AppendUint16(dst, uint16(before-1)) // the weight of the first group, in powers of 10000
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(fraction)))
	for end := len(whole) - 4*(before-1); end <= len(whole); end += 4 {
		dst = appendGroup(dst, whole[max(0, end-4):end], 0)
	}
	for at := 0; at < len(fraction); at += 4 {
		end := min(len(fraction), at+4)
		dst = appendGroup(dst, fraction[at:end], at+4-end)
	}
	return dst, true
}

// appendGroup appends up to four digits, and as many zeros behind them.
func appendGroup(dst []byte, group string, zeros int) []byte {
	n := uint16(0)
	for i := range len(group) {
		n = n*10 + uint16(group[i]-'0')
	}
	for range zeros {
		n *= 10
	}
	return binary.BigEndian.AppendUint16(dst, n)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// secondsPerDay is that of PostgreSQL, which knows no leap seconds.
const secondsPerDay = 24 * 60 * 60

// appendTimestamp appends a moment in the form 2006-01-02T15:04:05, also with a blank for the T, with up to six digits of
// a second and an offset: microseconds since 2000. A timestamp with time zone needs the offset, one without leaves it out
// of account.
func appendTimestamp(dst []byte, s string, zoned bool) ([]byte, bool) {
	const seconds = len("2006-01-02T15:04:05")
	if len(s) < seconds || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return dst, false
	}
	days, ok := dayOf(s[:10])
	hour, minute, second := pair(s[11:]), pair(s[14:]), pair(s[17:])
	micros, rest, fit := fractionOf(s[seconds:])
	offset, known := offsetOf(rest)
	if !ok || hour > 23 || minute > 59 || second > 59 || !fit || rest != "" && !known || zoned && !known {
		return dst, false
	}
	at := days*secondsPerDay + int64(hour*60+minute)*60 + int64(second)
	if zoned {
		at -= offset
	}
	return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(at*1_000_000+micros)), true
}

// pair returns the number that two digits are, or more than 99 where they are none.
func pair(s string) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return 100
	}
	return int(a)*10 + int(b)
}

// fractionOf returns the microseconds that a text begins with, and what follows them.
func fractionOf(s string) (micros int64, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	end := 1
	for end < len(s) && s[end]-'0' <= 9 {
		micros = micros*10 + int64(s[end]-'0')
		if end++; end > 7 {
			return 0, "", false // rounded by the server
		}
	}
	for range 7 - end {
		micros *= 10
	}
	return micros, s[end:], end > 1
}

// offsetOf returns the seconds east of UTC of Z, +09 or +09:00.
func offsetOf(s string) (seconds int64, ok bool) {
	switch {
	case s == "Z":
		return 0, true
	case len(s) != 3 && (len(s) != 6 || s[3] != ':') || s[0] != '+' && s[0] != '-':
		return 0, false
	}
	hours, minutes := pair(s[1:]), 0
	if len(s) == 6 {
		minutes = pair(s[4:])
	}
	seconds = int64(hours*60+minutes) * 60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, hours <= 15 && minutes <= 59
}

// dayOf returns the days from 2000-01-01 to a day in the form 2006-01-02. PostgreSQL knows no year 0.
func dayOf(s string) (days int64, ok bool) {
	const to2000 = 10957 // from 1970-01-01
	days, ok = record.DaysTo(s)
	return days - to2000, ok && s[:4] != "0000"
}

// appendUUID appends a UUID in the form of RFC 9562.
func appendUUID(dst []byte, s string) ([]byte, bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return dst, false
	}
	dst = append(dst, 0, 0, 0, 16)
	for _, part := range [...]string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		var err error
		if dst, err = hex.AppendDecode(dst, []byte(part)); err != nil {
			return dst, false
		}
	}
	return dst, true
}
