package config

import (
	"regexp"
	"strings"

	"batchctl/pkg/fault"
)

// sqlReference is a ${...} in SQL. A dollar quote that opens before a brace, $${ or $x${, is none: a name begins with a
// letter.
var sqlReference = regexp.MustCompile(`(^|[^$])\$\{([A-Za-z][^}]*)\}?`)

// checkSQL refuses ${...} inside SQL: a value that is pasted into a statement can be a statement.
func (d *Decoder) checkSQL(n Node) error {
	if strings.TrimSpace(n.Text()) == "" {
		return n.Errorf("%s", d.named("the SQL is empty"))
	}
	var wrong fault.List
	for _, m := range sqlReference.FindAllStringSubmatchIndex(n.Text(), -1) {
		name := n.Text()[m[4]:m[5]]
		wrong = append(wrong, n.ErrorAt(m[3], "%s", d.named("${"+name+"} inside SQL")).WithCode("reference_in_sql").
			WithHint("%s", bindHint(name)))
	}
	return wrong.Err()
}

func bindHint(name string) string {
	if param, ok := strings.CutPrefix(name, "params."); ok {
		return "values reach SQL as bind parameters: write :" + param
	}
	bind := regexp.MustCompile(`[^A-Za-z0-9_]+`).ReplaceAllString(name[strings.LastIndexByte(name, '.')+1:], "_")
	return "values reach SQL as bind parameters: write :" + bind + " and, beside the query, args: {" + bind + ": " + name + "}"
}
