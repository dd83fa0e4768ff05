package readers

import (
	"encoding/json"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// columnShare is the records with some of the values of a column. The shares of a division are disjoint and together all
// records, those with null in the column among them.
type columnShare struct {
	Column string       `json:"column"`
	Modulo int64        `json:"modulo,omitempty"` // records whose remainder is Is; null counts as remainder 0
	Is     int64        `json:"is"`
	From   *sqlKeyText  `json:"from_key,omitempty"` // from here; nil: from the smallest, null included
	To     *sqlKeyText  `json:"to_key,omitempty"`   // below this; nil: to the largest
	Range  bool         `json:"range,omitempty"`
	Value  *sqlKeyText  `json:"value_key,omitempty"` // records with this value
	Rest   []sqlKeyText `json:"rest,omitempty"`      // records with none of these values, null included
	// For people and definitions: From, To and Value as texts.
	FromText  *string `json:"from,omitempty"`
	ToText    *string `json:"to,omitempty"`
	ValueText *string `json:"value,omitempty"`
}

// values are those that the share is told by, in the order in which SQL binds them.
func (s *columnShare) values() []sqlKeyText {
	var all []sqlKeyText
	for _, v := range []*sqlKeyText{s.From, s.To, s.Value} {
		if v != nil {
			all = append(all, *v)
		}
	}
	return append(all, s.Rest...)
}

// divisible reports whether a column of a kind can be divided in a way.
func divisible(by string, kind record.Kind) (fits bool, hint string) {
	switch by {
	case "modulo":
		return kind == record.Int, "modulo is for whole numbers; use range or values"
	case "range":
		switch kind {
		case record.Int, record.Decimal, record.Float, record.Date, record.DateTime, record.Text:
			return true, ""
		}
		return false, "range is for numbers, dates and texts; use values"
	}
	switch kind {
	case record.Int, record.Text, record.Date, record.Bool, record.Decimal:
		return true, ""
	}
	return false, "values is for whole numbers, decimals, texts, dates and booleans; use range"
}

func moduloShares(d batch.Division) (shares []columnShare) {
	for i := range d.Count {
		shares = append(shares, columnShare{Column: d.Column, Modulo: int64(d.Count), Is: int64(i)})
	}
	return shares
}

// valueShares makes a share for each value, and one for everything else.
func valueShares(d batch.Division, kind record.Kind, format *record.Format) ([]columnShare, error) {
	rest := columnShare{Column: d.Column}
	var shares []columnShare
	seen := map[string]bool{}
	for _, v := range d.Values {
		typed, err := format.Convert(v, kind)
		if err != nil {
			return nil, fault.New(fault.Definition, "partition: value %s does not fit column %s, which is %s", v.String(), d.Column, kind).WithCode("bad_partition").
				WithHint("write the values as they stand in the column")
		}
		key := keyText(typed)
		text := string(typed.AppendCanonical(nil))
		if seen[text] {
			return nil, fault.New(fault.Definition, "partition: value %s stands twice", text).WithCode("bad_partition").WithHint("each value makes one share")
		}
		seen[text] = true
		shares = append(shares, columnShare{Column: d.Column, Value: &key, ValueText: &text})
		rest.Rest = append(rest.Rest, key)
	}
	if len(shares) == 0 {
		return []columnShare{{Column: d.Column, Range: true}}, nil
	}
	return append(shares, rest), nil
}

// rangeShares makes shares between borders: the first has what is below the first of them and null, the last what is from
// the last of them on, so that nothing falls between, whatever is there by the time it is read.
func rangeShares(d batch.Division, borders []record.Value) []columnShare {
	shares := []columnShare{{Column: d.Column, Range: true}}
	for _, border := range borders {
		key, text := keyText(border), string(border.AppendCanonical(nil))
		last := &shares[len(shares)-1]
		last.To, last.ToText = &key, &text
		shares = append(shares, columnShare{Column: d.Column, Range: true, From: &key, FromText: &text})
	}
	return shares
}

func marshalShares(shares []columnShare) ([]json.RawMessage, error) {
	all := make([]json.RawMessage, len(shares))
	for i := range shares {
		var err error
		if all[i], err = json.Marshal(&shares[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// shareTest tells the records of a share by their values in its column.
type shareTest struct {
	columnShare
	from, to, value *record.Value
	rest            []record.Value
}

func newShareTest(s columnShare) (*shareTest, error) {
	t := &shareTest{columnShare: s}
	for _, one := range []struct {
		text *sqlKeyText
		to   **record.Value
	}{{s.From, &t.from}, {s.To, &t.to}, {s.Value, &t.value}} {
		if one.text == nil {
			continue
		}
		v, err := one.text.value()
		if err != nil {
			return nil, err
		}
		*one.to = &v
	}
	for _, text := range s.Rest {
		v, err := text.value()
		if err != nil {
			return nil, err
		}
		t.rest = append(t.rest, v)
	}
	return t, nil
}

// has reports whether a record with a value is the share's. What has no order, such as a float that is no number, goes
// where null goes, and so does with modulo what is no whole number.
func (t *shareTest) has(v record.Value) bool {
	_, ordered := v.Compare(v)
	switch {
	case t.Modulo > 0:
		if v.Kind() != record.Int {
			return t.Is == 0
		}
		return (v.Int()%t.Modulo+t.Modulo)%t.Modulo == t.Is
	case t.value != nil:
		return ordered && v.Equal(*t.value)
	case t.Range:
		return t.between(v, ordered)
	}
	for _, other := range t.rest {
		if ordered && v.Equal(other) {
			return false
		}
	}
	return true
}

func (t *shareTest) between(v record.Value, ordered bool) bool {
	if !ordered {
		return t.from == nil
	}
	return (t.from == nil || compareIn(v, *t.from) >= 0) && (t.to == nil || compareIn(v, *t.to) < 0)
}

// compareIn compares values of one column that each have an order, as a total order: datetimes without an offset come
// before those with one.
func compareIn(v, w record.Value) int {
	if order, ok := v.Compare(w); ok {
		return order
	}
	switch {
	case v.Zoned() == w.Zoned():
		return 0
	case v.Zoned():
		return 1
	}
	return -1
}
