package sqldb

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"batchctl/pkg/record"
)

// BinaryType is the type of a column whose values COPY can be given as PostgreSQL keeps them, which saves it from parsing
// them (manual, COPY, "Binary Format"; each type's send and receive functions).
type BinaryType uint8

const (
	binaryBool BinaryType = iota + 1
	binaryInt2
	binaryInt4
	binaryInt8
	binaryFloat8
	binaryNumeric
	binaryDate
	binaryTimestamp
	binaryTimestampTZ
	binaryText // also varchar, char and json: they are sent as texts
	binaryJSONB
	binaryBytes
	binaryUUID
)

// binaryTypes are the types by their OID (pg_type.dat), which is the same on every server.
var binaryTypes = map[uint32]BinaryType{
	16: binaryBool, 17: binaryBytes, 20: binaryInt8, 21: binaryInt2, 23: binaryInt4, 25: binaryText, 114: binaryText,
	701: binaryFloat8, 1042: binaryText, 1043: binaryText, 1082: binaryDate, 1114: binaryTimestamp, 1184: binaryTimestampTZ,
	1700: binaryNumeric, 2950: binaryUUID, 3802: binaryJSONB,
}

// BinaryTypes returns the types of columns of a table, as Columns has them, or nil where one is of another type.
func BinaryTypes(columns []Column) []BinaryType {
	types := make([]BinaryType, len(columns))
	for i, c := range columns {
		if types[i] = binaryTypes[c.oid]; types[i] == 0 {
			return nil
		}
	}
	return types
}

// ErrAgain says that a row has a value which is not sent in binary, such as a number in a notation of its own. The
// row was taken back; from here on rows are sent as text, beginning with that one, which is to be written again.
var ErrAgain = errors.New("the row has to be written again as text")

// binarySignature is what a COPY in binary begins with: the signature, no flags, no extension of the header.
const binarySignature = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// binaryTrailer is what it ends with: -1 instead of a number of columns.
const binaryTrailer = "\xff\xff"

// binaryValue appends the next value of a row.
func (w *CopyWriter) binaryValue(v record.Value) {
	t := w.nextType()
	switch kind := v.Kind(); {
	case kind == record.Absent || kind == record.Null:
		w.buffer = append(w.buffer, 0xff, 0xff, 0xff, 0xff)
	case kind == record.Text || kind == record.JSON || kind == record.Bytes && t == binaryBytes:
		w.binaryString(t, v.Text(), kind == record.Bytes)
	case kind == record.Int && t == binaryInt4 && int64(int32(v.Int())) == v.Int():
		w.buffer = binary.BigEndian.AppendUint32(append(w.buffer, 0, 0, 0, 4), uint32(v.Int()))
	case kind == record.Int && t == binaryInt8:
		w.buffer = binary.BigEndian.AppendUint64(append(w.buffer, 0, 0, 0, 8), uint64(v.Int()))
	case kind == record.Float && t == binaryFloat8:
		w.buffer = binary.BigEndian.AppendUint64(append(w.buffer, 0, 0, 0, 8), math.Float64bits(v.Float()))
	default:
		w.scratch = appendUnescaped(w.scratch[:0], v)
		w.binaryString(t, record.String(w.scratch), false)
	}
}

// nextType begins the row where it has not begun, and returns the type of its next value.
func (w *CopyWriter) nextType() BinaryType {
	if w.values == 0 {
		w.buffer = binary.BigEndian.AppendUint16(w.buffer, uint16(len(w.types)))
	}
	w.values++
	return w.types[w.values-1]
}

// binaryString appends a value that is given as a text, as the server would read that text. Where it may read it in
// another way the row is not fit to be sent in binary.
func (w *CopyWriter) binaryString(t BinaryType, s string, bytes bool) {
	fit := true
	switch t {
	case binaryText:
		w.buffer = appendField(w.buffer, s)
	case binaryJSONB:
		w.buffer = binary.BigEndian.AppendUint32(w.buffer, uint32(len(s)+1))
		w.buffer = append(append(w.buffer, 1), s...) // the version of the format
	case binaryBytes:
		w.buffer, fit = appendField(w.buffer, s), bytes
	case binaryInt2, binaryInt4, binaryInt8:
		w.buffer, fit = appendInt(w.buffer, s, t)
	case binaryNumeric:
		w.buffer, fit = appendNumeric(w.buffer, s)
	case binaryTimestampTZ, binaryTimestamp:
		w.buffer, fit = appendTimestamp(w.buffer, s, t == binaryTimestampTZ)
	case binaryDate:
		days, ok := dayOf(s)
		w.buffer, fit = binary.BigEndian.AppendUint32(append(w.buffer, 0, 0, 0, 4), uint32(days)), ok
	case binaryBool:
		w.buffer, fit = appendBool(w.buffer, s)
	case binaryFloat8:
		f, err := strconv.ParseFloat(s, 64)
		w.buffer = binary.BigEndian.AppendUint64(append(w.buffer, 0, 0, 0, 8), math.Float64bits(f))
		fit = err == nil && plainDecimal(s)
	case binaryUUID:
		w.buffer, fit = appendUUID(w.buffer, s)
	}
	w.unfit = w.unfit || !fit
}

// appendField appends the length of a value, and the value.
func appendField(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

func appendBool(dst []byte, s string) ([]byte, bool) {
	switch s {
	case "true", "t":
		return append(dst, 0, 0, 0, 1, 1), true
	case "false", "f":
		return append(dst, 0, 0, 0, 1, 0), true
	}
	return dst, false
}

// appendInt appends a whole number of decimal digits, with or without a sign.
func appendInt(dst []byte, s string, t BinaryType) ([]byte, bool) {
	bits := 16 << (t - binaryInt2)
	i, err := strconv.ParseInt(s, 10, bits)
	switch dst = append(dst, 0, 0, 0, byte(bits/8)); bits {
	case 16:
		dst = binary.BigEndian.AppendUint16(dst, uint16(i))
	case 32:
		dst = binary.BigEndian.AppendUint32(dst, uint32(i))
	default:
		dst = binary.BigEndian.AppendUint64(dst, uint64(i))
	}
	return dst, err == nil
}
