package main

import (
	"strconv"
	"time"

	"batchctl/testdata/random"
)

// payment is one row. The slices are valid until the next one is drawn.
type payment struct {
	id       int64
	sellerID int64
	seller   string
	amount   []byte // in CSV as it is, in JSON a number unless bad
	currency string
	status   string
	paidAt   []byte // RFC 3339
	memo     []byte
	bad      bool
}

// payments draws rows one after the other.
type payments struct {
	numbers random.Splitmix64
	rows    int64
	bad     int64
	drawn   int64
	row     payment
	seller  []byte
}

// sellers make the first part of a seller's name; its number follows, before a comma.
var sellers = [][2]string{
	{"한빛상사", ""}, {"주식회사 푸른바다", ""}, {"서울수산", ", 유한회사"}, {"김민준 공방", ""}, {"이서연 디자인", ""},
	{"제주감귤농원", ", 협동조합"}, {"Müller & Söhne", ", GmbH"}, {"O'Neill Brothers", ""}, {"Acme Tools", ", Inc."},
	{"Société Générale des Épices", ""}, {"Nordic Lights", ", AB"}, {"박지훈 커피", ""}, {`The "Best" Deals`, ""},
	{"Łódź Textile", ", sp. z o.o."}, {"다온전자", ""}, {"São Bento Livros", ", Lda."},
}

const sellerCount = 5000

// currencies is a table of 16 to draw from: KRW three times in four.
var currencies = [16]string{"KRW", "KRW", "KRW", "KRW", "KRW", "KRW", "KRW", "KRW", "KRW", "KRW", "KRW", "KRW", "USD", "USD", "EUR", "JPY"}

var zones = map[string]*time.Location{
	"KRW": time.FixedZone("", 9*60*60), "JPY": time.FixedZone("", 9*60*60), "EUR": time.FixedZone("", 60*60), "USD": time.UTC,
}

// firstPayment is 2026-09-01T00:00:00+09:00; payments lie in the ninety days after it.
const firstPayment, ninetyDays = 1788188400, 90 * 24 * 60 * 60

// next draws a row.
func (p *payments) next() *payment {
	r, numbers := &p.row, &p.numbers
	p.drawn++
	r.id = p.drawn
	r.sellerID = 1 + int64(numbers.Below(sellerCount))
	r.seller = p.sellerName(r.sellerID)
	cents := 1 + numbers.Below(100_000)
	if numbers.Below(8) == 0 {
		cents *= 1 + numbers.Below(10_000)
	}
	r.amount = appendCents(r.amount[:0], cents)
	r.currency = currencies[numbers.Below(16)]
	r.status = status(numbers.Below(100))
	at := time.Unix(firstPayment+int64(numbers.Below(ninetyDays)), 0).In(zones[r.currency])
	r.paidAt = at.AppendFormat(r.paidAt[:0], time.RFC3339)
	r.memo = p.appendMemo(r.memo[:0], r.id)
	r.bad = p.isBad()
	if r.bad {
		spoil(r)
	}
	return r
}

func (p *payments) sellerName(id int64) string {
	parts := sellers[id%int64(len(sellers))]
	p.seller = append(p.seller[:0], parts[0]...)
	p.seller = append(p.seller, ' ')
	p.seller = strconv.AppendInt(p.seller, id, 10)
	p.seller = append(p.seller, parts[1]...)
	return string(p.seller)
}

func appendCents(to []byte, cents uint64) []byte {
	to = strconv.AppendUint(to, cents/100, 10)
	return append(to, '.', byte('0'+cents/10%10), byte('0'+cents%10))
}

func status(percent uint64) string {
	switch {
	case percent < 85:
		return "PAID"
	case percent < 95:
		return "CANCELLED"
	}
	return "PENDING"
}

// appendMemo makes a remark: most are plain, some empty, some hold a comma, quotes or a line break.
func (p *payments) appendMemo(to []byte, id int64) []byte {
	switch kind := p.numbers.Below(16); {
	case kind < 3:
		return to
	case kind == 3:
		return append(to, "gift wrap, ribbon"...)
	case kind == 4:
		return append(to, `said "leave it at the door"`...)
	case kind == 5:
		return append(to, "문 앞에 놓아 주세요\n(부재 시 경비실)"...)
	}
	to = append(to, "web order "...)
	to = strconv.AppendInt(to, 100_000_000+id, 10)
	return append(to, " by card"...)
}

// isBad spreads the bad rows evenly over all.
func (p *payments) isBad() bool {
	return p.bad > 0 && p.drawn*p.bad/p.rows != (p.drawn-1)*p.bad/p.rows
}

// spoil makes the amount of one bad row, and the date of the next, something that is none.
func spoil(r *payment) {
	if r.id%2 == 0 {
		r.amount = append(r.amount[:0], "12,50 won"...)
		return
	}
	r.paidAt = append(r.paidAt[:0], "2026-13-45T25:61:00+09:00"...)
}
