// Package processors holds the kinds of processors: what happens to records between reader and writer. None of those here
// changes anything but the record, so a chunk can be processed again.
package processors

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
)

// Table lists the kinds of processors. A processor is written "- kind: settings".
func Table() catalog.Table[batch.Processor] {
	return catalog.Table[batch.Processor]{
		catalog.Define("filter", "keeps the records for which an expression is true", newFilter),
		catalog.Define("set", "computes fields: name: expression, in order, later ones seeing earlier ones", newSet),
		catalog.Define("select", "keeps these fields, in this order", newSelect),
		catalog.Define("rename", "gives fields other names: old: new", newRename),
		catalog.Define("drop", "leaves fields out", newDrop),
		catalog.Define("convert", "converts fields to types: name: type, or name: {type, format, decimal_separator}", newConvert),
		catalog.Define("default", "gives fields that are null or absent a value: name: value", newDefault),
		catalog.Define("validate", "checks rules: a list of {rule, message}, or {rules, filter}", newValidate),
		catalog.Define("fault", "fails on purpose, to try what a job does then: at a record, at each nth, where a condition holds", newFault),
	}
}
