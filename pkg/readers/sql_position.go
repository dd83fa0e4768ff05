package readers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// sqlPassed is a running hash of the rows that were read, in their order.
type sqlPassed struct {
	hash   hash.Hash
	buffer []byte
}

func (p *sqlPassed) reset() {
	if p.hash == nil {
		p.hash = sha256.New()
	}
	p.hash.Reset()
}

// add takes a row in. Each value is led by its kind and followed by its length, so that no two rows read the same.
func (p *sqlPassed) add(row []record.Value) {
	p.buffer = p.buffer[:0]
	for _, v := range row {
		p.buffer = append(p.buffer, byte(v.Kind()))
		at := len(p.buffer)
		p.buffer = v.Append(p.buffer)
		size := len(p.buffer) - at
		p.buffer = append(p.buffer, byte(size), byte(size>>8), byte(size>>16), byte(size>>24))
	}
	p.buffer = append(p.buffer, '\n')
	_, _ = p.hash.Write(p.buffer) // a hash never fails
}

// sum returns the first 128 bits of the hash; the hash goes on.
func (p *sqlPassed) sum() string {
	var digest [sha256.Size]byte
	return hex.EncodeToString(p.hash.Sum(digest[:0])[:16])
}

func (p *sqlPassed) state(rows int64) (batch.State, error) {
	return json.Marshal(sqlState{Rows: rows, Hash: p.sum()})
}

// skipped is how many rows are passed over before their memory is used again.
const skipped = 1000

// skip reads the rows that a state covers once more and compares them with what they were.
func (r *sqlReader) skip(ctx context.Context, state sqlState) error {
	var arena record.Arena
	for n := range state.Rows {
		if n%skipped == 0 {
			arena.Reset()
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		found, _, err := r.next(ctx, &arena)
		if err != nil {
			return err
		}
		if !found {
			return r.moved("the query has %d rows now, and %d were read before", n, state.Rows)
		}
		r.passed.add(r.row)
	}
	if state.Rows > 0 && r.passed.sum() != state.Hash {
		return r.moved("the first %d rows of the query are not those that were read before", state.Rows)
	}
	return nil
}

func (r *sqlReader) moved(format string, args ...any) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "reader sql: "+format, args...).WithCode("rows_changed").
		WithHint("a query without keyset goes on by position, so its rows and their order must not change; with keyset: [...] it goes on behind the last key")
}
