package expr

import (
	"strings"

	"batchctl/pkg/fault"
)

// refused are the operators of expr-lang that the language leaves out, with what to write instead.
var refused = map[string]string{
	"|":   "write calls as f(x): there are no pipes",
	"let": "there are no variables: compute a field of its own with set first",
	";":   "an expression is one value",
	"#":   "there are no functions over lists",
	"::":  "write int(x), decimal(x), text(x), date(x)",
	"..":  "write x >= 1 and x <= 10",
	"^":   "write ** for a power",
	"&":   "write and, or &&",
	"?.":  "write a point: members of null are null",
	"{":   "there are no maps and blocks",
	"=":   "write == to compare",
}

// foreign are the words of SQL that stand between operands, with what to write instead. The parser refuses them all.
var foreign = map[string]string{
	"is":      "write x == nil or is_null(x)",
	"like":    `write x startsWith "a", x contains "a" or x matches "^a.*z$"`,
	"ilike":   `write lower(x) contains "a"`,
	"between": "write 1 <= x <= 10",
	"when":    "write a ? b : c",
	"then":    "write a ? b : c",
	"as":      "write int(x), decimal(x), text(x), date(x)",
}

// elsewhere are functions of SQL and its relatives that the language has by another name.
var elsewhere = map[string]string{
	"if": "a ? b : c", "iif": "a ? b : c", "ifelse": "a ? b : c", "case": "a ? b : c",
	"nvl": "coalesce(a, b) or a ?? b", "ifnull": "coalesce(a, b) or a ?? b", "isnull": "is_null(x)",
	"cast": "int(x), decimal(x), text(x), date(x)", "length": "len(x)", "char_length": "len(x)", "instr": `x contains "a"`,
	"ucase": "upper(x)", "lcase": "lower(x)", "mod": "a % b", "power": "a ** b", "pow": "a ** b", "string": "text(x)", "number": "decimal(x)",
	"to_char": "text(x), or format_date(d, pattern)", "to_date": "date(x, pattern)", "to_number": "decimal(x)", "date_add": "add_days(x, n)",
	"datediff": "days_between(a, b)", "date_diff": "days_between(a, b)", "greatest": "max(a, b)", "least": "min(a, b)",
}

// functionHint says what to write instead of a function that there is not.
func functionHint(name string) string {
	if instead := elsewhere[strings.ToLower(name)]; instead != "" {
		return "write " + instead
	}
	return fault.DidYouMean(name, functionNames())
}
