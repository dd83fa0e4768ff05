// Package readers holds the kinds of readers: files, databases, and records in the definition itself.
package readers

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
)

// Table lists the kinds of readers.
func Table() catalog.Table[batch.Reader] {
	return catalog.Table[batch.Reader]{
		catalog.Define("csv", "reads delimited text", newCSV),
		catalog.Define("jsonl", "reads one JSON object a line", newJSONL),
		catalog.Define("json", "reads an array of JSON objects", newJSON),
		catalog.Define("fixed", "reads lines with columns of fixed width", newFixed),
		catalog.Define("lines", "reads lines by a regular expression with named groups", newLines),
		catalog.Define("sql", "reads the rows of a query", newSQL),
		catalog.Define("inline", "reads records that stand in the definition", newInline),
	}
}
