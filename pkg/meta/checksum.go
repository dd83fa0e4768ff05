package meta

import (
	"fmt"
	"hash/crc32"
	"strconv"

	"batchctl/pkg/fault"
)

// castagnoli is the polynomial of CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns the CRC-32C of fields, each after its length, so that no text can move from one to the next. Rows that
// a restart depends on carry it: a flipped bit in a database file passes the database's own checks about as often as not.
func checksum(fields ...string) int64 {
	var sum uint32
	for _, field := range fields {
		sum = crc32.Update(sum, castagnoli, strconv.AppendInt(nil, int64(len(field)), 10))
		sum = crc32.Update(sum, castagnoli, []byte{':'})
		sum = crc32.Update(sum, castagnoli, []byte(field))
	}
	return int64(sum)
}

// checksumCode is the code of errors about rows that are not as they were written.
const checksumCode = "checksum"

// damaged is the error of a row whose checksum is wrong.
func damaged(format string, args ...any) error {
	return fault.New(fault.Environment, "%s is damaged: its checksum is wrong", fmt.Sprintf(format, args...)).
		WithCode(checksumCode).
		WithHint("the file was damaged, or the row was changed by hand; restore the job repository from a copy")
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
