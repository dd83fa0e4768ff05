package expr

import (
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"batchctl/pkg/record"
)

// binder turns a syntax tree into code. An open one knows no schema: it takes every name for a field of any kind and
// collects them.
type binder struct {
	expression *Expression
	schema     *record.Schema
	open       bool
	fields     []string
	steps      int
	depth      int
}

// bind returns the code of a node. Comparisons in a row share nodes, so visits are counted, not nodes. offset is the
// place of the surrounding node, for those that have none.
func (b *binder) bind(n ast.Node, offset int) (code, error) {
	b.steps++
	b.depth++
	defer func() { b.depth-- }()
	if place := n.Location(); place.To > 0 {
		offset = place.From
	}
	if b.steps > MaxSteps {
		return code{}, errorAt(offset, "expression_limit", "the expression has more than %d operations, names and literals", MaxSteps)
	}
	if b.depth > MaxDepth {
		return code{}, errorAt(offset, "expression_limit", "the expression is nested more than %d deep", MaxDepth)
	}
	return b.bindNode(n, offset)
}

func (b *binder) bindNode(n ast.Node, offset int) (code, error) {
	switch n := n.(type) {
	case *ast.NilNode:
		return constantCode(record.NullValue, offset, "nil"), nil
	case *ast.BoolNode:
		return constantCode(record.OfBool(n.Value), offset, strconv.FormatBool(n.Value)), nil
	case *ast.IntegerNode:
		return constantCode(record.OfInt(int64(n.Value)), offset, strconv.Itoa(n.Value)), nil
	case *ast.FloatNode:
		return b.bindDecimal(n, offset)
	case *ast.StringNode:
		return constantCode(record.OfText(n.Value), offset, `"`+clip(n.Value)+`"`), nil
	case *ast.IdentifierNode:
		return b.bindName(n.Value, offset)
	case *ast.MemberNode:
		return b.bindMember(n, offset)
	case *ast.UnaryNode:
		return b.bindUnary(n, offset)
	case *ast.BinaryNode:
		return b.bindBinary(n, offset)
	case *ast.ConditionalNode:
		return b.bindConditional(n, offset)
	case *ast.CallNode:
		return b.bindCall(n, offset)
	case *ast.ArrayNode:
		return code{}, errorAt(offset, "expression_syntax", "a list can only stand behind in and not in")
	case *ast.SliceNode:
		return code{}, errorAt(offset, "expression_syntax", "there are no slices").hint("write substr(text, from, length)")
	}
	return code{}, errorAt(offset, "expression_syntax", "this is not part of the expression language")
}

// bindDecimal reads a literal from the source: the parser has made a float of it, whose digits are not those written.
func (b *binder) bindDecimal(n *ast.FloatNode, offset int) (code, error) {
	from, to := n.Location().From, n.Location().To
	if from < 0 || to > len(b.expression.runes) || from >= to {
		return code{}, errorAt(offset, "expression_syntax", "a number that cannot be read")
	}
	literal := string(b.expression.runes[from:to])
	number, err := record.ParseNumber(strings.ReplaceAll(literal, "_", ""))
	if err != nil {
		return code{}, at(offset, err)
	}
	return constantCode(record.OfNumber(number), offset, literal), nil
}

func (b *binder) bindUnary(n *ast.UnaryNode, offset int) (code, error) {
	operand, err := b.bind(n.Node, offset)
	if err != nil {
		return code{}, err
	}
	if n.Operator == "not" || n.Operator == "!" {
		test, err := operand.asTest(n.Operator)
		if err != nil {
			return code{}, err
		}
		return fold(condition(offset, func(row []record.Value, arena *record.Arena) (bool, error) {
			truth, err := test(row, arena)
			return !truth, err
		}), operand)
	}
	return bindSign(n.Operator, operand, offset)
}

func (b *binder) bindBinary(n *ast.BinaryNode, offset int) (code, error) {
	if n.Operator == "in" {
		return b.bindIn(n, offset)
	}
	left, err := b.bind(n.Left, offset)
	if err != nil {
		return code{}, err
	}
	right, err := b.bind(n.Right, offset)
	if err != nil {
		return code{}, err
	}
	switch n.Operator {
	case "and", "&&":
		return bindAnd(left, right, offset)
	case "or", "||":
		return bindOr(left, right, offset)
	case "??":
		return bindCoalesce([]code{left, right}, offset)
	case "==", "!=", "<", "<=", ">", ">=":
		return b.bindComparison(n.Operator, left, right, offset)
	case "contains", "startsWith", "endsWith":
		return bindSearch(n.Operator, left, right, offset)
	case "matches":
		return bindMatches(left, right, offset)
	case "+":
		if left.kind == record.Text || right.kind == record.Text {
			return bindJoin(left, right, offset)
		}
	}
	return bindArithmetic(n.Operator, left, right, offset)
}
