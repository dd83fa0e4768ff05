package files

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"batchctl/pkg/fault"
)

// Compressor makes members (gzip, RFC 1952) or frames (zstd, RFC 8878) of text, each complete by itself: a file that is
// cut behind any of them is whole. The same text makes the same bytes. It is not safe for use by several goroutines.
type Compressor struct {
	gzip *gzip.Writer
	zstd *zstd.Encoder
	out  bytes.Buffer
}

// NewCompressor returns a compressor of a kind, gzip or zstd, or nil for none.
func NewCompressor(kind string) (*Compressor, error) {
	switch kind {
	case "", "none":
		return nil, nil
	case "gzip":
		return &Compressor{gzip: gzip.NewWriter(nil)}, nil
	case "zstd":
		// One goroutine: the bytes must not depend on the number of processors.
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true), zstd.WithLowerEncoderMem(true))
		return &Compressor{zstd: encoder}, err
	}
	return nil, fault.New(fault.Definition, "no compression is called %q", kind)
}

// Member returns text as one member or frame. It is valid until the next call.
func (c *Compressor) Member(text []byte) ([]byte, error) {
	c.out.Reset()
	if c.zstd != nil {
		return c.zstd.EncodeAll(text, c.out.AvailableBuffer()), nil
	}
	c.gzip.Reset(&c.out)
	if _, err := c.gzip.Write(text); err != nil {
		return nil, err
	}
	err := c.gzip.Close()
	return c.out.Bytes(), err
}
