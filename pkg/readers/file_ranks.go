package readers

import (
	"context"
	"encoding/json"
	"io"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// sampled is how many values of a column are kept at most to find borders among.
const sampled = 8192

// sample is every so many of the values that it is given. It is the same for the same values.
type sample struct {
	every, seen int
	values      []record.Value
}

func (s *sample) add(v record.Value) {
	s.seen++
	if s.seen%s.every != 0 {
		return
	}
	s.values = append(s.values, v.Clone())
	if len(s.values) < sampled {
		return
	}
	for i := range sampled / 2 { // those at the distance that is doubled now
		s.values[i] = s.values[2*i+1]
	}
	s.values = s.values[:sampled/2]
	s.every *= 2
}

// byRanks reads the files for borders in a column between which there are about the same number of records.
func (s *fileSource) byRanks(ctx context.Context, d batch.Division) ([]json.RawMessage, error) {
	values := sample{every: 1}
	if err := s.eachValue(ctx, d.Column, values.add); err != nil {
		return nil, err
	}
	slices.SortFunc(values.values, compareIn)
	var borders []record.Value
	for i := 1; i < d.Count && len(values.values) > 0; i++ {
		border := values.values[len(values.values)*i/d.Count]
		if n := len(borders); n == 0 && compareIn(border, values.values[0]) > 0 || n > 0 && compareIn(border, borders[n-1]) > 0 {
			borders = append(borders, border)
		}
	}
	return marshalShares(rangeShares(d, borders))
}

// eachValue calls fn with the values of a column that have an order, in all records that can be read.
func (s *fileSource) eachValue(ctx context.Context, column string, fn func(v record.Value)) error {
	if err := s.sharing.open(ctx, nil); err != nil {
		return err
	}
	defer s.close()
	for {
		err := s.read(ctx, func(err error) error { return err })
		switch {
		case err == io.EOF:
			return nil
		case err == nil:
			v := s.sharing.value(column)
			if _, ordered := v.Compare(v); ordered {
				fn(v)
			}
		case !fault.ClassOf(err).Data():
			return err
		}
	}
}
