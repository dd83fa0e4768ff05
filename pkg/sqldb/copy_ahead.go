package sqldb

// CopyAhead is the first rows of a COPY, encoded before it begins. The zero CopyAhead is empty.
type CopyAhead struct {
	writer CopyWriter
	ends   []int // of full blocks, in the writer's buffer
	rows   int
}

// blocksAhead is how many blocks are worth encoding before a COPY: the server takes longer for two than it takes to encode the
// next one.
const blocksAhead = 2

// Fill encodes the rows from 0 to n with encode, which ends each with EndRow, in place of what was there. It ends before a
// row for which encode fails, and where more are not worth it.
func (a *CopyAhead) Fill(n int, encode func(row int, to *CopyWriter) error) {
	w := &a.writer
	w.buffer, w.values, a.ends, a.rows = w.buffer[:0], 0, a.ends[:0], 0
	for from := 0; a.rows < n && len(a.ends) < blocksAhead; {
		at := len(w.buffer)
		if encode(a.rows, w) != nil {
			w.buffer, w.values = w.buffer[:at], 0
			return
		}
		a.rows++
		if len(w.buffer)-from >= copyBlockBytes {
			from = len(w.buffer)
			a.ends = append(a.ends, from)
		}
	}
}

// Rows returns how many rows are encoded.
func (a *CopyAhead) Rows() int { return a.rows }

// Ahead sends rows that were encoded ahead, as the first of the COPY.
func (w *CopyWriter) Ahead(a *CopyAhead) error {
	from := 0
	for _, end := range a.ends {
		if err := w.sendBlock(a.writer.buffer[from:end]); err != nil {
			return err
		}
		from = end
	}
	w.buffer = append(w.buffer, a.writer.buffer[from:]...)
	return nil
}
