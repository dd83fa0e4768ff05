package main

import (
	"bytes"
	"strconv"
)

// format is a way to write rows down: row appends one, without what stands between two.
type format struct {
	name                string
	head, between, tail string
	row                 func(to []byte, p *payment) []byte
}

func formats() []format {
	return []format{
		{name: "csv", head: "id,seller_id,seller_name,amount,currency,status,paid_at,memo\n", row: appendCSV},
		{name: "jsonl", row: func(to []byte, p *payment) []byte { return append(appendJSON(to, p), '\n') }},
		{name: "json", head: "[\n", between: ",\n", tail: "\n]\n", row: appendJSON},
	}
}

func formatNames() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	return names
}

func findFormat(name string) (format, bool) {
	for _, f := range formats() {
		if f.name == name {
			return f, true
		}
	}
	return format{}, false
}

// appendCSV writes a row as RFC 4180 says, but for the line end, which is a line feed.
func appendCSV(to []byte, p *payment) []byte {
	to = strconv.AppendInt(to, p.id, 10)
	to = append(to, ',')
	to = strconv.AppendInt(to, p.sellerID, 10)
	to = appendField(append(to, ','), []byte(p.seller))
	to = appendField(append(to, ','), p.amount)
	to = append(append(to, ','), p.currency...)
	to = append(append(to, ','), p.status...)
	to = append(append(to, ','), p.paidAt...)
	to = appendField(append(to, ','), p.memo)
	return append(to, '\n')
}

func appendField(to, field []byte) []byte {
	if !bytes.ContainsAny(field, ",\"\r\n") {
		return append(to, field...)
	}
	to = append(to, '"')
	for _, c := range field {
		if c == '"' {
			to = append(to, '"')
		}
		to = append(to, c)
	}
	return append(to, '"')
}

func appendJSON(to []byte, p *payment) []byte {
	to = strconv.AppendInt(append(to, `{"id":`...), p.id, 10)
	to = strconv.AppendInt(append(to, `,"seller_id":`...), p.sellerID, 10)
	to = appendString(append(to, `,"seller_name":`...), []byte(p.seller))
	to = append(to, `,"amount":`...)
	if p.bad {
		to = appendString(to, p.amount)
	} else {
		to = append(to, p.amount...)
	}
	to = append(append(to, `,"currency":"`...), p.currency...)
	to = append(append(to, `","status":"`...), p.status...)
	to = append(append(to, `","paid_at":"`...), p.paidAt...)
	to = appendString(append(to, `","memo":`...), p.memo)
	return append(to, '}')
}

// appendString quotes text for JSON. The texts here are valid UTF-8 and have no control characters but line feeds.
func appendString(to, text []byte) []byte {
	to = append(to, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			to = append(to, '\\', c)
		case c == '\n':
			to = append(to, '\\', 'n')
		default:
			to = append(to, c)
		}
	}
	return append(to, '"')
}
