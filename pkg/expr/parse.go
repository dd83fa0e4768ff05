package expr

import (
	"errors"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"

	"batchctl/pkg/fault"
)

// The limits of an expression. They keep compiling and every evaluation short, whoever wrote the source.
const (
	MaxSource  = 8 << 10 // bytes of a source
	MaxSteps   = 2000    // operations, names and literals of a source, and so of an evaluation
	MaxDepth   = 200     // operations within operations
	MaxText    = 1 << 20 // bytes of a text that an expression makes
	MaxPattern = 1 << 10 // bytes of a regular expression
	MaxPower   = 1000    // exponent of **
)

// parse returns the syntax tree of a source that holds nothing the language leaves out.
func parse(source string) (ast.Node, error) {
	if len(source) > MaxSource {
		return nil, errorAt(0, "expression_limit", "the expression has %d bytes, more than %d", len(source), MaxSource)
	}
	if strings.TrimSpace(source) == "" {
		return nil, errorAt(0, "expression_syntax", "the expression is empty")
	}
	tokens, err := lexer.Lex(file.NewSource(source))
	if err != nil {
		return nil, syntaxError(err)
	}
	if err := scan(tokens); err != nil {
		return nil, err
	}
	tree, err := parser.ParseWithConfig(source, parserConfig())
	if err != nil {
		return nil, syntaxError(err)
	}
	return tree.Node, nil
}

// parserConfig makes the parser take every call for a plain one, so that builtin functions of its own have no syntax.
func parserConfig() *conf.Config {
	c := &conf.Config{MaxNodes: MaxSteps, DisableIfOperator: true, Functions: conf.FunctionsTable{}}
	for _, name := range builtin.Names {
		c.Functions[name] = nil
	}
	for name := range functions {
		c.Functions[name] = nil
	}
	return c
}

// scan refuses tokens that are not of the language, and brackets too deep for the parser.
func scan(tokens []lexer.Token) error {
	depth := 0
	for i, t := range tokens {
		if t.Kind == lexer.Bytes {
			return errorAt(t.From, "expression_syntax", "there are no byte literals")
		}
		if t.Kind != lexer.Operator && t.Kind != lexer.Bracket {
			continue
		}
		if t.Value == ">" && i > 0 && tokens[i-1].Value == "<" && tokens[i-1].To == t.From {
			return errorAt(t.From-1, "expression_syntax", "\"<>\" is not part of the expression language").hint("write !=")
		}
		if hint, no := refused[t.Value]; no {
			return errorAt(t.From, "expression_syntax", "%q is not part of the expression language", t.Value).hint("%s", hint)
		}
		switch t.Value {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		}
		if depth > MaxDepth {
			return errorAt(t.From, "expression_limit", "the expression is nested more than %d deep", MaxDepth)
		}
	}
	return nil
}

var tokenInMessage = regexp.MustCompile(`unexpected token (\w+)(?:\("(.*)"\))?`)

// syntaxError translates an error of the parser into the words of this project.
func syntaxError(err error) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return errorAt(0, "expression_syntax", "%s", err)
	}
	located := errorAt(max(e.From, 0), "expression_syntax", "%s", e.Message)
	set := func(format string, args ...any) { located.fault.Message = fault.New("", format, args...).Message }
	if m := tokenInMessage.FindStringSubmatch(e.Message); m != nil {
		if m[1] == "EOF" {
			set("the expression ends too early")
			return located
		}
		set("unexpected %q", m[2])
		if m[1] == "String" {
			set("unexpected text %q", m[2])
		}
		if instead := foreign[strings.ToLower(m[2])]; instead != "" && m[1] == "Identifier" {
			return located.hint("%s", instead)
		}
		return located.hint("an operator or a bracket is missing or too much here")
	}
	switch {
	case strings.Contains(e.Message, "maximum allowed nodes"):
		located.fault.Code = "expression_limit"
		set("the expression has more than %d operations, names and literals", MaxSteps)
	case strings.Contains(e.Message, "literal not terminated"):
		set("a quote is not closed")
	case strings.Contains(e.Message, "integer literal"):
		set("an integer has more than 64 bits")
		return located.hint("write it as a decimal, with a point: 99999999999999999999.0")
	case strings.Contains(e.Message, "float literal"):
		set("a number is out of range")
	case strings.Contains(e.Message, "coalesce"):
		set("?? cannot stand beside another operator without brackets")
		return located.hint("write (a ?? b) + c")
	case strings.Contains(e.Message, "unrecognized character"):
		return located.hint("a field whose name is not a word is written field(\"the name\")")
	}
	return located
}
