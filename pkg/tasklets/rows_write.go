package tasklets

import (
	"errors"

	"batchctl/pkg/files"
)

// rowWriter writes rows to a file, which appears when it is published.
type rowWriter struct {
	output     files.Output
	partial    *files.Partial
	compressor *files.Compressor
	text       []byte
	size       int64 // bytes of text
	rows       int64
}

// memberSize is how much text is compressed at once.
const memberSize = 1 << 20

// create begins a file with a header, "" for none.
func (t *table) create(path, head string) (*rowWriter, error) {
	compressor, err := files.NewCompressor(t.conf.Compression)
	if err != nil {
		return nil, err
	}
	w := &rowWriter{output: output(t.env, path, true), compressor: compressor}
	if w.partial, err = files.Begin(w.output); err != nil {
		return nil, err
	}
	if head != "" {
		err = w.line(head)
	}
	if err != nil {
		return nil, errors.Join(err, w.partial.Discard())
	}
	return w, nil
}

// row writes a row.
func (w *rowWriter) row(raw string) error {
	w.rows++
	return w.line(raw)
}

func (w *rowWriter) line(raw string) error {
	w.size += int64(len(raw)) + 1
	w.text = append(append(w.text, raw...), '\n')
	if len(w.text) < memberSize {
		return nil
	}
	return w.flush()
}

func (w *rowWriter) flush() error {
	b := w.text
	if w.compressor != nil {
		var err error
		if b, err = w.compressor.Member(w.text); err != nil {
			return err
		}
	}
	w.text = w.text[:0]
	_, err := w.partial.Write(b)
	return err
}

// finish writes what is left, and makes the file durable, still without its name. It is closed: a tasklet may make more
// files than can be open.
func (w *rowWriter) finish() (files.Mark, error) {
	if len(w.text) > 0 || w.compressor != nil && w.partial.Mark().Size == 0 {
		if err := w.flush(); err != nil {
			return files.Mark{}, err
		}
	}
	if err := w.partial.Sync(); err != nil {
		return files.Mark{}, err
	}
	return w.partial.Mark(), w.partial.Close()
}

// made is a file that is complete and has no name yet.
type made struct {
	output files.Output
	mark   files.Mark
}

// publish gives files their names.
func publish(all []made) error {
	for _, m := range all {
		p, err := files.Finished(m.output, m.mark)
		if err != nil {
			return err
		}
		if err := errors.Join(p.Publish(), p.Close()); err != nil {
			return err
		}
	}
	return nil
}

// discard removes files that are complete and get no names.
func discard(all []made) error {
	var errs []error
	for _, m := range all {
		if p, err := files.Resume(m.output, m.mark); err == nil {
			errs = append(errs, p.Discard())
		}
	}
	return errors.Join(errs...)
}
