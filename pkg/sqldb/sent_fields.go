package sqldb

import (
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// sentFields is what is left of a row as PostgreSQL sends it: the number of fields in two bytes, then for each its length in
// four, -1 for null, and so many bytes.
type sentFields string

func (f *sentFields) begin(columns int) error {
	if n := f.uint(2); n != uint64(columns) {
		return fault.New(fault.Internal, "a row of %d columns has %d fields", columns, n)
	}
	return nil
}

// next makes into the value of the next field. Texts stay where the row is.
func (f *sentFields) next(into *record.Value, kind record.Kind, binaryInts bool, arena *record.Arena) error {
	size := int32(f.uint(4))
	if size < 0 {
		*into = record.NullValue
		return nil
	}
	field := f.cut(int(size))
	switch {
	case kind == record.Int && binaryInts:
		shift := 64 - 8*size
		*into = record.OfInt(int64(bigEndian(field)<<shift) >> shift)
	case kind == record.Bool:
		*into = record.OfBool(field == "t")
	default:
		return sentText(into, field, kind, arena)
	}
	return nil
}

// uint takes a number of so many bytes.
func (f *sentFields) uint(bytes int) uint64 { return bigEndian(f.cut(bytes)) }

func (f *sentFields) cut(n int) string {
	s := string(*f)
	*f = sentFields(s[n:])
	return s[:n]
}

func bigEndian(s string) (n uint64) {
	for i := range len(s) {
		n = n<<8 | uint64(s[i])
	}
	return n
}
