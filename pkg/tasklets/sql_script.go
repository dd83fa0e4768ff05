package tasklets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlScript is the statements of a tasklet, ready to be run.
type sqlScript struct {
	env        *catalog.Env
	dialect    sqldb.Dialect
	args       map[string]record.Value
	checked    bool     // it is looked at, and not run
	names      []string // of args, where it is
	statements []sqlStatement
	queries    []query
}

// query is what gives a value of the context.
type query struct {
	name string
	sqlStatement
}

// sqlStatement is a statement with its arguments.
type sqlStatement struct {
	text    string
	args    []any
	verb    string
	changes bool
	place   placer
}

// A placer gives an error of a statement its place.
type placer func(error) error

// atNode places errors of a text at an offset of a node.
func atNode(n config.Node) func(offset int) placer {
	return func(offset int) placer {
		return func(err error) error {
			if fault.PositionOf(err).Line > 0 {
				return err
			}
			at := n.Wrap(err, "")
			at.Pos = n.ErrorAt(offset, "").Pos
			return at
		}
	}
}

// atLine places errors of a script in its file.
func atLine(name, script string) func(offset int) placer {
	return func(offset int) placer {
		at := fault.Position{File: name, Line: 1 + strings.Count(script[:offset], "\n")}
		return func(err error) error {
			placed := fault.Wrap(fault.ClassOf(err), err, "").At(at).WithCode(fault.CodeOf(err))
			placed.Hint = fault.HintOf(err)
			return placed
		}
	}
}

// maxScript is how large a script may be.
const maxScript = 16 << 20

func (p *sqlScript) addFile(path string) error {
	text, err := readWhole(p.env, path, maxScript, "rows are loaded by a step with a reader and a writer")
	if err != nil {
		return err
	}
	script := strings.TrimPrefix(string(text), "\ufeff")
	return p.add(script, atLine(relative(p.env.Base, path), script))
}

// add adds the statements of a text. at places errors at an offset of it.
func (p *sqlScript) add(text string, at func(offset int) placer) error {
	parts, err := sqldb.SplitScript(p.dialect, text)
	if err != nil {
		return at(0)(err)
	}
	var wrong fault.List
	for _, part := range parts {
		one, err := p.parse(part.Text, at(part.Offset))
		if err != nil {
			wrong.Add(err)
			continue
		}
		one.verb, one.changes = part.Verb, part.Changes()
		p.statements = append(p.statements, one)
	}
	return wrong.Err()
}

func (p *sqlScript) parse(text string, place placer) (sqlStatement, error) {
	statement, err := sqldb.ParseStatement(p.dialect, text)
	if err != nil {
		return sqlStatement{}, place(err)
	}
	if p.checked {
		if err := p.env.CheckArguments(statement, p.names); err != nil {
			return sqlStatement{}, place(err)
		}
		return sqlStatement{place: place}, nil
	}
	args, err := p.env.Arguments(p.dialect, statement, p.args)
	if err != nil {
		return sqlStatement{}, place(err)
	}
	return sqlStatement{text: statement.SQL(), args: args, place: place}, nil
}

// run runs the statement. Only statements that change rows are counted: databases give numbers for others, too.
func (s sqlStatement) run(ctx context.Context, q sqldb.Querier, c *batch.Contribution) error {
	n, err := q.Exec(ctx, s.text, s.args...)
	if err != nil {
		return s.place(err)
	}
	if s.changes {
		c.Counters.Write += n
	}
	return nil
}

// leave runs the queries of the context.
func (p *sqlScript) leave(ctx context.Context, q sqldb.Querier, c *batch.Contribution) error {
	c.Context = batch.Context{}
	for _, one := range p.queries {
		v, err := firstValue(ctx, q, one.sqlStatement)
		if err == nil {
			err = leaveValue(c, one.name, v)
		}
		if err != nil {
			return one.place(err)
		}
	}
	return nil
}

// firstValue returns the first value of a query's first row, null where it has none.
func firstValue(ctx context.Context, q sqldb.Querier, s sqlStatement) (v record.Value, err error) {
	cursor, err := sqldb.OpenCursor(ctx, q, s.text, s.args...)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	if !cursor.Next() {
		return record.NullValue, cursor.Err()
	}
	row := make([]record.Value, len(cursor.Columns()))
	if err := cursor.Scan(row, new(record.Arena)); err != nil {
		return v, err
	}
	return row[0].Clone(), nil
}

// done returns how many of the statements an earlier attempt has run, and the rows that they changed. It begins anew where
// they were others.
func (p *sqlScript) done(earlier batch.Context) (n int, counted int64) {
	var at struct {
		Done   int
		Rows   int64
		Digest string
	}
	if raw := earlier["sql"]; raw == nil || json.Unmarshal(raw, &at) != nil {
		return 0, 0
	}
	if at.Done > len(p.statements) || at.Digest != p.digest(at.Done) {
		return 0, 0
	}
	return at.Done, at.Rows
}

// note is what an attempt keeps when n statements are run.
func (p *sqlScript) note(n int, rows int64) batch.Context {
	return batch.Context{"sql": json.RawMessage(`{"Done":` + strconv.Itoa(n) + `,"Rows":` + strconv.FormatInt(rows, 10) + `,"Digest":"` + p.digest(n) + `"}`)}
}

func (p *sqlScript) digest(n int) string {
	h := sha256.New()
	for _, s := range p.statements[:n] {
		h.Write([]byte(s.text + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
