package writers

import (
	"batchctl/pkg/files"
)

// memberSize is how much text is gathered for one member or frame at most, but for a single call that is larger.
const memberSize = 1 << 20

// outlet is where the bytes of a file go to: the partial file, or a compressor before it. A state covers whole members
// only, so each state ends one. Chunks are the same on every run; so are the members, and the file.
type outlet struct {
	partial    *files.Partial // nil where it is not open
	compressor *files.Compressor
	text       []byte // for the next member
}

func (o *outlet) write(b []byte) error {
	if o.compressor == nil {
		_, err := o.partial.Write(b)
		return err
	}
	o.text = append(o.text, b...)
	if len(o.text) < memberSize {
		return nil
	}
	return o.seal()
}

// seal ends the member at hand, where there is one.
func (o *outlet) seal() error {
	if len(o.text) == 0 {
		return nil
	}
	return o.member()
}

func (o *outlet) member() error {
	b, err := o.compressor.Member(o.text)
	if err != nil {
		return err
	}
	o.text = o.text[:0]
	_, err = o.partial.Write(b)
	return err
}

// finish ends the last member; a file without any gets one, since no bytes at all are no compressed file.
func (o *outlet) finish() error {
	if o.compressor != nil && len(o.text) == 0 && o.partial.Mark().Size == 0 {
		return o.member()
	}
	return o.seal()
}
