package format

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// MaxFields is how many fields a record may have; no table has as many columns.
const MaxFields = 1 << 16

// marks are the sorts of bytes that a scan met and that need a closer look.
type marks uint8

const (
	markHigh marks = 1 << iota // bytes of 0x80 and above: not ASCII
	markLow                    // control characters below 0x0e: NUL, tab, carriage return ...
)

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
	lowBits   = 0x7f7f7f7f7f7f7f7f
)

// split adds the fields of raw[from:to], an unquoted stretch that begins with a field and ends with one, and returns
// what it met. It looks at eight bytes at a time; raw lies in a window, so the bytes behind it can be looked at.
func (c *CSVReader) split(raw []byte, from, to int) marks {
	if !c.single {
		return c.splitLong(raw, from, to)
	}
	fields, n := c.fields, c.count
	pattern := everyByte * uint64(c.delimiter[0])
	words := raw[:to+padding]
	var high, low uint64
	start := from
	for at := from; at < to; at += 8 {
		word := binary.LittleEndian.Uint64(words[at : at+8])
		if rest := to - at; rest < 8 { // what lies behind the stretch is made blanks
			fill := ^uint64(0) << (8 * uint(rest))
			word = word&^fill | everyByte*' '&fill
		}
		high |= word
		low |= (word - everyByte*0x0e) &^ word
		for found := equalBytes(word, pattern); found != 0; found &= found - 1 {
			end := at + bits.TrailingZeros64(found)>>3
			if end >= to {
				break
			}
			if n == len(fields) {
				c.count = n
				fields, n = c.growFields()
			}
			fields[n] = CSVField{Start: int32(start), End: int32(end)}
			n++
			start = end + 1
		}
	}
	c.count = n
	c.add(CSVField{Start: int32(start), End: int32(to)})
	return marksOf(high, low)
}

// equalBytes returns a word whose bytes have the high bit set where a and b are equal, and are 0 elsewhere.
func equalBytes(a, b uint64) uint64 {
	x := a ^ b
	return ^((x&lowBits + lowBits) | x | lowBits)
}

func marksOf(high, low uint64) (m marks) {
	if high&highBits != 0 {
		m |= markHigh
	}
	if low&highBits != 0 {
		m |= markLow
	}
	return m
}

// splitLong is split for a delimiter of several bytes. A match does not use bytes of the one before it.
func (c *CSVReader) splitLong(raw []byte, from, to int) marks {
	start := from
	for {
		i := bytes.Index(raw[start:to], c.delimiter)
		if i < 0 {
			break
		}
		c.add(CSVField{Start: int32(start), End: int32(start + i)})
		start += i + len(c.delimiter)
	}
	c.add(CSVField{Start: int32(start), End: int32(to)})
	return markHigh | markLow
}

func (c *CSVReader) add(f CSVField) {
	if c.count == len(c.fields) {
		c.growFields()
	}
	c.fields[c.count] = f
	c.count++
}

// growFields makes room for more fields. Where there are too many already it notes that and begins again with the
// first, so that a hostile record cannot take more memory.
func (c *CSVReader) growFields() ([]CSVField, int) {
	if len(c.fields) >= MaxFields {
		c.overflow = true
		c.count = 0
		return c.fields, 0
	}
	grown := make([]CSVField, max(64, 2*len(c.fields)))
	copy(grown, c.fields)
	c.fields = grown
	return c.fields, c.count
}
