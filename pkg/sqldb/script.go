package sqldb

import (
	"slices"
	"strings"
)

// Part is one statement of a script.
type Part struct {
	Text   string // without the semicolon that ends it
	Offset int    // of its first byte in the script
	// Verb is what the statement does, in lower case: insert, vacuum; behind a with clause the verb that follows it.
	Verb string
}

// Changes reports whether the statement is one of those that the database counts changed rows of.
func (p Part) Changes() bool {
	return slices.Contains([]string{"insert", "update", "delete", "replace", "merge"}, p.Verb)
}

// SplitScript takes a script apart at the semicolons between its statements: not those in strings, comments and dollar
// quotes, nor those within the body of a trigger or of a function. Comments before a statement are left out, and so are
// statements of nothing. Errors are those of ParseStatement.
func SplitScript(d Dialect, text string) ([]Part, error) {
	p := &tokenizer{text: text, dialect: d, postgres: isPostgres(d), numbers: map[string]int{}}
	var s scriptSplitter
	for p.at < len(text) {
		from := p.at
		if err := p.next(); err != nil {
			return nil, err
		}
		s.token(text, from, text[from:p.at])
	}
	s.end(text, len(text))
	return s.parts, nil
}

// scriptSplitter follows the tokens of a script.
type scriptSplitter struct {
	parts    []Part
	begun    bool // a statement has begun at from
	from     int
	words    []string // the first words of the statement
	verb     string
	brackets int // open (
	blocks   int // open begin and case, in a body
}

func (s *scriptSplitter) token(text string, at int, token string) {
	switch {
	case isBlank(token[0]) || strings.HasPrefix(token, "--") || strings.HasPrefix(token, "/*"):
		return
	case token == ";" && s.brackets == 0 && s.blocks == 0:
		s.end(text, at)
		return
	}
	if !s.begun {
		*s = scriptSplitter{parts: s.parts, begun: true, from: at}
	}
	switch {
	case token == "(":
		s.brackets++
	case token == ")":
		s.brackets--
	case isNameStart(token[0]):
		s.word(strings.ToLower(token))
	}
}

// maxHead is how many words tell what a statement is: create or replace temporary function.
const maxHead = 5

func (s *scriptSplitter) word(w string) {
	if len(s.words) < maxHead {
		s.words = append(s.words, w)
	}
	switch {
	case len(s.words) == 1:
		s.verb = w
	case s.verb == "with" && s.brackets == 0 && slices.Contains([]string{"select", "insert", "update", "delete", "replace", "merge", "values"}, w):
		s.verb = w
	}
	if !s.hasBody() {
		return
	}
	switch {
	case w == "begin" || w == "case" && s.blocks > 0:
		s.blocks++
	case w == "end" && s.blocks > 0:
		s.blocks--
	}
}

// hasBody reports whether the statement may hold others: as psql sees it (begin atomic), and SQLite's triggers.
func (s *scriptSplitter) hasBody() bool {
	return s.words[0] == "create" && slices.ContainsFunc(s.words, func(w string) bool {
		return w == "trigger" || w == "function" || w == "procedure"
	})
}

// end ends the statement before a place in the text.
func (s *scriptSplitter) end(text string, at int) {
	if s.begun {
		s.parts = append(s.parts, Part{Text: strings.TrimSpace(text[s.from:at]), Offset: s.from, Verb: s.verb})
	}
	*s = scriptSplitter{parts: s.parts}
}
