package files

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"

	"golang.org/x/text/transform"
)

// InputOptions say what stands in an input file.
type InputOptions struct {
	Compression  string // none, gzip, zstd, bzip2; auto or "": what its first bytes say
	Encoding     string // a name of Encodings; "": UTF-8, or UTF-16 where it begins with that byte order mark
	MaxExpansion int64  // times its size that compressed data may expand to; 0 is any
}

// Input is an open file as the text that stands in it, decompressed and in UTF-8. Offsets are those of this text. It is
// not safe for use by several goroutines.
type Input struct {
	file *os.File
	name string
	raw  *counted
	// text is what Read reads; nil where the file is the text, and any place of it can be gone to.
	text        *bufio.Reader
	compression string
	encoding    string
	unzip       io.Closer // may be nil
}

// OpenInput reads the text of an open regular file, which it closes in the end, also where it returns an error. name is
// for messages.
func OpenInput(file *os.File, name string, o InputOptions) (*Input, error) {
	in := &Input{file: file, name: name}
	if err := in.begin(o); err != nil {
		_ = in.Close()
		return nil, err
	}
	return in, nil
}

func (in *Input) begin(o InputOptions) error {
	first := make([]byte, sniffed)
	n, err := in.file.ReadAt(first, 0)
	if err != nil && err != io.EOF {
		return trouble("read", in.name, err)
	}
	in.compression = o.Compression
	if o.Compression == "" || o.Compression == "auto" {
		in.compression = compressionOf(first[:n])
	}
	if in.compression == "none" && (o.Encoding == "utf-8" || o.Encoding == "" && !isUTF16(first[:n])) {
		return nil
	}
	in.raw = &counted{from: in.file}
	text := io.Reader(bufio.NewReaderSize(in.raw, rawBuffer))
	if in.compression != "none" {
		if text, err = in.decompress(text, o.MaxExpansion); err != nil {
			return err
		}
	}
	in.text = bufio.NewReaderSize(text, textBuffer)
	return in.decode(o.Encoding)
}

// Sizes of buffers in bytes, and how many bytes are looked at to know what a file is.
const (
	rawBuffer  = 64 << 10
	textBuffer = 64 << 10
	sniffed    = 16
)

// decode puts the decoder of an encoding before the text, where it needs one.
func (in *Input) decode(name string) error {
	if name == "" {
		first, err := in.text.Peek(2)
		if err != nil && err != io.EOF {
			return err
		}
		name = "utf-8"
		if isUTF16(first) {
			name = "utf-16"
		}
	}
	if name == "utf-8" {
		return nil
	}
	found, err := EncodingOf(name)
	if err != nil {
		return err
	}
	in.encoding = name
	in.text = bufio.NewReaderSize(transform.NewReader(in.text, strict{found.NewDecoder().Transformer}), textBuffer)
	return nil
}

func isUTF16(first []byte) bool {
	return bytes.HasPrefix(first, []byte("\xff\xfe")) || bytes.HasPrefix(first, []byte("\xfe\xff"))
}

// Read reads text. Compressed data that are damaged, cut short, followed by something else or too large are an error of
// class environment, behind all text that is before it.
func (in *Input) Read(b []byte) (int, error) {
	if in.text == nil {
		return in.file.Read(b)
	}
	return in.text.Read(b)
}

// Encoding returns the name of the encoding that the text is decoded from, "" for UTF-8. Bytes that are not of it stand
// in the text as single bytes 0xff, which no UTF-8 has.
func (in *Input) Encoding() string { return in.encoding }

// Compression returns how the file is compressed: none, gzip, zstd or bzip2.
func (in *Input) Compression() string { return in.compression }

// Size returns how long the text is. Where the file is not the text, it reads to the end of it.
func (in *Input) Size(ctx context.Context) (int64, error) {
	if in.text == nil {
		info, err := in.file.Stat()
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	for size := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return 0, context.Cause(ctx)
		}
		n, err := io.CopyN(io.Discard, in.text, passed)
		if size += n; err == io.EOF {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// passed is how many bytes are passed over between two looks at the context.
const passed = 4 << 20

// Consumed returns how many bytes of the file itself have been read for the text up to an offset: for progress.
func (in *Input) Consumed(offset int64) int64 {
	if in.text == nil {
		return offset
	}
	return in.raw.n
}

// GoTo moves from the beginning to an offset. Where the file is the text that takes no time, else the text before is
// decompressed and decoded again. A text that ends before it is an io.ErrUnexpectedEOF.
func (in *Input) GoTo(ctx context.Context, offset int64) error {
	if in.text == nil {
		info, err := in.file.Stat()
		if err == nil && info.Size() < offset {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			_, err = in.file.Seek(offset, io.SeekStart)
		}
		return err
	}
	for offset > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n, err := io.CopyN(io.Discard, in.text, min(passed, offset))
		offset -= n
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Peek returns the byte at the place of reading, which is at an offset; ok is false at the end.
func (in *Input) Peek(offset int64) (b byte, ok bool) {
	if in.text == nil {
		next := make([]byte, 1)
		_, err := in.file.ReadAt(next, offset)
		return next[0], err == nil
	}
	next, err := in.text.Peek(1)
	if err != nil {
		return 0, false
	}
	return next[0], true
}

// Close closes the file.
func (in *Input) Close() error {
	if in.unzip != nil {
		_ = in.unzip.Close() // frees memory; it has nothing to say about the file
	}
	if in.file == nil {
		return nil
	}
	return in.file.Close()
}

// counted counts what is read of a file.
type counted struct {
	from io.Reader
	n    int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.n += int64(n)
	return n, err
}
