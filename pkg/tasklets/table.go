// Package tasklets holds the kinds of tasklets: what a step does that streams no records.
package tasklets

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
)

// Table lists the kinds of tasklets. A tasklet that leaves values behind for later steps names them under a key
// "context".
func Table() catalog.Table[batch.Tasklet] {
	return catalog.Table[batch.Tasklet]{
		catalog.Define("sql", "runs SQL statements: in one transaction, or each on its own", newSQL),
		catalog.Define("exec", "runs a program", newExec),
		catalog.Define("files", "waits for files, copies, moves, deletes, packs, unpacks and verifies them", newFiles),
		catalog.Define("http", "makes a request", newHTTP),
		catalog.Define("sort", "sorts files by columns, in little memory", newSort),
		catalog.Define("split", "makes many files of one, by size or by the values of a column", newSplit),
		catalog.Define("merge", "puts files together, one behind the other or in their order", newMerge),
		catalog.Define("mail", "sends a mail", newMail),
		catalog.Define("set", "puts values into the job's context, for later steps", newSet),
		catalog.Define("sleep", "waits", newSleep),
	}
}
