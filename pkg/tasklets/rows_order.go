package tasklets

import (
	"strings"

	"batchctl/pkg/config"
	"batchctl/pkg/record"
)

// orderList is columns that rows are ordered by: [seller_id, amount desc], or one of them.
type orderList struct{ columns []orderColumn }

// orderColumn is a column and its direction.
type orderColumn struct {
	name string
	desc bool
	kind record.Kind // Absent: what the values are
	node config.Node
}

// DecodeYAML reads one column or a list.
func (o *orderList) DecodeYAML(d *config.Decoder, n config.Node) error {
	items := n.OneOrMore()
	if len(items) == 0 {
		return n.Errorf("%s: the list is empty", d.What).WithHint("name the columns: [seller_id, amount desc]")
	}
	seen := map[string]bool{}
	for _, item := range items {
		var text string
		if err := d.Decode(item, &text); err != nil {
			return err
		}
		column := orderColumn{name: text, node: item}
		if at := strings.LastIndexByte(text, ' '); at > 0 {
			switch strings.ToLower(text[at+1:]) {
			case "desc":
				column.name, column.desc = strings.TrimSpace(text[:at]), true
			case "asc":
				column.name = strings.TrimSpace(text[:at])
			}
		}
		if seen[column.name] {
			return item.Errorf("%s: column %q stands twice", d.What, column.name)
		}
		seen[column.name] = true
		o.columns = append(o.columns, column)
	}
	return nil
}

// YAMLType implements config.Worded.
func (orderList) YAMLType() string {
	return "a column, or a list of columns, each with desc behind it where it descends"
}

// compare returns the order of two rows by their keys.
func (t *table) compare(a, b []record.Value) int {
	for i := range a {
		order := compareKeys(a[i], b[i])
		if order == 0 {
			continue
		}
		if t.order[i].desc {
			return -order
		}
		return order
	}
	return 0
}

// compareKeys orders all values: null is the largest, as in PostgreSQL; values of kinds that do not go together are ordered
// by their kinds.
func compareKeys(a, b record.Value) int {
	order, ok := a.Compare(b)
	if ok {
		return order
	}
	if x, y := rank(a), rank(b); x != y {
		return x - y
	}
	return strings.Compare(a.Text(), b.Text())
}

// rank is the place of a value's kind among the others.
func rank(v record.Value) int {
	switch {
	case v.IsNull():
		return 9
	case v.Kind() == record.Bool:
		return 0
	case v.Kind().Numeric() && v.Finite():
		return 1
	case v.Kind().Numeric(): // infinities compare with numbers; NaN does not
		return 2
	case v.Kind() == record.Date:
		return 3
	case v.Kind() == record.DateTime && !v.Zoned():
		return 4
	case v.Kind() == record.DateTime:
		return 5
	case v.Kind() == record.Text, v.Kind() == record.Bytes:
		return 6
	}
	return 7
}
