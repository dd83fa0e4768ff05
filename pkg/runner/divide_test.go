package runner

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// pieces runs a division over n inputs with some bad ones, and returns the bad ones it found and what it wrote.
func pieces(n int, bad map[int]bool, blames, knows bool) (found, kept []int, rows, tries int) {
	d := divide(n)
	if knows {
		d.fails = n
	}
	for i := n - 1; i >= 0 && knows && blames; i-- {
		if bad[i] {
			d.suspect = i
		}
	}
	for d.more() {
		lo, hi := d.at, d.next()
		tries++
		rows += hi - lo
		suspect, fails := -1, false
		for i := lo; i < hi && !fails; i++ {
			if fails = bad[i]; fails && blames {
				suspect = i
			}
		}
		if !fails {
			for i := lo; i < hi; i++ {
				kept = append(kept, i)
			}
			d.held(hi)
		} else if d.failed(hi, suspect) {
			found = append(found, lo)
		}
	}
	return found, kept, rows, tries
}

func TestDivisionFindsTheBadOnesAndWritesTheOthersOnce(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 1))
	for range 2000 {
		n := 1 + random.IntN(400)
		bad := map[int]bool{}
		for range random.IntN(n + 1) {
			bad[random.IntN(n)] = true
		}
		var wantBad, wantKept []int
		for i := range n {
			if bad[i] {
				wantBad = append(wantBad, i)
			} else {
				wantKept = append(wantKept, i)
			}
		}
		for _, blames := range []bool{false, true} {
			for _, knows := range []bool{false, len(bad) > 0, true} { // also where what was known has passed
				found, kept, _, tries := pieces(n, bad, blames, knows)
				if !slices.Equal(found, wantBad) || !slices.Equal(kept, wantKept) {
					t.Fatalf("%d inputs, bad %v, blames %t, knows %t: found %v, wrote %v", n, wantBad, blames, knows, found, kept)
				}
				if tries > 20*len(bad)+20 {
					t.Errorf("%d inputs, bad %v, blames %t, knows %t: %d tries", n, wantBad, blames, knows, tries)
				}
			}
		}
	}
}

func TestDivisionTriesFewRowsTwice(t *testing.T) {
	t.Parallel()
	const n = 10_000
	for _, c := range []struct {
		name        string
		bad         []int
		blames      bool
		rows, tries int
	}{
		{"the first", []int{0}, false, 2 * n, 24},
		{"the last", []int{n - 1}, false, n, 16},
		{"ten, evenly", []int{500, 1500, 2500, 3500, 4500, 5500, 6500, 7500, 8500, 9500}, false, 5 * n, 140},
		{"the first, blamed", []int{0}, true, 2 * n, 16},
		{"the last, blamed", []int{n - 1}, true, 2*n + 1, 4},
		{"ten, evenly, blamed", []int{500, 1500, 2500, 3500, 4500, 5500, 6500, 7500, 8500, 9500}, true, 4 * n, 32},
	} {
		bad := map[int]bool{}
		for _, i := range c.bad {
			bad[i] = true
		}
		if _, _, rows, tries := pieces(n, bad, c.blames, true); rows > c.rows || tries > c.tries {
			t.Errorf("%s: %d rows in %d tries, want at most %d in %d", c.name, rows, tries, c.rows, c.tries)
		}
	}
}
