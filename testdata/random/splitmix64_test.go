package random_test

import (
	"testing"

	"batchctl/testdata/random"
)

// The sequence is part of what tests and benchmarks rest on, so it must not change by accident.
func TestSequenceIsThatOfThePaper(t *testing.T) {
	t.Parallel()
	numbers := random.From(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423} {
		if got := numbers.Next(); got != want {
			t.Errorf("number %d: got %d, want %d", i, got, want)
		}
	}
}
