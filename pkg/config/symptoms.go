package config

import "regexp"

// symptom is a way in which people, and expressions, break YAML: what the parser says, what the line looks like, and
// what helps. Message and hint may use the groups of the pattern.
type symptom struct {
	problem string // a part of the parser's message
	line    *regexp.Regexp
	message string
	hint    string
}

// entry matches the beginning of a line up to and including a key: "  - - name: ". Group key is the key.
const entry = `^\s*(?:- +)*(?P<key>[^\s:#'"{\[][^:#'"{\[]*):[ \t]+`

// symptoms are tried in order; the first that fits explains the problem. They are compiled only when a definition is
// broken.
func symptoms() []symptom {
	return []symptom{
		{"", regexp.MustCompile(`^ *(?P<at>\t)`),
			"a tab in the indentation", "YAML indents with blanks only: replace the tab"},
		{"end of stream", regexp.MustCompile(`^.*?(?P<at>["'])`),
			"a quote that begins here is never closed", "close it, or write the text without quotes"},
		{"", regexp.MustCompile(`^[^'"]*[\[{,][^'"]*?(?P<at>\$\{[^}]*\}?)`),
			"${at} without quotes inside {...} or [...]", `there YAML takes the brace for its own: write "${at}"`},
		{"", regexp.MustCompile(entry + `'[^']*'(?P<at>[^\s#,}\]'][^#]*)$`),
			"text behind a closing quote", "inside '...' a single quote is written twice: 'it''s'"},
		{"", regexp.MustCompile(entry + `(?P<value>"(?:[^"\\]|\\.)*"[ \t]*(?P<at>[^\s#,}\]:].*?))[ \t]*$`),
			"text behind a closing quote", "quote the whole: ${key}: '${value}'"},
		{"", regexp.MustCompile(entry + `(?P<value>'[^']*'[ \t]+(?P<at>[^\s#,}\]:].*?))[ \t]*$`),
			"text behind a closing quote", `quote the whole: ${key}: "${value}"`},
		{"", regexp.MustCompile(entry + `(?:\[[^\]]*\]|\{[^}]*\})[ \t]*(?P<at>[}\]])`),
			"a closing bracket too many", "remove it, or quote the value where the bracket is a part of it"},
		{"did not find expected", regexp.MustCompile(entry + `\[[^\]{}'"]*(?P<at>\})`),
			"} does not close a list", "a list is closed by ]; quote the value where the bracket is a part of it"},
		{"did not find expected", regexp.MustCompile(entry + `\{[^}\[\]'"]*(?P<at>\])`),
			"] does not close a mapping", "a mapping is closed by }; quote the value where the bracket is a part of it"},
		{"did not find expected", regexp.MustCompile(entry + `(?P<at>[}\]])`),
			"a closing bracket without an opening one", "remove it, or quote the value where the bracket is a part of it"},
		{"", regexp.MustCompile(entry + `(?P<value>(?:\[[^\]]*\]|\{[^}]*\})[ \t]*(?P<at>[^\s#,}\]].*?))[ \t]*$`),
			"text behind a closing bracket", "quote the expression: ${key}: '${value}'"},
		{"", regexp.MustCompile(`[\[{,][ \t]*(?P<key>[A-Za-z_]\w*): (?P<value>[^,}\]"'\[{]+\?[^,}\]]+?(?P<at>: )[^,}\]]+)`),
			`": " inside a value in {...}`, "quote the expression: ${key}: '${value}'"},
		{"mapping values are not allowed", regexp.MustCompile(entry + `(?P<value>[^\s'"\[{|>&*!#][^#]*?(?P<at>:)(?:[ \t].*|$))`),
			`": " inside a value`, "quote the value: ${key}: '${value}'"},
		{"mapping values are not allowed", regexp.MustCompile(`^\s+`),
			"the indentation does not fit the lines above", "the key above has a value already: a mapping below it needs an empty one"},
		{"block sequence entries are not allowed", regexp.MustCompile(`:[ \t]+(?P<at>- .*)$`),
			"a list cannot begin behind a key", "begin it on the next line, or write it in brackets"},
		{"cannot start any token", regexp.MustCompile(entry + "(?P<value>(?P<at>[@`%]).*?)[ \\t]*$"),
			"a value cannot begin with ${at}", "quote it: ${key}: '${value}'"},
		{"did not find expected comment or line break", regexp.MustCompile(entry + `(?P<value>(?P<at>[|>]).*?)[ \t]*$`),
			"${at} begins a block of text on the next line", "quote the value: ${key}: '${value}'"},
		{"unknown anchor", regexp.MustCompile(entry + `(?P<value>(?P<at>\*[^\s,\]}]+).*?)[ \t]*$`),
			"alias ${at} refers to nothing", "quote the value where it is no alias: ${key}: '${value}'"},
		{"unknown anchor", regexp.MustCompile(`(?P<at>\*[^\s,\]}]+)`),
			"alias ${at} refers to nothing", "an anchor, &name, must stand before it; quote the value where it is no alias"},
		{"tag", regexp.MustCompile(entry + `(?P<value>(?P<at>!).*?)[ \t]*$`),
			"YAML takes ! for a tag", "quote the value: ${key}: '${value}'"},
		{"unknown escape", regexp.MustCompile(`(?P<at>\\[^0abt nvfreN_LPxuU"/\\\t])`),
			`"..." knows no ${at}`, `write a backslash as \\, or use single quotes, where it means itself`},
		{"could not find expected ':'", regexp.MustCompile(`^\s*(?:- +)*(?P<key>[\w-]+)(?P<at>:)(?P<value>[^\s:].*)$`),
			"no blank behind the colon", "write ${key}: ${value}"},
		{"could not find expected ':'", regexp.MustCompile(`^\s*(?P<at>[^\s:#-][^:]*)$`),
			`a line without "key: "`, "add a colon and a value, or indent it as a part of the value above"},
		{"did not find expected key", regexp.MustCompile(`^\s*(?P<at>- )`),
			"a list member where a key is expected", `members of a list, "- ", stand in one column, deeper than the mapping around them`},
		{"did not find expected key", regexp.MustCompile(`^\s*(?P<at>[}\]])`),
			"a closing bracket without an opening one", "remove it"},
		{"did not find expected", regexp.MustCompile(`^\s*(?P<at>%)`),
			"YAML directives are not supported", "remove the line"},
		{"incompatible YAML document", regexp.MustCompile(`^\s*(?P<at>%|---)`),
			"YAML directives are not supported", "remove the line that begins with %"},
		{"<document start>", regexp.MustCompile(`^`),
			"something stands behind the end of the document", "a file holds one definition: remove the line ... above"},
		{"did not find expected ',' or", regexp.MustCompile(`^`),
			"a {...} or [...] around here is not closed, or a value in it needs quotes", `close it, and quote values that contain a comma, ": ", or a bracket`},
		{"did not find expected", regexp.MustCompile(`^`),
			"the indentation does not fit the lines above", "keys of one mapping stand in one column, members of one list too"},
		{"exceeded max depth", regexp.MustCompile(`^`),
			"lists and mappings are nested too deep", "is a bracket left open?"},
	}
}
