package expr

import "batchctl/pkg/record"

func conversionFunctions() []function {
	return []function{
		{Function{"int", "int(x)", "x as an int; all of a text must be one, and nothing may be cut off: int(2.0) is 2, int(1.5) an error"}, 1, 1, []kinds{anything}, conversion(record.Int)},
		{Function{"decimal", "decimal(x)", "x as a decimal"}, 1, 1, []kinds{anything}, conversion(record.Decimal)},
		{Function{"float", "float(x)", "x as a float; an error where a float is not exactly that number"}, 1, 1, []kinds{anything}, conversion(record.Float)},
		{Function{"bool", "bool(x)", "true and false from such texts, and from 1 and 0"}, 1, 1, []kinds{anything}, conversion(record.Bool)},
		{Function{"text", "text(x)", "x as a text, in canonical form: 1.50, 2024-01-31, true"}, 1, 1, []kinds{anything}, conversion(record.Text)},
		{Function{"json_get", "json_get(json, path)", `a value inside a JSON value or text, as json_get(payload, "customer.items[0].id"); null where it is not there`}, 2, 2, []kinds{texts | kindSet(record.JSON), texts}, bindJSONGet},
	}
}

func conversion(kind record.Kind) func(call) (code, error) {
	return func(c call) (code, error) {
		return c.strict1(kind, func(e env, v record.Value) (record.Value, error) {
			f := e.format()
			return f.ConvertIn(e.arena, v, kind)
		})
	}
}

func bindJSONGet(c call) (code, error) {
	if !c.args[1].constant {
		return code{}, errorAt(c.args[1].offset, "expression_syntax", "json_get: the path must be a text that is written out or a parameter")
	}
	path, ok := parsePath(c.args[1].value.Text())
	if !ok {
		return code{}, errorAt(c.args[1].offset, "expression_syntax", "json_get: %s is not a path", c.args[1].label).hint(`write "customer.items[0].id"`)
	}
	return c.strict1(record.Absent, func(_ env, v record.Value) (record.Value, error) { return lookInside(v.Text(), path) })
}
