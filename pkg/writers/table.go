// Package writers holds the kinds of writers: files, databases, and writers of several writers.
package writers

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
)

// Table lists the kinds of writers.
func Table() catalog.Table[batch.Writer] {
	return catalog.Table[batch.Writer]{
		catalog.Define("csv", "writes delimited text", newCSV),
		catalog.Define("jsonl", "writes one JSON object a line", newJSONL),
		catalog.Define("json", "writes an array of JSON objects", newJSON),
		catalog.Define("sql", "writes rows of a table, or runs a statement for each record", newSQL),
		catalog.Define("all", "writes the same records to several writers", newAll),
		catalog.Define("fault", "writes what another writer writes, and fails on purpose: to try what a job does then", newFault),
		catalog.Define("discard", "writes nowhere", newDiscard),
	}
}
