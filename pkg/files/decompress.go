package files

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"batchctl/pkg/fault"
)

// maxWindow is how far back zstd data may refer, in bytes: as much as the zstd command takes without --long=31. It
// bounds the memory of reading.
const maxWindow = 128 << 20

// expandsFrom is how many bytes of text there may be before MaxExpansion counts: short ones of one byte repeated expand
// to a thousand times their size and do no harm.
const expandsFrom = 64 << 20

// compressionOf says how a file is compressed that begins with some bytes: the magic numbers of RFC 1952, of RFC 8878
// (and of its skippable frames), and of bzip2, whose first block or end is looked at too, since a text may begin with BZh.
func compressionOf(first []byte) string {
	switch {
	case bytes.HasPrefix(first, []byte("\x1f\x8b\x08")):
		return "gzip"
	case bytes.HasPrefix(first, []byte("\x28\xb5\x2f\xfd")),
		len(first) >= 4 && first[0]&0xf0 == 0x50 && bytes.Equal(first[1:4], []byte("\x2a\x4d\x18")):
		return "zstd"
	case len(first) >= 10 && bytes.HasPrefix(first, []byte("BZh")) && first[3] >= '1' && first[3] <= '9' &&
		(bytes.Equal(first[4:10], []byte("\x31\x41\x59\x26\x53\x59")) || bytes.Equal(first[4:10], []byte("\x17\x72\x45\x38\x50\x90"))):
		return "bzip2"
	}
	return "none"
}

// decompress returns the text of compressed data: of all members, frames or streams, one behind the other.
func (in *Input) decompress(data io.Reader, maxExpansion int64) (io.Reader, error) {
	x := &expanded{in: in, limit: maxExpansion}
	var err error
	switch in.compression {
	case "gzip":
		var r *gzip.Reader
		if r, err = gzip.NewReader(data); err == nil {
			x.from, in.unzip = r, r
		}
	case "zstd":
		var d *zstd.Decoder
		d, err = zstd.NewReader(data, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			x.from, in.unzip = d, d.IOReadCloser()
		}
	case "bzip2":
		x.from = bzip2.NewReader(data)
	}
	if err != nil {
		return nil, x.failed(err)
	}
	return x, nil
}

// expanded is the text of compressed data, with errors that say what is wrong with the file.
type expanded struct {
	in    *Input
	from  io.Reader
	n     int64 // bytes of text
	limit int64 // of expansion
	err   error
}

func (x *expanded) Read(b []byte) (int, error) {
	if x.err != nil {
		return 0, x.err
	}
	n, err := x.from.Read(b)
	x.n += int64(n)
	if err != nil && err != io.EOF {
		err = x.failed(err)
	}
	if err == io.EOF && x.n == 0 && x.in.raw.n == 0 {
		err = x.failed(io.ErrUnexpectedEOF) // of an empty file zstd and bzip2 make an empty text
	}
	if err == nil && x.limit > 0 && x.n > expandsFrom && x.n/x.limit > x.in.raw.n {
		err = fault.New(fault.Environment, "%s expands to more than %d times its size: to %d MB so far", x.in.name, x.limit, x.n>>20).
			WithCode("max_expansion").WithHint("if that is right, set max_expansion on the reader, such as max_expansion: %d", 10*x.limit)
	}
	x.err = err
	return n, err
}

// failed says what an error of a decompressor means for the file.
func (x *expanded) failed(err error) error {
	if errors.Is(err, ErrInterrupted) {
		return err
	}
	kind, name := x.in.compression, x.in.name
	var bad bzip2.StructuralError
	other := errors.Is(err, gzip.ErrHeader) || errors.Is(err, zstd.ErrMagicMismatch) || errors.As(err, &bad)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.New(fault.Environment, "%s is cut short: its %s data do not end", name, kind).WithCode("cut_short").
			WithHint("get the whole file, then restart: records up to the cut are kept")
	case other && x.n == 0:
		return fault.New(fault.Environment, "%s is not %s", name, kind).WithCode("not_compressed").
			WithHint("leave compression out: the file's first bytes tell")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		return fault.New(fault.Environment, "%s holds something else behind its %s data", name, kind).WithCode("trailing_garbage").
			WithHint("get the file again, or cut off what does not belong to it, then restart: records read so far are kept")
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fault.New(fault.Environment, "%s needs more than %d MiB of memory to decompress", name, maxWindow>>20).
			WithHint("compress it again without --long or --ultra")
	}
	var system interface{ Timeout() bool } // an *fs.PathError
	if errors.As(err, &system) {
		return trouble("read", name, err)
	}
	return fault.New(fault.Environment, "%s is damaged: %v", name, err).WithCode("damaged").
		WithHint("get the file again, then restart: records up to there are kept")
}
