package sqldb

import (
	"strings"

	"batchctl/pkg/fault"
)

// Statement is an SQL text with binds by name.
type Statement struct {
	sql   string
	names []string
}

// ParseStatement finds the binds of a text: a colon and a name (:day), outside of strings, quoted identifiers, comments
// and dollar quotes. Casts (::) and the colon of an array slice (a[1:n]) are no binds; in a[:n] n is one. An unfinished
// string or comment is an error of class definition, and so are placeholders without a name ($1, ?). A semicolon at the
// end is taken off.
func ParseStatement(d Dialect, text string) (*Statement, error) {
	p := &tokenizer{text: text, dialect: d, postgres: isPostgres(d), end: -1, numbers: map[string]int{}}
	for p.at < len(p.text) {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	out := p.out.String()
	if p.end >= 0 {
		out = out[:p.end]
	}
	return &Statement{sql: strings.TrimSpace(out), names: p.names}, nil
}

// Names returns the names of the binds, each once, in the order they first appear.
func (s *Statement) Names() []string { return s.names }

// SQL returns the text with the dialect's placeholders. A name has one placeholder, however often it is used.
func (s *Statement) SQL() string { return s.sql }

// Args returns the arguments for SQL, one for each name, in order.
func (s *Statement) Args(lookup func(name string) (any, error)) ([]any, error) {
	args := make([]any, len(s.names))
	for i, name := range s.names {
		v, err := lookup(name)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	return args, nil
}

// tokenizer copies a text, with its binds replaced.
type tokenizer struct {
	text     string
	at       int
	out      strings.Builder
	dialect  Dialect
	postgres bool
	names    []string
	numbers  map[string]int // of the placeholders, by name
	end      int            // length of out before the last semicolon; -1 where something follows it
	last     byte           // the last character that is no blank and in no comment
	brackets int            // open [
}

// next copies one token.
func (p *tokenizer) next() error {
	rest := p.text[p.at:]
	c := rest[0]
	switch {
	case isBlank(c):
		p.copy(1)
		return nil
	case strings.HasPrefix(rest, "--"):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		p.copy(end)
		return nil
	case strings.HasPrefix(rest, "/*"):
		return p.comment(rest)
	case c == ';':
		p.end = p.out.Len()
		p.copy(1)
		return nil
	}
	p.end = -1
	return p.significant(rest, c)
}

func (p *tokenizer) significant(rest string, c byte) error {
	switch {
	case c == '\'':
		return p.quoted(rest, "'", p.postgres && p.escapes())
	case c == '"':
		return p.quoted(rest, `"`, false)
	case c == '`' && !p.postgres:
		return p.quoted(rest, "`", false)
	case c == '[' && !p.postgres:
		return p.until(rest, "]", 1, "identifier in brackets")
	case c == '$' && p.postgres && !p.afterName():
		return p.dollar(rest)
	case (c == '?' || c == '@' || c == '$') && !p.postgres:
		return p.refuse(rest[:1])
	case c == ':':
		return p.colon(rest)
	case isNameStart(c):
		end := 1
		for end < len(rest) && (isName(rest[end])) {
			end++
		}
		p.keep(end)
		return nil
	}
	switch c {
	case '[':
		p.brackets++
	case ']':
		p.brackets--
	}
	p.keep(1)
	return nil
}

// colon handles what begins with a colon: a cast, an assignment, a slice, or a bind.
func (p *tokenizer) colon(rest string) error {
	if strings.HasPrefix(rest, "::") || strings.HasPrefix(rest, ":=") {
		p.keep(2)
		return nil
	}
	slice := p.brackets > 0 && (isName(p.last) || p.last == ')' || p.last == ']' || p.last == '"')
	if slice || len(rest) < 2 || !isNameStart(rest[1]) {
		p.keep(1)
		return nil
	}
	end := 2
	for end < len(rest) && isName(rest[end]) {
		end++
	}
	p.bind(rest[1:end])
	p.at += end
	return nil
}

func (p *tokenizer) bind(name string) {
	n, known := p.numbers[name]
	if !known {
		p.names = append(p.names, name)
		n = len(p.names)
		p.numbers[name] = n
	}
	p.out.WriteString(p.dialect.Placeholder(n))
	p.last = 'a'
}

// quoted copies a string or a quoted identifier, in which the quote is doubled, or, in an E” string, escaped.
func (p *tokenizer) quoted(rest, quote string, escapes bool) error {
	for i := 1; i < len(rest); i++ {
		switch {
		case escapes && rest[i] == '\\':
			i++
		case rest[i] != quote[0]:
		case i+1 < len(rest) && rest[i+1] == quote[0]:
			i++
		default:
			p.keep(i + 1)
			return nil
		}
	}
	return p.unfinished("quote " + quote)
}

// escapes reports whether the quote to come opens an E” string.
func (p *tokenizer) escapes() bool {
	if p.at == 0 || (p.text[p.at-1] != 'E' && p.text[p.at-1] != 'e') {
		return false
	}
	return p.at == 1 || !isName(p.text[p.at-2])
}

// dollar copies a string in dollar quotes, $$...$$ or $tag$...$tag$.
func (p *tokenizer) dollar(rest string) error {
	end := 1
	for end < len(rest) && isName(rest[end]) && rest[end] != '$' {
		end++
	}
	if end == len(rest) || rest[end] != '$' || end > 1 && !isNameStart(rest[1]) {
		if end > 1 && !isNameStart(rest[1]) {
			return p.refuse(rest[:end])
		}
		p.keep(1)
		return nil
	}
	return p.until(rest, rest[:end+1], end+1, "dollar quote")
}

// comment copies a block comment; PostgreSQL's nest.
func (p *tokenizer) comment(rest string) error {
	depth := 0
	for i := 0; i+1 < len(rest); i++ {
		switch {
		case rest[i] == '/' && rest[i+1] == '*' && (depth == 0 || p.postgres):
			depth++
			i++
		case rest[i] == '*' && rest[i+1] == '/':
			depth--
			i++
			if depth == 0 {
				p.copy(i + 1)
				return nil
			}
		}
	}
	return p.unfinished("comment /*")
}

func (p *tokenizer) until(rest, closing string, from int, what string) error {
	end := strings.Index(rest[from:], closing)
	if end < 0 {
		return p.unfinished(what)
	}
	p.keep(from + end + len(closing))
	return nil
}

func (p *tokenizer) afterName() bool { return p.at > 0 && isName(p.text[p.at-1]) }

func (p *tokenizer) unfinished(what string) error {
	return fault.New(fault.Definition, "line %d of the SQL: unfinished %s", p.line(), what)
}

func (p *tokenizer) refuse(placeholder string) error {
	return fault.New(fault.Definition, "line %d of the SQL: the placeholder %s has no name", p.line(), placeholder).
		WithHint("write :name, and give the name its value in args or as a job parameter")
}

func (p *tokenizer) line() int { return strings.Count(p.text[:p.at], "\n") + 1 }

// copy copies n characters that mean nothing to the database, keep n that do.
func (p *tokenizer) copy(n int) {
	p.out.WriteString(p.text[p.at : p.at+n])
	p.at += n
}

func (p *tokenizer) keep(n int) {
	p.last = p.text[p.at+n-1]
	p.copy(n)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

func isNameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isName(c byte) bool { return isNameStart(c) || c >= '0' && c <= '9' || c == '$' }
