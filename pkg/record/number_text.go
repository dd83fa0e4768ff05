package record

import (
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"batchctl/pkg/fault"
)

// ParseNumber reads a number as SQL writes it, [+-]digits[.digits][e[+-]digits] with digits on at least one side of the
// point, and nothing else: no blanks, no grouping, no hexadecimal, no NaN. The scale is the number of digits behind the
// point, less the exponent. A number of more than 1000 digits is an error; errors are of class validation.
func ParseNumber(s string) (Number, error) {
	if n, ok := parseShort(s); ok {
		return n, nil
	}
	return parseLong(s)
}

// parseShort reads what most numbers are: up to 19 digits, no exponent.
func parseShort(s string) (n Number, ok bool) {
	at := 0
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		at = 1
	}
	start, point := at, -1
	if len(s)-start > 20 {
		return n, false
	}
	var coefficient uint64
	for ; at < len(s); at++ {
		c := s[at] - '0'
		if c > 9 {
			if s[at] != '.' || point >= 0 {
				return n, false
			}
			point = at
			continue
		}
		coefficient = coefficient*10 + uint64(c)
	}
	digits := len(s) - start
	if point >= 0 {
		digits--
		n.scale = int32(len(s) - point - 1)
	}
	n.lo = coefficient
	n.negative = coefficient != 0 && s[0] == '-'
	return n, digits > 0 && digits <= 19
}

func parseLong(s string) (Number, error) {
	mantissa, exponent, ok := cutExponent(s)
	if !ok {
		return Number{}, notDecimal(s)
	}
	negative := strings.HasPrefix(mantissa, "-")
	if negative || strings.HasPrefix(mantissa, "+") {
		mantissa = mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if !allDigits(whole) || !allDigits(fraction) || whole == "" && fraction == "" {
		return Number{}, notDecimal(s)
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	scale := len(fraction) - exponent
	if len(digits)+max(-scale, 0) > maxDigits || scale > maxDigits {
		return Number{}, fault.New(fault.Validation, "%q has more than %d digits", clip(s), maxDigits).WithCode("decimal_overflow")
	}
	if scale < 0 && digits != "" {
		digits += strings.Repeat("0", -scale)
	}
	return fromDigits(digits, int32(max(scale, 0)), negative), nil
}

// cutExponent splits s at its exponent, 0 where it has none. An exponent too large to matter comes back as one that is
// refused for its size.
func cutExponent(s string) (mantissa string, exponent int, ok bool) {
	at := strings.IndexAny(s, "eE")
	if at < 0 {
		return s, 0, true
	}
	digits := s[at+1:]
	negative := strings.HasPrefix(digits, "-")
	if negative || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	if digits == "" || !allDigits(digits) {
		return "", 0, false
	}
	exponent, err := strconv.Atoi(digits)
	if err != nil || exponent > 10*maxDigits {
		exponent = 10 * maxDigits
	}
	if negative {
		exponent = -exponent
	}
	return s[:at], exponent, true
}

func fromDigits(digits string, scale int32, negative bool) Number {
	if digits == "" {
		return Number{form: form{scale: scale}}
	}
	if len(digits) <= 19 {
		lo, _ := strconv.ParseUint(digits, 10, 64)
		return narrow(0, lo, scale, negative)
	}
	if len(digits) <= 38 {
		head, _ := strconv.ParseUint(digits[:len(digits)-19], 10, 64)
		tail, _ := strconv.ParseUint(digits[len(digits)-19:], 10, 64)
		hi, lo, _ := mul128(0, head, pow10[19])
		lo, carry := lo+tail, uint64(0)
		if lo < tail {
			carry = 1
		}
		return narrow(hi+carry, lo, scale, negative)
	}
	coefficient, _ := new(apd.BigInt).SetString(digits, 10)
	return fromBig(coefficient, scale, negative)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

func notDecimal(s string) error {
	return fault.New(fault.Validation, "%q is not a decimal", clip(s))
}

// String returns the number in plain notation, with as many digits behind the point as its scale says.
func (n Number) String() string { return string(n.Append(nil)) }

// Append appends the number in plain notation to dst: an optional minus, at least one digit before the point, and as
// many behind it as the scale says.
func (n Number) Append(dst []byte) []byte {
	if n.wide != nil {
		return append(dst, n.wide.Text('f')...)
	}
	if n.negative {
		dst = append(dst, '-')
	}
	var buf [40]byte
	digits := appendCoefficient(buf[:0], n.hi, n.lo)
	if n.scale == 0 {
		return append(dst, digits...)
	}
	before := len(digits) - int(n.scale)
	if before > 0 {
		dst = append(dst, digits[:before]...)
		dst = append(dst, '.')
		return append(dst, digits[before:]...)
	}
	dst = append(dst, '0', '.')
	for range -before {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

func appendCoefficient(dst []byte, hi, lo uint64) []byte {
	if hi == 0 {
		return strconv.AppendUint(dst, lo, 10)
	}
	hi, lo, low := div128(hi, lo, pow10[19])
	dst = appendCoefficient(dst, hi, lo)
	for range 19 - digits64(low) {
		dst = append(dst, '0')
	}
	return strconv.AppendUint(dst, low, 10)
}

// clip shortens a text for a message.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:61], "") + "..."
	}
	return s
}
