// Package listeners holds the kinds of listeners: what is done when something has happened.
package listeners

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
)

// Table lists the kinds of listeners. The constructor of one that is off, because its address is empty, returns nil.
func Table() catalog.Table[batch.Listener] {
	return catalog.Table[batch.Listener]{
		catalog.Define("log", "writes a line to the log", newLog),
		catalog.Define("http", "sends a request, by default with the summary as JSON", newHTTP),
		catalog.Define("slack", "posts a message to a webhook of Slack, or of what understands the same", newSlack),
		catalog.Define("mail", "sends a mail", newMail),
		catalog.Define("exec", "runs a program, with the summary as JSON on its standard input", newExec),
	}
}
