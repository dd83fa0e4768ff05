package main

import "strconv"

// asIs expects every row, every field as it is in the CSV.
func asIs(r *transaction, to [][]byte) [][]byte {
	return append(to, strconv.AppendInt(nil, r.id, 10), r.txID, strconv.AppendInt(nil, r.sellerID, 10),
		strconv.AppendInt(nil, r.userID, 10), appendCents(nil, r.cents), []byte(r.currency), []byte(r.status), r.createdAt,
		r.memo, strconv.AppendBool(nil, r.flag))
}

// paidWithFee expects the paid rows, with their fee.
func paidWithFee(r *transaction, to [][]byte) [][]byte {
	if !r.paid() {
		return nil
	}
	return append(asIs(r, to), appendCents(nil, r.fee()))
}

// settled is what a seller gets: sums over the paid rows.
type settled struct{ net, fee, payments int64 }

// settlements sums the reference data by seller.
func settlements(rows int64) map[int64]settled {
	sums, source := map[int64]settled{}, newTransactions()
	for range rows {
		r := source.next()
		if !r.paid() {
			continue
		}
		s := sums[r.sellerID]
		s.net += r.cents - r.fee()
		s.fee += r.fee()
		s.payments++
		sums[r.sellerID] = s
	}
	return sums
}
