package expr

import "slices"

// functions is the table of all functions but field, by name. docs/expressions.md lists them.
var functions = indexFunctions(numberFunctions(), textFunctions(), dateFunctions(), conversionFunctions(), nullFunctions())

func indexFunctions(groups ...[]function) map[string]function {
	index := map[string]function{}
	for _, group := range groups {
		for _, f := range group {
			index[f.Name] = f
		}
	}
	return index
}

// Functions returns the functions of the language, by name, for the documentation.
func Functions() []Function {
	all := []Function{{fieldFunction, `field("name")`, "the field of that name, for names that are no words"}}
	for _, f := range functions {
		all = append(all, f.Function)
	}
	slices.SortFunc(all, func(a, b Function) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

func functionNames() []string {
	var names []string
	for _, f := range Functions() {
		names = append(names, f.Name)
	}
	return names
}
