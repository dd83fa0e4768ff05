package sqldb

import (
	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// cBlockBytes is the size of the blocks of cMemory; a larger text gets a block of its own.
const cBlockBytes = 32 << 10

// cMemory is memory of SQLite's for texts that live until reset. Blocks never move.
type cMemory struct {
	tls    *libc.TLS
	blocks []cBlock
	block  int // the one in use; those before it are full
	used   int // bytes of it
	large  []uintptr
}

type cBlock struct {
	at    uintptr
	bytes []byte
}

// copy returns where the copy of a text lies, never 0 but where there is no memory left.
func (m *cMemory) copy(text string) uintptr {
	if len(text) > cBlockBytes/4 {
		at := lib.Xsqlite3_malloc64(m.tls, lib.Tsqlite3_uint64(len(text)))
		if at != 0 {
			copy(libc.GoBytes(at, len(text)), text)
			m.large = append(m.large, at)
		}
		return at
	}
	if m.block == len(m.blocks) || m.used+len(text) > cBlockBytes {
		if !m.next() {
			return 0
		}
	}
	b := &m.blocks[m.block]
	at := m.used
	m.used += copy(b.bytes[at:], text)
	return b.at + uintptr(at)
}

// next goes on to the next block.
func (m *cMemory) next() bool {
	if m.block < len(m.blocks) {
		m.block++
	}
	m.used = 0
	if m.block < len(m.blocks) {
		return true
	}
	at := lib.Xsqlite3_malloc64(m.tls, cBlockBytes)
	if at == 0 {
		return false
	}
	m.blocks = append(m.blocks, cBlock{at, libc.GoBytes(at, cBlockBytes)})
	return true
}

// reset makes all memory free to be used again, and gives the large blocks back.
func (m *cMemory) reset() {
	m.block, m.used = 0, 0
	for _, at := range m.large {
		lib.Xsqlite3_free(m.tls, at)
	}
	m.large = m.large[:0]
}

// free gives all memory back.
func (m *cMemory) free() {
	m.reset()
	for _, b := range m.blocks {
		lib.Xsqlite3_free(m.tls, b.at)
	}
	m.blocks = nil
}
