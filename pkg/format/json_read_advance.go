package format

import "bytes"

// Until makes the input end at an offset: Next returns io.EOF instead of a record that begins there or behind. It is for
// lines. 0 is no limit; Reset keeps it.
func (j *JSONReader) Until(offset int64) { j.until = limitOf(offset) }

// Advance passes over lines until Position is at or behind an offset, or the input ends.
func (j *JSONReader) Advance(to int64) error {
	for j.window.offset() < to {
		b := j.window.pending()
		if len(b) == 0 && !j.window.more() {
			return j.window.err
		}
		b = b[:min(int64(len(b)), to-j.window.offset()-1)]
		if size := bytes.LastIndexByte(b, '\n') + 1; size > 0 {
			j.window.at += size
			j.line += int64(bytes.Count(b[:size], newline))
			continue
		}
		if err := j.skipLine(); err != nil {
			return err
		}
	}
	return nil
}
