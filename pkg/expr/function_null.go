package expr

import "batchctl/pkg/record"

func nullFunctions() []function {
	return []function{
		{Function{"coalesce", "coalesce(a, b, ...)", "the first that is not null, as a ?? b"}, 1, 16, []kinds{anything}, func(c call) (code, error) { return bindCoalesce(c.args, c.offset) }},
		{Function{"is_null", "is_null(x)", "whether x is null or absent, as x == nil"}, 1, 1, []kinds{anything}, bindIsNull},
		{Function{"nullif", "nullif(a, b)", "null where a equals b, else a"}, 2, 2, []kinds{anything}, bindNullIf},
	}
}

func bindIsNull(c call) (code, error) {
	eval := c.args[0].eval
	return condition(c.offset, func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := eval(row, arena)
		return v.IsNull(), err
	}), nil
}

func bindNullIf(c call) (code, error) {
	compare := comparer{operator: "==", set: outcomes["=="], location: c.location}
	if err := compare.check(c.args[0], c.args[1], c.offset); err != nil {
		return code{}, err
	}
	a, b := c.args[0], c.args[1]
	return computed(a.kind, c.offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		v, err := a.eval(row, arena)
		if err != nil || v.IsNull() {
			return record.NullValue, err
		}
		w, err := b.eval(row, arena)
		if err != nil {
			return v, err
		}
		equal, err := compare.holds(v, w, a, b)
		if equal || err != nil {
			return record.NullValue, err
		}
		return v, nil
	}), nil
}
