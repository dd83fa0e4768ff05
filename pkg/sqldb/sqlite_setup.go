package sqldb

import (
	"encoding/binary"
	"sync"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"

	"batchctl/pkg/fault"
)

// setUpSQLite settles what is of the whole process, before SQLite is used: how it takes memory, and that each connection
// that is opened from then on, by whatever part of the process, has handleFunction.
var setUpSQLite = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	packPages(tls)
	_ = configureSQLite(tls, lib.SQLITE_CONFIG_STMTJRNL_SPILL, int32(undoBytes))
	if code := lib.Xsqlite3_auto_extension(tls, functionPointer(addHandleFunction)); code != lib.SQLITE_OK {
		return fault.New(fault.Internal, "register an SQLite extension: %d", code)
	}
	return nil
})

// undoBytes is how much a statement or savepoint remembers of pages that it changed before SQLite makes a file for them.
// That is about the pages of a chunk of 1000 updates. With its own 64 KiB, SQLite would make and remove a file for each.
const undoBytes = 240 << 10

// Pages of the usual size lie side by side in one block, which the caches of all connections share: as allocations of
// their own they would take twice the room, because they are a little larger than a power of two. The block holds the
// usual cache of one connection and some more; what it has no room for is allocated.
const (
	packedPages     = 512
	packedPageBytes = 4096
)

// packPages gives SQLite that block. Where SQLite runs already, which it does in tests at most, it is refused; that costs
// memory and nothing else.
func packPages(tls *libc.TLS) {
	header := libc.Xmalloc(tls, 8)
	defer libc.Xfree(tls, header)
	if configureSQLite(tls, lib.SQLITE_CONFIG_PCACHE_HDRSZ, header) != lib.SQLITE_OK {
		return
	}
	size := packedPageBytes + int32(binary.NativeEndian.Uint32(libc.GoBytes(header, 4)))
	block := libc.Xmalloc(tls, types.Size_t(packedPages*size))
	if configureSQLite(tls, lib.SQLITE_CONFIG_PAGECACHE, block, size, int32(packedPages)) != lib.SQLITE_OK {
		libc.Xfree(tls, block)
	}
}

// configureSQLite is sqlite3_config. It returns the result code.
func configureSQLite(tls *libc.TLS, option int32, arguments ...any) int32 {
	list := libc.NewVaList(arguments...)
	defer libc.Xfree(tls, list)
	return lib.Xsqlite3_config(tls, option, list)
}
