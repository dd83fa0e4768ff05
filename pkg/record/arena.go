package record

import "unsafe"

// blockSize is the size of an arena's blocks in bytes; a larger text gets a block of its own.
const blockSize = 64 << 10

// Arena hands out memory for texts that live as long as a chunk. Blocks never move, so texts stay valid until Reset.
type Arena struct {
	blocks [][]byte // in use up to current; the later ones wait to be used again
	next   int      // the first unused block
	free   []byte   // what is left of the block in use
	large  [][]byte // blocks of their own, given up at Reset
}

// Alloc returns n bytes that are the caller's until Reset. Their contents are undefined.
func (a *Arena) Alloc(n int) []byte {
	if n > len(a.free) {
		if n > blockSize/4 {
			b := make([]byte, n)
			a.large = append(a.large, b)
			return b
		}
		a.nextBlock()
	}
	b := a.free[:n:n]
	a.free = a.free[n:]
	return b
}

func (a *Arena) nextBlock() {
	if a.next == len(a.blocks) {
		a.blocks = append(a.blocks, make([]byte, blockSize))
	}
	a.free = a.blocks[a.next]
	a.next++
}

// Copy returns b as a text in the arena.
func (a *Arena) Copy(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	to := a.Alloc(len(b))
	copy(to, b)
	return unsafe.String(&to[0], len(to))
}

// CopyString returns s as a text in the arena.
func (a *Arena) CopyString(s string) string {
	return a.Copy(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// Reset takes all memory back. Texts handed out before must not be used any more; with the build tag poison they are
// overwritten, so that a test that still uses one sees it.
func (a *Arena) Reset() {
	a.poison()
	a.next, a.free = 0, nil
	clear(a.large)
	a.large = a.large[:0]
}

// String returns b as a string without copying it; b must not change as long as the string is used.
func String(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}
