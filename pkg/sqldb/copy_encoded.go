package sqldb

import "slices"

// EncodedRows are the first rows of a COPY, encoded before it begins. The zero EncodedRows is empty.
type EncodedRows struct {
	writer CopyWriter
	ends   []int // of full blocks, in the writer's buffer
	rows   int
}

// blocksAhead is how many blocks are worth encoding before a COPY: the server takes longer for two than it takes to encode the
// next one.
const blocksAhead = 2

// Fill encodes the rows from 0 to n with encode, which ends each with EndRow, in place of what was there: as values of types,
// or as text where that is nil. It ends before a row for which encode fails, and where more are not worth it.
func (e *EncodedRows) Fill(n int, types []BinaryType, encode func(row int, to *CopyWriter) error) {
	w := &e.writer
	*w = CopyWriter{types: types, buffer: w.buffer[:0], scratch: w.scratch}
	e.ends, e.rows = e.ends[:0], 0
	for from := 0; e.rows < n && len(e.ends) < blocksAhead; {
		if encode(e.rows, w) != nil {
			w.buffer = w.buffer[:w.start]
			return
		}
		e.rows++
		if len(w.buffer)-from >= copyBlockBytes {
			from = len(w.buffer)
			e.ends = append(e.ends, from)
		}
	}
}

// Rows returns how many there are.
func (e *EncodedRows) Rows() int { return e.rows }

// Encoded sends rows that were encoded before the COPY began, as its first, and returns how many: none where they are in
// another format.
func (w *CopyWriter) Encoded(e *EncodedRows) (rows int, err error) {
	if !slices.Equal(w.types, e.writer.types) {
		return 0, nil
	}
	from := 0
	for _, end := range e.ends {
		if err := w.sendBlock(e.writer.buffer[from:end]); err != nil {
			return 0, err
		}
		from = end
	}
	w.buffer = append(w.buffer, e.writer.buffer[from:]...)
	w.start = len(w.buffer)
	return e.rows, nil
}
