package tasklets

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// rowReader reads the rows of one file with the keys that they are ordered by.
type rowReader struct {
	t      *table
	name   string
	file   io.Closer
	decode string // the encoding that the text is decoded from, "" for UTF-8
	csv    *format.CSVReader
	json   *format.JSONReader
	lines  *bufio.Reader
	line   int64    // of the row that was read last
	head   string   // the line that names the columns, "" where there is none
	header []string // the names in it
	at     []int    // where the columns of the order stand in a csv row; nil: not known yet
}

// open opens a file of the definition, and reads its header.
func (t *table) open(path string) (*rowReader, error) {
	name := relative(t.env.Base, path)
	file, err := files.OpenRegular(path)
	if err != nil {
		return nil, trouble("open", name, err)
	}
	input, err := files.OpenInput(file, name, files.InputOptions{Encoding: t.encoding, MaxExpansion: int64(t.conf.MaxExpansion)})
	if err != nil {
		return nil, err
	}
	r, err := t.reader(input, input, name)
	if err != nil {
		return nil, errors.Join(err, input.Close())
	}
	r.decode = input.Encoding()
	if t.kind == "csv" && t.conf.Header {
		err = r.readHeader()
	}
	if err != nil {
		return nil, errors.Join(err, input.Close())
	}
	return r, nil
}

// openRun opens rows that were written without a header, with the columns of the files.
func (t *table) openRun(file *os.File) (*rowReader, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, files.Trouble("read", "temporary file", err)
	}
	r, err := t.reader(file, io.NopCloser(nil), "temporary file")
	if err == nil && t.first != nil {
		r.at = t.first.at
	}
	return r, err
}

func (t *table) reader(from io.Reader, file io.Closer, name string) (r *rowReader, err error) {
	r = &rowReader{t: t, name: name, file: file}
	switch t.kind {
	case "csv":
		if r.csv, err = t.csvReader(); err != nil {
			return nil, err
		}
		r.csv.SetName(name)
		return r, r.csv.Reset(from, format.Start(), 0)
	case "jsonl":
		r.json = format.NewJSONReader(format.JSONReaderOptions{Name: name, Lines: true, MaxRecord: int(t.conf.MaxRecord)})
		return r, r.json.Reset(from, format.Start(), 0)
	}
	r.lines = bufio.NewReaderSize(from, 64<<10)
	if mark, _ := r.lines.Peek(3); bytes.Equal(mark, []byte("\ufeff")) {
		_, err = r.lines.Discard(3)
	}
	return r, err
}

func (r *rowReader) readHeader() error {
	err := r.csv.Next()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return r.encodingFault(err)
	}
	raw := r.csv.Record()
	r.head = string(raw.Raw)
	for _, f := range raw.Fields {
		r.header = append(r.header, string(r.csv.AppendField(nil, raw.Raw, f)))
	}
	if first := r.t.first; first != nil && !slices.Equal(first.header, r.header) {
		return fault.New(fault.Validation, "the columns are %s, and those of %s are %s", strings.Join(r.header, ", "), first.name, strings.Join(first.header, ", ")).
			At(fault.Position{File: r.name, Line: 1}).WithHint("files that are put together need the same columns in the same order")
	}
	return r.place(len(raw.Fields))
}

// place finds the columns of the order among those of the file.
func (r *rowReader) place(columns int) error {
	names := r.header
	if !r.t.conf.Header {
		for i := range columns {
			names = append(names, strconv.Itoa(i+1))
		}
	}
	at := make([]int, len(r.t.order))
	for i, column := range r.t.order {
		if at[i] = slices.Index(names, column.name); at[i] < 0 {
			return column.node.Errorf("%s has no column %q", r.name, column.name).WithCode("unknown_column").
				WithHint("%s", fault.DidYouMean(column.name, names))
		}
	}
	r.at = at
	if r.t.first == nil {
		r.t.first = r
	}
	return nil
}

// head is the line that names the columns of the files, "" where they have none.
func (t *table) head() string {
	if t.first == nil {
		return ""
	}
	return t.first.head
}

// next reads a row into the arena and its keys into keys, which has one element for each column of the order. At the end
// it returns io.EOF.
func (r *rowReader) next(arena *record.Arena, keys []record.Value) (raw string, err error) {
	switch {
	case r.csv != nil:
		return r.nextCSV(arena, keys)
	case r.json != nil:
		return r.nextJSON(arena, keys)
	}
	raw, err = r.nextLine(arena)
	if err == nil && len(keys) > 0 {
		keys[0] = record.OfText(raw)
	}
	return raw, err
}

func (r *rowReader) nextCSV(arena *record.Arena, keys []record.Value) (string, error) {
	if err := r.csv.Next(); err != nil {
		return "", r.encodingFault(err)
	}
	row := r.csv.Record()
	r.line = row.Line
	if r.at == nil {
		if err := r.place(len(row.Fields)); err != nil {
			return "", err
		}
	}
	raw := arena.Copy(row.Raw)
	for i, at := range r.at {
		if at >= len(row.Fields) {
			return "", r.bad("the row has %d fields, and column %s is the %dth", len(row.Fields), r.t.order[i].name, at+1)
		}
		field := row.Fields[at]
		text := raw[field.Start:field.End]
		if field.Escaped {
			text = arena.Copy(r.csv.AppendField(nil, row.Raw, field))
		}
		if err := r.key(&keys[i], i, record.OfText(text), arena); err != nil {
			return "", err
		}
	}
	return raw, nil
}

func (r *rowReader) nextJSON(arena *record.Arena, keys []record.Value) (string, error) {
	if err := r.json.Next(); err != nil {
		return "", r.encodingFault(err)
	}
	row := r.json.Record()
	r.line = row.Line
	raw := arena.Copy(row.Raw)
	for i, column := range r.t.order {
		v := record.NullValue
		for j := range row.Fields {
			if string(row.Fields[j].Key) == column.name {
				v = row.Fields[j].Value(raw, arena)
				break
			}
		}
		if err := r.key(&keys[i], i, v, arena); err != nil {
			return "", err
		}
	}
	return raw, nil
}

// key converts a value to the kind of its column. An empty text is null where the column is not text.
func (r *rowReader) key(to *record.Value, column int, v record.Value, arena *record.Arena) error {
	kind := r.t.order[column].kind
	switch {
	case v.IsNull() || v.Kind() == record.Text && kind != record.Text && kind != record.Absent && v.Text() == "":
		*to = record.NullValue
		return nil
	case kind == record.Absent || kind == v.Kind():
		*to = v
		return nil
	}
	converted, err := r.t.format.ConvertIn(arena, v, kind)
	if err != nil {
		return r.bad("column %s: %s", r.t.order[column].name, err.Error())
	}
	*to = converted
	return nil
}

func (r *rowReader) nextLine(arena *record.Arena) (string, error) {
	var long []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull:
			if long = append(long, part...); len(long) > int(r.t.conf.MaxRecord) {
				r.line++
				return "", r.bad("the line is longer than max_record")
			}
			continue
		case err == io.EOF && len(part)+len(long) == 0:
			return "", io.EOF
		case err != nil && err != io.EOF:
			return "", err
		}
		r.line++
		part = bytes.TrimSuffix(part, []byte("\n"))
		if long != nil {
			part = append(long, part...)
		}
		if r.decode != "" && bytes.IndexByte(part, 0xff) >= 0 { // see files.Input
			return "", r.notDecodable(fault.Position{File: r.name, Line: int(r.line)})
		}
		return arena.Copy(bytes.TrimSuffix(part, []byte("\r"))), nil
	}
}

// encodingFault names the encoding in an error about bytes that are not of it; the scanners know UTF-8 only.
func (r *rowReader) encodingFault(err error) error {
	if fault.CodeOf(err) != format.NotUTF8 || r.decode == "" {
		return err
	}
	return r.notDecodable(fault.PositionOf(err))
}

func (r *rowReader) notDecodable(at fault.Position) error {
	return fault.New(fault.Parse, "bytes that are not %s", r.decode).At(at).WithCode("not_decodable").WithHint("is encoding: %s right?", r.decode)
}

// bad is an error of the row that was read last.
func (r *rowReader) bad(message string, args ...any) *fault.Error {
	return fault.New(fault.Validation, message, args...).At(fault.Position{File: r.name, Line: int(r.line)})
}

func (r *rowReader) close() error { return r.file.Close() }
