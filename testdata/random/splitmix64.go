// Package random draws the numbers that made-up data are made of.
package random

import "math/bits"

// Splitmix64 is the generator of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014).
// It is written out because its sequence must be the same with every version of Go.
type Splitmix64 struct{ state uint64 }

// From returns the generator that a seed begins.
func From(seed uint64) Splitmix64 { return Splitmix64{state: seed} }

// Next returns 64 random bits.
func (s *Splitmix64) Next() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Below returns a number from 0 to n-1.
func (s *Splitmix64) Below(n uint64) uint64 {
	high, _ := bits.Mul64(s.Next(), n)
	return high
}
