package record

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"

	"batchctl/pkg/fault"
)

func mustNumber(t testing.TB, s string) Number {
	t.Helper()
	n, err := ParseNumber(s)
	if err != nil {
		t.Fatalf("ParseNumber(%q): %v", s, err)
	}
	return n
}

func TestParseNumberTakesPlainAndScientificNotation(t *testing.T) {
	t.Parallel()
	nines := strings.Repeat("9", 38)
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "-0.00": "0.00", "+7": "7", "007": "7", "1.50": "1.50", ".5": "0.5", "-.5": "-0.5", "5.": "5",
		"1e5": "100000", "1E+2": "100", "1.25e1": "12.5", "125e-2": "1.25", "1e-3": "0.001", "0e5": "0", "0e-3": "0.000",
		"9999999999999999999": "9999999999999999999", "18446744073709551616": "18446744073709551616",
		"0.0000000000000000001": "0.0000000000000000001", "-1.000000000000000000001": "-1.000000000000000000001",
		nines: nines, "-" + nines[:10] + "." + nines[10:]: "-" + nines[:10] + "." + nines[10:],
		"340282366920938463463374607431768211455": "340282366920938463463374607431768211455",
		"340282366920938463463374607431768211456": "340282366920938463463374607431768211456",
		nines + nines + ".01":                     nines + nines + ".01", "0." + strings.Repeat("0", 60) + "1": "0." + strings.Repeat("0", 60) + "1",
		"00000000000000000000000000000000000000000000001.5": "1.5",
	} {
		n, err := ParseNumber(text)
		if err != nil {
			t.Errorf("ParseNumber(%q): %v", text, err)
		} else if got := n.String(); got != want {
			t.Errorf("ParseNumber(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestParseNumberRefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "-", "+", ".", "-.", "1 ", " 1", "12abc", "1,5", "1.2.3", "--1", "+-1", "1e", "1e+", "e5", "1e5.5", "1e5e5",
		"0x10", "NaN", "Infinity", "inf", "1_000", "１", "1e999999999999999999999", "1e-1001", "1e1000", strings.Repeat("9", 1001), ".e1"} {
		if n, err := ParseNumber(text); err == nil {
			t.Errorf("ParseNumber(%q) = %s, want an error", text, n)
		} else if fault.ClassOf(err) != fault.Validation {
			t.Errorf("ParseNumber(%q): class %s", text, fault.ClassOf(err))
		}
	}
}

// operands are random numbers and the ones at which representations change.
func operands(r *rand.Rand) string {
	edges := []string{"0", "1", "-1", "0.1", "9", "10", "0.5", "-0.5", "18446744073709551615", "18446744073709551616", "9223372036854775807",
		"-9223372036854775808", "340282366920938463463374607431768211455", "340282366920938463463374607431768211456",
		"99999999999999999999999999999999999999", "0.00000000000000000000000000000000000001", "1e40", "-1e60", "1e-60", "1.000", "0.000"}
	if r.IntN(4) == 0 {
		return edges[r.IntN(len(edges))]
	}
	digits := 1 + r.IntN([]int{4, 12, 20, 40, 90}[r.IntN(5)])
	var b strings.Builder
	if r.IntN(2) == 0 {
		b.WriteByte('-')
	}
	point := r.IntN(digits + 1)
	for i := range digits {
		if i == point && i > 0 {
			b.WriteByte('.')
		}
		b.WriteByte("0012345678999"[r.IntN(13)])
	}
	return b.String()
}

func rat(n Number) *big.Rat {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		panic(n.String())
	}
	return r
}

func TestArithmeticIsExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 30_000 {
		a, b := mustNumber(t, operands(r)), mustNumber(t, operands(r))
		x, y := rat(a), rat(b)
		checkOperation(t, a, "+", b, a.Add, new(big.Rat).Add(x, y))
		checkOperation(t, a, "-", b, a.Sub, new(big.Rat).Sub(x, y))
		checkOperation(t, a, "*", b, a.Mul, new(big.Rat).Mul(x, y))
		if got := a.Cmp(b); got != x.Cmp(y) {
			t.Fatalf("%s cmp %s = %d", a, b, got)
		}
		if a.Neg().String() != new(big.Rat).Neg(x).FloatString(a.Scale()) {
			t.Fatalf("-(%s) = %s", a, a.Neg())
		}
		if b.Sign() == 0 {
			continue
		}
		q := new(big.Rat).Quo(x, y)
		whole := new(big.Rat).SetInt(new(big.Int).Quo(q.Num(), q.Denom()))
		checkOperation(t, a, "mod", b, a.Mod, new(big.Rat).Sub(x, new(big.Rat).Mul(whole, y)))
		scale := max(a.Scale(), b.Scale()) + quotientDigits
		checkOperation(t, a, "/", b, a.Quo, roundRat(q, scale))
	}
}

func checkOperation(t *testing.T, a Number, name string, b Number, operation func(Number) (Number, error), want *big.Rat) {
	t.Helper()
	got, err := operation(b)
	if err != nil {
		t.Fatalf("%s %s %s: %v", a, name, b, err)
	}
	if rat(got).Cmp(want) != 0 {
		t.Fatalf("%s %s %s = %s, want %s", a, name, b, got, want.FloatString(60))
	}
	if got.wide == nil && got.hi|got.lo == 0 && got.negative {
		t.Fatalf("%s %s %s is a negative zero", a, name, b)
	}
}

// roundRat rounds half away from zero, as big.Rat's FloatString does.
func roundRat(x *big.Rat, places int) *big.Rat {
	r, _ := new(big.Rat).SetString(x.FloatString(places))
	return r
}

func TestRoundingAgreesWithRationalArithmetic(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		a := mustNumber(t, operands(r))
		places := r.IntN(8)
		if r.IntN(3) == 0 {
			places = r.IntN(60)
		}
		got, err := a.Round(places)
		if want := rat(a).FloatString(places); err != nil || got.String() != trimMinus(want) {
			t.Fatalf("round(%s, %d) = %s, %v, want %s", a, places, got, err, want)
		}
		checkDirected(t, a)
	}
}

func trimMinus(s string) string {
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return s
}

func checkDirected(t *testing.T, a Number) {
	t.Helper()
	x := rat(a)
	floor := new(big.Int).Div(x.Num(), x.Denom())
	ceil := new(big.Int).Neg(new(big.Int).Div(new(big.Int).Neg(x.Num()), x.Denom()))
	trunc := new(big.Int).Quo(x.Num(), x.Denom())
	for name, c := range map[string]struct {
		got  func() (Number, error)
		want *big.Int
	}{
		"floor": {a.Floor, floor}, "ceil": {a.Ceil, ceil}, "trunc": {func() (Number, error) { return a.Trunc(0) }, trunc},
	} {
		if got, err := c.got(); err != nil || got.String() != c.want.String() {
			t.Fatalf("%s(%s) = %s, %v, want %s", name, a, got, err, c.want)
		}
	}
}

func TestRoundEvenAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	context := apd.BaseContext.WithPrecision(2000)
	context.Rounding = apd.RoundHalfEven
	for range 10_000 {
		text := operands(r)
		if r.IntN(2) == 0 {
			text = fmt.Sprintf("%d.%d5", r.IntN(1000), r.IntN(100))
		}
		a := mustNumber(t, text)
		places := r.IntN(4)
		var want, from apd.Decimal
		if _, _, err := from.SetString(a.String()); err != nil {
			t.Fatal(err)
		}
		if _, err := context.Quantize(&want, &from, int32(-places)); err != nil {
			t.Fatal(err)
		}
		got, err := a.RoundEven(places)
		if err != nil || got.String() != trimMinus(want.Text('f')) {
			t.Fatalf("round_even(%s, %d) = %s, %v, want %s", a, places, got, err, want.Text('f'))
		}
	}
}

func TestRoundToNegativePlacesCountsTens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text   string
		places int
		want   string
	}{
		{"1250", -2, "1300"}, {"-1250", -2, "-1300"}, {"1249.99", -2, "1200"}, {"49", -2, "0"}, {"5", -1, "10"}, {"1", -50, "0"},
		{"6e50", -51, "1" + strings.Repeat("0", 51)}, {"12345", 0, "12345"}, {"0.125", 2, "0.13"}, {"5", 2, "5.00"},
	} {
		got, err := mustNumber(t, c.text).Round(c.places)
		if err != nil || got.String() != c.want {
			t.Errorf("round(%s, %d) = %s, %v, want %s", c.text, c.places, got, err, c.want)
		}
	}
}

func TestTooManyDigitsAreAnOverflowAndNoRounding(t *testing.T) {
	t.Parallel()
	huge, tiny := mustNumber(t, strings.Repeat("9", 1000)), mustNumber(t, "1e-1000")
	one := NumberFromInt(1)
	for name, operation := range map[string]func() (Number, error){
		"add": func() (Number, error) { return huge.Add(one) }, "mul": func() (Number, error) { return huge.Mul(huge) },
		"scale": func() (Number, error) { return tiny.Mul(tiny) }, "quo": func() (Number, error) { return huge.Quo(tiny) },
		"align": func() (Number, error) { return huge.Sub(tiny) }, "pad": func() (Number, error) { return huge.Round(1) },
		"places": func() (Number, error) { return one.Round(1001) }, "division": func() (Number, error) { return one.Quo(Number{}) },
		"mod": func() (Number, error) { return one.Mod(Number{}) },
	} {
		if n, err := operation(); err == nil {
			t.Errorf("%s = %s, want an error", name, n)
		} else if fault.ClassOf(err) != fault.Validation {
			t.Errorf("%s: class %s, want validation", name, fault.ClassOf(err))
		}
	}
}

func TestQuotientsLoseTheirTrailingZerosOnly(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"10", "4", "2.5"}, {"10", "2", "5"}, {"1.00", "2", "0.50"}, {"1", "3", "0.33333333333333333333"}, {"2", "3", "0.66666666666666666667"},
		{"-2", "3", "-0.66666666666666666667"}, {"0", "7", "0"}, {"0.0", "7", "0.0"}, {"1", "8.000", "0.125"},
		{"1", "1e30", "0"}, {"1e30", "7", "142857142857142857142857142857.14285714285714285714"},
	} {
		got, err := mustNumber(t, c[0]).Quo(mustNumber(t, c[1]))
		if err != nil || got.String() != c[2] {
			t.Errorf("%s / %s = %s, %v, want %s", c[0], c[1], got, err, c[2])
		}
	}
}

func TestInt64TakesWholeNumbersOnly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "2.00": 2, "-2": -2, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
		"-9223372036854775808.000": math.MinInt64, "1e18": 1e18} {
		if got, ok := mustNumber(t, text).Int64(); !ok || got != want {
			t.Errorf("%s = %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"1.5", "9223372036854775808", "-9223372036854775809", "1e30", "1e60", "0.001"} {
		if got, ok := mustNumber(t, text).Int64(); ok {
			t.Errorf("%s = %d, want none", text, got)
		}
	}
}

func TestFloatsBecomeTheirShortestText(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{0.1: "0.1", 1e21: "1000000000000000000000", -2.5e-7: "-0.00000025", 3: "3"} {
		if n, err := NumberFromFloat(f); err != nil || n.String() != want {
			t.Errorf("%v = %s, %v, want %s", f, n, err, want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if n, err := NumberFromFloat(f); err == nil {
			t.Errorf("%v = %s, want an error", f, n)
		}
	}
	for _, f := range []float64{math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3} {
		if n, err := NumberFromFloat(f); err != nil || n.Float64() != f {
			t.Errorf("%v does not come back: %s, %v", f, n, err)
		}
	}
}

func TestNumbersDoNotAllocateWithin128Bits(t *testing.T) {
	amount, rate := mustNumber(t, "1234567.89"), mustNumber(t, "0.97")
	buf := make([]byte, 0, 64)
	text := []byte("12345.67")
	long := mustNumber(t, "1234567890.123456789") // what is divided by it gets 36 digits more, which takes 149 bits
	var sink Number
	if got := testing.AllocsPerRun(100, func() {
		n, _ := ParseNumber(String(text))
		n, _ = n.Mul(rate)
		n, _ = n.Add(amount)
		n, _ = n.Sub(rate)
		n, _ = n.Quo(rate)
		q, _ := amount.Quo(long)
		n, _ = n.Add(q)
		n, _ = n.Round(2)
		n, _ = n.Mod(amount)
		_ = n.Cmp(amount)
		_, _ = n.Int64()
		_ = n.Float64()
		sink = n
		buf = n.Append(buf[:0])
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
	_ = sink
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "1e5", ".5", "5.", "340282366920938463463374607431768211456", "1e-400", "+0.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNumber(s)
		if err != nil {
			return
		}
		text := n.String()
		again, err := ParseNumber(text)
		if err != nil || again.Cmp(n) != 0 || again.String() != text || again.Scale() != n.Scale() {
			t.Fatalf("%q -> %s -> %s, %v", s, text, again, err)
		}
		library, _, err := apd.NewFromString(s)
		if err != nil {
			t.Fatalf("the library refuses %q: %v", s, err)
		}
		if want := trimMinus(library.Text('f')); library.Exponent <= 0 && want != text {
			t.Fatalf("%q = %s, the library says %s", s, text, want)
		}
	})
}

func FuzzArithmetic(f *testing.F) {
	f.Add("1.5", "-2")
	f.Add("340282366920938463463374607431768211455", "0.00000000000000000001")
	f.Fuzz(func(t *testing.T, s, u string) {
		a, err := ParseNumber(s)
		b, err2 := ParseNumber(u)
		if err != nil || err2 != nil || len(s)+len(u) > 300 || a.Scale()+b.Scale() > 400 || a.Digits()+b.Digits() > 400 {
			return
		}
		x, y := rat(a), rat(b)
		checkOperation(t, a, "+", b, a.Add, new(big.Rat).Add(x, y))
		checkOperation(t, a, "-", b, a.Sub, new(big.Rat).Sub(x, y))
		checkOperation(t, a, "*", b, a.Mul, new(big.Rat).Mul(x, y))
		if b.Sign() != 0 {
			checkOperation(t, a, "/", b, a.Quo, roundRat(new(big.Rat).Quo(x, y), max(a.Scale(), b.Scale())+quotientDigits))
		}
		checkDirected(t, a)
	})
}

func BenchmarkNumber(b *testing.B) {
	amount, rate := mustNumber(b, "12345.67"), mustNumber(b, "0.97")
	b.Run("multiply and round", func(b *testing.B) {
		for b.Loop() {
			n, _ := amount.Mul(rate)
			_, _ = n.Round(2)
		}
	})
	b.Run("parse, multiply, round, format", func(b *testing.B) {
		buf := make([]byte, 0, 64)
		for b.Loop() {
			n, _ := ParseNumber("12345.67")
			n, _ = n.Mul(rate)
			n, _ = n.Round(2)
			buf = n.Append(buf[:0])
		}
	})
	b.Run("parse and format", func(b *testing.B) {
		buf := make([]byte, 0, 64)
		for b.Loop() {
			n, _ := ParseNumber("12345.67")
			buf = n.Append(buf[:0])
		}
	})
	b.Run("add", func(b *testing.B) {
		for b.Loop() {
			_, _ = amount.Add(rate)
		}
	})
	b.Run("divide", func(b *testing.B) {
		for b.Loop() {
			_, _ = amount.Quo(rate)
		}
	})
	b.Run("compare", func(b *testing.B) {
		for b.Loop() {
			_ = amount.Cmp(rate)
		}
	})
}
