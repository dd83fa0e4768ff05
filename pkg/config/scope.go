package config

import "batchctl/pkg/record"

// Availability says whether a name has a value now.
type Availability uint8

const (
	NoSuchName Availability = iota // nothing will ever be called that
	Later                          // known by name; its value comes when the step runs
	Now
)

// Scope knows the names outside of records: params.*, env.*, file:*, steps.*, context.*, partition.*, job.*, step.*,
// counters.*, input.*. Expressions and ${...} look them up in it.
type Scope interface {
	// Lookup returns the value of a full name such as "params.date".
	Lookup(name string) (record.Value, Availability)
	// Names returns the names known under a namespace, for hints.
	Names(namespace string) []string
}
