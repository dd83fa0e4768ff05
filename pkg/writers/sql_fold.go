package writers

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlPlan is the rows of a chunk as they are written: in the order of their keys, so that lanes that write the same keys
// do not deadlock, and with equal keys folded into one row, since one statement may not touch a row twice.
type sqlPlan struct {
	rows  []record.Record
	order []sqlEntry
	keys  []byte
	sums  []record.Value // of folded rows: one for each adding column
	sqlConverter
}

// sqlEntry is a row to be written.
type sqlEntry struct {
	row      int  // the last input row of its key
	sums     int  // where its sums begin, -1 where nothing was added up
	from, to int  // its key, in keys
	null     bool // the key has a null: it is equal to no other
}

// fill takes the rows of a call. The error is a RowError.
func (p *sqlPlan) fill(b *sqlBinding, rows []record.Record) error {
	p.rows, p.order, p.keys, p.sums = rows, p.order[:0], p.keys[:0], p.sums[:0]
	p.arena.Reset()
	for i := range rows {
		p.order = append(p.order, sqlEntry{row: i, sums: -1})
	}
	if len(b.key) == 0 {
		return nil
	}
	if err := p.sort(b); err != nil {
		return err
	}
	if b.write.Mode == sqldb.Ignore {
		return nil // the first row of a key stays, as it would row by row
	}
	return p.fold(b)
}

// sort orders the rows by key, equal keys as they came.
func (p *sqlPlan) sort(b *sqlBinding) error {
	for i := range p.order {
		e := &p.order[i]
		e.from = len(p.keys)
		for _, c := range b.key {
			v, err := p.value(b, c, p.rows[e.row].At(b.fields[c]))
			if err != nil {
				return &batch.RowError{Row: e.row, Err: err}
			}
			p.keys = p.appendKey(p.keys, v, b.write.Columns[c].Kind)
			e.null = e.null || v.IsNull()
		}
		e.to = len(p.keys)
	}
	slices.SortFunc(p.order, func(x, y sqlEntry) int {
		if c := bytes.Compare(p.key(x), p.key(y)); c != 0 {
			return c
		}
		return cmp.Compare(x.row, y.row)
	})
	return nil
}

func (p *sqlPlan) key(e sqlEntry) []byte { return p.keys[e.from:e.to] }

// appendKey appends a value of a key so that keys are equal as bytes where they are equal to the database: numbers
// without regard to their scale, moments without regard to their zone. Each is led by its length, so that two values
// never read as two others.
func (p *sqlPlan) appendKey(dst []byte, v record.Value, kind record.Kind) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	if v.IsNull() {
		binary.BigEndian.PutUint32(dst[at:], ^uint32(0))
		return dst
	}
	if v.Kind() == record.Text && kind != record.Text {
		if typed, err := p.format.Parse(kind, strings.TrimSpace(v.Text())); err == nil {
			v = typed
		}
	}
	switch {
	case v.Kind() == record.Decimal:
		dst = v.Number().Trim().Append(dst)
	case v.Kind() == record.Float:
		if n, err := record.NumberFromFloat(v.Float()); err == nil {
			dst = n.Trim().Append(dst)
			break
		}
		dst = v.AppendCanonical(dst)
	case v.Kind() == record.DateTime && v.Zoned():
		dst = record.OfTime(v.Moment()).AppendCanonical(dst)
	default:
		dst = v.AppendCanonical(dst)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// fold makes one row of rows with an equal key: adding columns are summed, of the others the last row's values stay.
func (p *sqlPlan) fold(b *sqlBinding) error {
	kept := 0
	for from := 0; from < len(p.order); {
		to := from + 1
		for to < len(p.order) && !p.order[from].null && bytes.Equal(p.key(p.order[from]), p.key(p.order[to])) {
			to++
		}
		one := p.order[to-1]
		if to-from > 1 && len(b.add) > 0 {
			one.sums = len(p.sums)
			if err := p.sum(b, p.order[from:to]); err != nil {
				return err
			}
		}
		p.order[kept] = one
		kept++
		from = to
	}
	p.order = p.order[:kept]
	return nil
}

// sum appends the sums of the adding columns over some rows.
func (p *sqlPlan) sum(b *sqlBinding, same []sqlEntry) error {
	for _, c := range b.add {
		total := record.NullValue
		for _, e := range same {
			var err error
			if total, err = addSQLValues(b.write.Columns[c].Kind, total, p.rows[e.row].At(b.fields[c])); err != nil {
				return &batch.RowError{Row: e.row, Err: fault.Wrap(fault.Validation, err, "column %s of table %s", b.write.Columns[c].Name, b.write.Table)}
			}
		}
		p.sums = append(p.sums, total)
	}
	return nil
}

// cell returns what is written into column c of a row.
func (p *sqlPlan) cell(b *sqlBinding, e *sqlEntry, c int) (record.Value, error) {
	v := p.rows[e.row].At(b.fields[c])
	if e.sums >= 0 && b.adding[c] >= 0 {
		v = p.sums[e.sums+b.adding[c]]
	}
	out, err := p.value(b, c, v)
	if err != nil {
		return out, &batch.RowError{Row: e.row, Err: err}
	}
	return out, nil
}

// plainText returns what is written into column c of a row where that is a text as it stands, without a conversion or a
// sum: nearly all of a file, which does not pass through cell.
func (p *sqlPlan) plainText(b *sqlBinding, e *sqlEntry, c int) (string, bool) {
	values, at := p.rows[e.row].Values, b.fields[c]
	if b.plain[c] && at < len(values) && values[at].Kind() == record.Text && (e.sums < 0 || b.adding[c] < 0) {
		return values[at].Text(), true
	}
	return "", false
}

// bindRow gives a statement the values of a row.
func (p *sqlPlan) bindRow(b *sqlBinding, e *sqlEntry, to *sqldb.Stmt) error {
	for c := range b.fields {
		if text, plain := p.plainText(b, e, c); plain {
			to.BindText(text)
			continue
		}
		v, err := p.cell(b, e, c)
		if err != nil {
			return err
		}
		to.Bind(v)
	}
	return nil
}

// copyRow sends a row with COPY, as bindRow gives it to a statement.
func (p *sqlPlan) copyRow(b *sqlBinding, e *sqlEntry, to *sqldb.CopyWriter) error {
	for c := range b.fields {
		if text, plain := p.plainText(b, e, c); plain {
			to.Text(text)
			continue
		}
		v, err := p.cell(b, e, c)
		if err != nil {
			return err
		}
		to.Value(v)
	}
	return to.EndRow()
}

// addSQLValues adds as SQL's sum does: null adds nothing. Decimals and integers are exact; integers stay integers, and an
// error where 64 bits do not hold them.
func addSQLValues(kind record.Kind, a, b record.Value) (record.Value, error) {
	switch {
	case b.IsNull():
		return a, nil
	case a.IsNull():
		a = record.OfInt(0)
	}
	if a.Kind() == record.Int && b.Kind() == record.Int && kind != record.Float {
		if sum := a.Int() + b.Int(); (sum > a.Int()) == (b.Int() > 0) { // else it may have overflown
			return record.OfInt(sum), nil
		}
	}
	x, err := sqlNumber(a)
	if err != nil {
		return record.Value{}, err
	}
	y, err := sqlNumber(b)
	if err != nil {
		return record.Value{}, err
	}
	if kind == record.Float {
		return record.OfFloat(x.Float64() + y.Float64()), nil
	}
	sum, err := x.Add(y)
	if err != nil {
		return record.Value{}, err
	}
	if a.Kind() != record.Int || b.Kind() != record.Int {
		return record.OfNumber(sum), nil
	}
	i, ok := sum.Int64()
	if !ok {
		return record.Value{}, fault.New(fault.Validation, "integer overflow: %s + %s", x, y)
	}
	return record.OfInt(i), nil
}

// sqlNumber returns a value as an exact number, as the database would read it.
func sqlNumber(v record.Value) (record.Number, error) {
	if v.Kind() == record.Int || v.Kind() == record.Decimal {
		return v.Number(), nil
	}
	var f record.Format
	n, err := f.Convert(v, record.Decimal)
	return n.Number(), err
}
