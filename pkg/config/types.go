package config

import "time"

// The types below are what the fields of a component's configuration struct can be, beside string, bool, int, int64,
// slices and pointers of these, structs, and Node. Each is a scalar of the YAML with rules of its own.

// Expression is the source of an expression; a YAML number or boolean counts as one. ${...} is not expanded in it.
type Expression struct {
	Source string
	Node   Node // for messages
}

// SQL is the text of a statement. ${...} inside it is refused: values reach SQL by binds.
type SQL struct {
	Text string
	Node Node
}

// Path is a file path or glob, made absolute against the folder that relative paths start at; "-" stays as it is.
type Path string

// Duration is written as Go and people do: 5s, 2h, 250ms.
type Duration time.Duration

// Size is a number of bytes: 64KiB, 10MB, 1048576.
type Size int64

// Percent is written 1% and held as a fraction of 1.
type Percent float64

// Factor is a number with or without digits behind the point: 2, 1.5.
type Factor float64

// Map is a mapping whose order counts.
type Map[V any] []Pair[V]

// Pair is one entry of a Map. Key is where it stands.
type Pair[V any] struct {
	Name  string
	Key   Node
	Value V
}
