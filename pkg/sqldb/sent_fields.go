package sqldb

import (
	"encoding/binary"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// sentFields is what is left of a row as PostgreSQL sends it: the number of fields in two bytes, then for each its length in
// four, -1 for null, and so many bytes.
type sentFields struct {
	rest       []byte
	binaryInts bool // whole numbers are sent in binary
	room       []byte
}

// begin reads how many fields there are, and makes room for the texts of all of them.
func (f *sentFields) begin(columns int, arena *record.Arena) error {
	if n := int(binary.BigEndian.Uint16(f.cut(2))); n != columns {
		return fault.New(fault.Internal, "a row of %d columns has %d fields", columns, n)
	}
	f.room = arena.Alloc(max(0, len(f.rest)-4*columns))
	return nil
}

// next makes into the value of the next field.
func (f *sentFields) next(into *record.Value, kind record.Kind, arena *record.Arena) error {
	size := int32(binary.BigEndian.Uint32(f.cut(4)))
	if size < 0 {
		*into = record.NullValue
		return nil
	}
	field := f.cut(int(size))
	switch {
	case kind == record.Int && f.binaryInts:
		*into = record.OfInt(binaryInt(field))
	case kind == record.Bool:
		*into = record.OfBool(string(field) == "t")
	default:
		text := record.String(f.room[:copy(f.room, field)])
		f.room = f.room[len(text):]
		return sentText(into, text, kind, arena)
	}
	return nil
}

func (f *sentFields) cut(n int) []byte {
	first := f.rest[:n]
	f.rest = f.rest[n:]
	return first
}

// binaryInt reads an int2, int4 or int8.
func binaryInt(field []byte) int64 {
	var n uint64
	for _, b := range field {
		n = n<<8 | uint64(b)
	}
	shift := 64 - 8*len(field)
	return int64(n<<shift) >> shift
}
