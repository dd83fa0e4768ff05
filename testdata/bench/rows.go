package main

import (
	"strconv"
	"time"

	"batchctl/testdata/random"
)

// transaction is one row of the reference data: ten columns, about 112 bytes as CSV. The slices are valid until the next
// one is drawn.
type transaction struct {
	id, sellerID, userID int64
	txID                 []byte // tx- and 16 hexadecimal digits
	cents                int64  // of the amount
	currency, status     string
	createdAt            []byte // RFC 3339, in UTC
	memo                 []byte
	flag                 bool
}

const (
	dataSeed    = 42
	sellerCount = 10_000
	userCount   = 1_000_000
)

// firstCreated is 2026-01-01T00:00:00Z; transactions lie in the year after it.
const firstCreated, oneYear = 1767225600, 365 * 24 * 60 * 60

var (
	currencies = [4]string{"KRW", "USD", "EUR", "JPY"}
	statuses   = [7]string{"PAID", "PAID", "PAID", "PAID", "PENDING", "CANCELLED", "REFUNDED"}
)

// transactions draws rows one after the other, the same ones each time.
type transactions struct {
	numbers random.Splitmix64
	row     transaction
}

func newTransactions() *transactions { return &transactions{numbers: random.From(dataSeed)} }

func (t *transactions) next() *transaction {
	r, numbers := &t.row, &t.numbers
	r.id++
	r.txID = appendHex(append(r.txID[:0], "tx-"...), numbers.Next())
	r.sellerID = 1 + int64(numbers.Below(sellerCount))
	r.userID = 1 + int64(numbers.Below(userCount))
	r.cents = 1 + int64(numbers.Below(10_000_000))
	r.currency = currencies[numbers.Below(4)]
	r.status = statuses[numbers.Below(7)]
	at := time.Unix(firstCreated+int64(numbers.Below(oneYear)), 0).UTC()
	r.createdAt = at.AppendFormat(r.createdAt[:0], time.RFC3339)
	r.memo = t.appendMemo(r.memo[:0])
	r.flag = numbers.Below(2) == 0
	return r
}

func appendHex(to []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		to = append(to, digits[n>>shift&15])
	}
	return to
}

// appendMemo makes a remark. A third of them needs quotes in CSV, for a comma, a quote or a line end; a quarter is Korean.
func (t *transactions) appendMemo(to []byte) []byte {
	kind, number := t.numbers.Below(12), int64(t.numbers.Below(100_000_000))
	switch kind {
	case 0:
		return strconv.AppendInt(append(to, "gift wrap, ribbon, card "...), number, 10)
	case 1:
		return append(strconv.AppendInt(append(to, `said "leave parcel `...), number, 10), ` at the door"`...)
	case 2:
		return append(strconv.AppendInt(append(to, "문 앞에 놓아 주세요 "...), number, 10), "\n(부재 시)"...)
	case 3:
		return strconv.AppendInt(append(to, "배송 전, 연락 바랍니다 "...), number, 10)
	case 4:
		return strconv.AppendInt(append(to, "단골 고객 주문 "...), number, 10)
	}
	return append(strconv.AppendInt(append(to, "web order "...), number, 10), " by card"...)
}

// fee is three percent of the amount in cents, rounded half away from zero.
func (r *transaction) fee() int64 { return (r.cents*3 + 50) / 100 }

// paid reports whether the filter of the jobs lets the row pass.
func (r *transaction) paid() bool { return r.status == "PAID" }

// appendCents writes cents as a decimal with two places.
func appendCents(to []byte, cents int64) []byte {
	to = strconv.AppendInt(to, cents/100, 10)
	return append(to, '.', byte('0'+cents/10%10), byte('0'+cents%10))
}
