package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
	"batchctl/pkg/runner"
	"batchctl/pkg/sqldb"
)

// partition says how a step is divided.
func (a *assembly) partition(s *job.Step) *runner.Partition {
	return &runner.Partition{
		MaxParallel: s.Partition.MaxParallel,
		Shares: func(ctx context.Context, step *batch.StepExecution, kept []runner.Share) ([]runner.Share, error) {
			done, err := a.forgetShares(ctx, s, step, len(kept))
			if err != nil {
				return nil, err
			}
			if kept == nil || !done && a.drift.Fresh {
				return a.divide(ctx, s, step)
			}
			if len(kept) > 0 && kept[0].Asked != s.Partition.Count {
				a.observer.Observe(batch.Notice{Step: step, Message: fmt.Sprintf("the input was divided into %d partitions when the step began, and stays so; count: %d does not count for this instance",
					len(kept), s.Partition.Count)})
			}
			return kept, nil
		},
		Worker: func(share runner.Share) *runner.Step {
			worker := a.chunkStep(s, &share)
			worker.Check, worker.Export, worker.ExitStatus, worker.FailOnEmpty = nil, nil, nil, false
			worker.Rate /= float64(min(s.Partition.MaxParallel, max(1, share.Count)))
			worker.Timeout = 0
			return worker
		},
	}
}

// divide asks the reader for the shares of its input.
func (a *assembly) divide(ctx context.Context, s *job.Step, step *batch.StepExecution) ([]runner.Share, error) {
	names, live := a.stepScope(s, step, nil)
	return a.divideWith(ctx, s, newBuilder(names, a.env(s, live)))
}

func (a *assembly) divideWith(ctx context.Context, s *job.Step, b *builder) ([]runner.Share, error) {
	reader, err := b.reader(s.Reader)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	divisible, err := asDivisible(s, reader)
	if err != nil {
		return nil, err
	}
	division, err := a.division(ctx, s, b)
	if err != nil {
		return nil, err
	}
	parts, err := divisible.Divide(ctx, division)
	if err != nil {
		return nil, placedInPartition(s, err)
	}
	if len(parts) > job.MaxPartitions {
		return nil, s.Partition.Node.Errorf("partition: %d files are found, and a step has at most %d partitions", len(parts), job.MaxPartitions).WithCode("bad_partition").
			WithHint("divide by modulo or range of a column, where each partition reads all files; or load fewer files at a time")
	}
	shares := make([]runner.Share, len(parts))
	for i, part := range parts {
		shares[i] = runner.Share{Name: shareName(i), Index: i, Count: len(parts), Asked: s.Partition.Count, Of: part}
	}
	return shares, nil
}

func shareName(index int) string { return fmt.Sprintf("partition%d", index) }

// placedInPartition gives an error of a division the place of the partition where it has none.
func placedInPartition(s *job.Step, err error) error {
	if fault.PositionOf(err).Line != 0 || fault.PositionOf(err).File != "" {
		return err
	}
	return s.Partition.Node.Wrap(err, "")
}

func asDivisible(s *job.Step, reader batch.Reader) (batch.Divisible, error) {
	if divisible, ok := reader.(batch.Divisible); ok {
		return divisible, nil
	}
	return nil, s.Partition.Node.Errorf("partition: reader %s cannot be divided", s.Reader.Type).WithCode("bad_partition").
		WithHint("sql, csv, jsonl, json, fixed and lines can")
}

// division is what the definition says, with the values that it lists, or that its query finds.
func (a *assembly) division(ctx context.Context, s *job.Step, b *builder) (batch.Division, error) {
	d, err := listedDivision(s, b)
	if err != nil || s.Partition.Query.Text == "" {
		return d, err
	}
	d.Values, err = a.queriedValues(ctx, s, b)
	return d, err
}

// listedDivision is what the definition says, without the values that its query finds.
func listedDivision(s *job.Step, b *builder) (batch.Division, error) {
	p := s.Partition
	d := batch.Division{By: p.By, Column: p.Column, Count: p.Count}
	for _, n := range p.Values {
		var v config.AnyScalar
		if err := b.decoder.For("values").Decode(n, &v); err != nil {
			return d, err
		}
		d.Values = append(d.Values, v.Value)
	}
	return d, nil
}

func (a *assembly) queriedValues(ctx context.Context, s *job.Step, b *builder) (values []record.Value, err error) {
	db, err := a.connections.connect(s.Partition.Connection)
	if err != nil {
		return nil, err
	}
	cursor, err := a.openCursor(ctx, db, s.Partition.Query.Text, b.env)
	if err != nil {
		return nil, s.Partition.Node.Wrap(err, "partition")
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	for cursor.Next() {
		row := make([]record.Value, len(cursor.Columns()))
		if err := cursor.Scan(row, new(record.Arena)); err != nil {
			return nil, err
		}
		if row[0].IsNull() { // the share of everything else has it
			continue
		}
		if len(values) == job.MaxPartitions-1 {
			return nil, s.Partition.Node.Errorf("partition: the query has more than %d values, and a step at most %d partitions", len(values), job.MaxPartitions).
				WithCode("bad_partition").WithHint("use by: range or by: modulo")
		}
		values = append(values, row[0])
	}
	return values, cursor.Err()
}

// shareScope is the names that a share of a partitioned step adds.
func shareScope(below config.Scope, share *runner.Share) config.Scope {
	if share == nil {
		return below
	}
	names := job.PartitionNames(below).SetText("partition.name", share.Name).SetInt("partition.index", int64(share.Index)).
		SetInt("partition.count", int64(share.Count))
	if share.Of == nil && share.Count > 0 {
		return names // the input is not divided yet
	}
	for _, name := range []string{"from", "to", "value", "file"} { // which of them there are depends on the division
		names.Set("partition."+name, record.NullValue)
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(share.Of, &members) // a reader made it: an object
	for name, raw := range members {
		names.Set("partition."+name, contextValue(raw))
	}
	return names
}

// checkPartition finds what of a partitioned step would be one thing for several shares.
func (p *prepared) checkPartition(s *job.Step) error {
	if s.Partition == nil {
		return nil
	}
	var wrong fault.List
	wrong.Add(p.checkConnections(s.Partition.Node))
	for _, output := range []struct {
		what string
		c    *job.Component
	}{{"writer", &s.Writer}, {"dead_letter", s.DeadLetter}} {
		if output.c == nil {
			continue
		}
		for _, at := range writtenPaths(output.c.Node) {
			if !tellsApart(at.Text(), s.Partition.By) {
				wrong.Add(at.Errorf("%s: all partitions would write into one file", output.what).WithCode("shared_output").
					WithHint("put ${partition.name} into the path"))
			}
		}
	}
	wrong.Add(p.checkPoolOf(s))
	reader, err := newBuilder(p.stepNames(s), p.checkEnv(s, p.stepNames(s))).reader(s.Reader)
	if err != nil {
		return wrong.Err() // told elsewhere, or not known yet
	}
	defer reader.Close()
	_, err = asDivisible(s, reader)
	wrong.Add(err)
	return wrong.Err()
}

// tellsApart reports whether each share of a division has a path of its own.
func tellsApart(path, by string) bool {
	names := []string{"name", "index"}
	switch by {
	case "range":
		names = append(names, "from", "to")
	case "values":
		names = append(names, "value")
	case "files":
		names = append(names, "file")
	}
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(path, "${partition."+name) })
}

// checkPoolOf refuses a connection that has too few for all partitions that run at a time: each would hold one and wait for
// another.
func (p *prepared) checkPoolOf(s *job.Step) error {
	each := map[string]int{}
	if from, ok := s.Reader.Body.Get("connection"); ok {
		each[from.Text()]++
	}
	if tables := writtenTables(s.Writer.Node); len(tables) > 0 { // a step has one target
		each[tables[0].connection]++
	}
	var wrong fault.List
	for name, n := range each {
		c, known := p.database(name)
		if need := n * s.Partition.MaxParallel; known && c.MaxConnections > 0 && c.MaxConnections < need {
			wrong.Add(s.Partition.Node.Errorf("partition: %d partitions at a time need %d connections to %s, which has max_connections: %d", s.Partition.MaxParallel, need, name, c.MaxConnections).
				WithCode("too_few_connections").WithHint("set max_connections of %s to %d or more, or a smaller max_parallel", name, need))
		}
	}
	return wrong.Err()
}

// sampleShare stands for a share of a step before its input is divided, as far as it is known then; nil where the step
// has none.
func sampleShare(s *job.Step) *runner.Share {
	if s.Partition == nil {
		return nil
	}
	return &runner.Share{Name: shareName(0), Count: s.Partition.Count}
}

// lookAtPartition asks the reader of a step whether its input can be divided as the step says.
func lookAtPartition(ctx context.Context, b *builder, s *job.Step) error {
	if s.Partition == nil {
		return nil
	}
	reader, err := b.reader(s.Reader)
	if err != nil {
		return nil // told elsewhere, or not known yet
	}
	defer reader.Close()
	divisible, err := asDivisible(s, reader)
	if err != nil {
		return nil
	}
	division, err := listedDivision(s, b)
	if isLater(err) {
		return nil
	}
	if err == nil {
		err = divisible.Fits(ctx, division)
	}
	if err != nil {
		return placedInPartition(s, err)
	}
	return nil
}

// writtenPaths finds the paths in a writer's definition, also in writers within it.
func writtenPaths(n config.Node) []config.Node {
	var found []config.Node
	for pair := range n.Nested() {
		if pair.Name == "path" && pair.Value.Kind() == config.Scalar && pair.Value.Text() != "-" {
			found = append(found, pair.Value)
		}
	}
	return found
}

// openCursor runs a query of the definition whose binds are parameters and built-in names.
func (a *assembly) openCursor(ctx context.Context, db *sqldb.DB, text string, env *catalog.Env) (*sqldb.Cursor, error) {
	statement, err := sqldb.ParseStatement(db.Dialect(), text)
	if err != nil {
		return nil, err
	}
	args, err := statement.Args(func(name string) (any, error) {
		v, available := env.Bind(name)
		if available != config.Now {
			return nil, fault.New(fault.Definition, "nothing is called :%s", name).WithHint("%s", fault.DidYouMean(name, env.BindNames()))
		}
		return db.Dialect().Argument(v), nil
	})
	if err != nil {
		return nil, err
	}
	return sqldb.OpenCursor(ctx, db, statement.SQL(), args...)
}
