package sqldb

import "slices"

// EncodedRows are the first rows of a COPY, encoded before it begins. The zero EncodedRows is empty.
type EncodedRows struct {
	writer CopyWriter
	ends   []int // of full blocks, in the writer's buffer
	rows   int
	whole  bool // they are all that there are
	fills  int  // how often they were encoded
}

// blocksAhead is how many blocks are worth encoding before a COPY: the server takes longer for two than it takes to encode the
// next one.
const blocksAhead = 2

// Fill encodes the rows from 0 to n with encode, which ends each with EndRow, in place of what was there: as values of types,
// or as text where that is nil. It ends before a row for which encode fails, and where more are not worth it.
func (e *EncodedRows) Fill(n int, types []BinaryType, encode func(row int, to *CopyWriter) error) {
	w := &e.writer
	*w = CopyWriter{types: types, buffer: w.buffer[:0], scratch: w.scratch}
	e.ends, e.rows, e.whole = e.ends[:0], 0, false
	e.fills++
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
	e.whole = e.rows == n
}

// Rows returns how many there are.
func (e *EncodedRows) Rows() int { return e.rows }

// as returns the rows where they are encoded as values of types, nil where they are not.
func (e *EncodedRows) as(types []BinaryType) *EncodedRows {
	if e == nil || e.rows == 0 || !slices.Equal(types, e.writer.types) {
		return nil
	}
	return e
}

// blocks returns the rows in the blocks that they are sent in, and the rest of them, which is less than one.
func (e *EncodedRows) blocks() (full [][]byte, rest []byte) {
	from := 0
	for _, end := range e.ends {
		full = append(full, e.writer.buffer[from:end])
		from = end
	}
	return full, e.writer.buffer[from:]
}

// sendFirst sends the rows that the COPY begins with, unless they were sent with what came before it.
func (w *CopyWriter) sendFirst() error {
	e := w.load.First
	if e == nil {
		return nil
	}
	w.first = e.rows
	if w.begun {
		w.whole = e.whole
		return nil
	}
	full, rest := e.blocks()
	for _, block := range full {
		if err := w.sendBlock(block); err != nil {
			return err
		}
	}
	w.buffer = append(w.buffer, rest...)
	w.start = len(w.buffer)
	return nil
}

// First returns how many rows the COPY has begun with: those that are fed come behind them.
func (w *CopyWriter) First() int { return w.first }
