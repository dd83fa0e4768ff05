package sqldb

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strconv"

	"github.com/cockroachdb/apd/v3"
	"modernc.org/sqlite"

	"batchctl/pkg/record"
)

// decimalPrefix begins the errors of the functions below, which SQLite hands on as text.
const decimalPrefix = "exact arithmetic: "

// decimalFunctions are SQL functions for SQLite, whose own arithmetic on anything but integers is binary. Numbers are
// texts of digits, integers, or reals (taken as the shortest text that reads back as the same). Null in, null out.
//
//	decimal_add(a, b)  the sum; an integer for two integers, an error where it does not fit 64 bits
//	decimal_cmp(a, b)  -1, 0 or 1
//	decimal_sum(a)     aggregate; null for no rows, nulls ignored
func decimalFunctions() map[string]*sqlite.FunctionImpl {
	return map[string]*sqlite.FunctionImpl{
		"decimal_add": {NArgs: 2, Deterministic: true, Scalar: decimalAdd},
		"decimal_cmp": {NArgs: 2, Deterministic: true, Scalar: decimalCompare},
		"decimal_sum": {NArgs: 1, Deterministic: true, MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) {
			return &decimalSum{}, nil
		}},
	}
}

func decimalAdd(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	x, xInt := args[0].(int64)
	y, yInt := args[1].(int64)
	if xInt && yInt {
		sum := x + y
		if (sum > x) != (y > 0) && y != 0 {
			return nil, fmt.Errorf("%s%d + %d does not fit 64 bits", decimalPrefix, x, y)
		}
		return sum, nil
	}
	var a, b apd.Decimal
	if err := toDecimals(&a, &b, args); err != nil {
		return nil, err
	}
	if _, err := exact().Add(&a, &a, &b); err != nil {
		return nil, fmt.Errorf("%s%w", decimalPrefix, err)
	}
	return a.Text('f'), nil
}

func decimalCompare(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	var a, b apd.Decimal
	if err := toDecimals(&a, &b, args); err != nil {
		return nil, err
	}
	return int64(a.Cmp(&b)), nil
}

// exact returns a context whose additions are never rounded: precision 0 stands for as many digits as it takes. Exponents
// are bounded by toDecimal.
func exact() *apd.Context {
	return &apd.Context{Precision: 0, MaxExponent: apd.MaxExponent, MinExponent: apd.MinExponent}
}

func toDecimals(a, b *apd.Decimal, args []driver.Value) error {
	if err := toDecimal(a, args[0]); err != nil {
		return err
	}
	return toDecimal(b, args[1])
}

// toDecimal reads a value of SQLite's. Texts pass record.ParseNumber first, which bounds digits and exponents.
func toDecimal(d *apd.Decimal, v driver.Value) error {
	var text string
	switch x := v.(type) {
	case int64:
		d.SetInt64(x)
		return nil
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return fmt.Errorf("%s%v is not a decimal", decimalPrefix, x)
		}
		text = strconv.FormatFloat(x, 'f', -1, 64)
	case string:
		text = x
	case []byte:
		text = string(x)
	default:
		return fmt.Errorf("%s%T is not a decimal", decimalPrefix, v)
	}
	if !plainDecimal(text) || len(text) > 64 {
		n, err := record.ParseNumber(text)
		if err != nil {
			return fmt.Errorf("%s%w", decimalPrefix, err)
		}
		text = n.String()
	}
	if _, _, err := d.SetString(text); err != nil {
		return fmt.Errorf("%s%w", decimalPrefix, err)
	}
	return nil
}

// decimalSum is the state of one decimal_sum.
type decimalSum struct {
	sum  apd.Decimal
	seen bool
}

// Step adds a row.
func (s *decimalSum) Step(_ *sqlite.FunctionContext, args []driver.Value) error {
	return s.add(args[0], false)
}

// WindowInverse takes a row that leaves the window off.
func (s *decimalSum) WindowInverse(_ *sqlite.FunctionContext, args []driver.Value) error {
	return s.add(args[0], true)
}

func (s *decimalSum) add(v driver.Value, negative bool) error {
	if v == nil {
		return nil
	}
	var d apd.Decimal
	if err := toDecimal(&d, v); err != nil {
		return err
	}
	if negative {
		d.Neg(&d)
	}
	s.seen = true
	_, err := exact().Add(&s.sum, &s.sum, &d)
	return err
}

// WindowValue returns the sum so far.
func (s *decimalSum) WindowValue(*sqlite.FunctionContext) (driver.Value, error) {
	if !s.seen {
		return nil, nil
	}
	return s.sum.Text('f'), nil
}

// Final gives up the state.
func (s *decimalSum) Final(*sqlite.FunctionContext) {}
