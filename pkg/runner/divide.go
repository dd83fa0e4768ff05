package runner

// smallestPiece is how many inputs are tried at once right behind a bad one, at least.
const smallestPiece = 32

// division is the search for the bad inputs of a chunk: it says which piece to try next, and is told whether the piece
// held. Pieces come in the order of the input, and one that holds is written for good, so that most inputs are written
// twice at most: in the piece that failed, and in one that held. An input is bad when it fails alone.
type division struct {
	at, end int // the inputs from at to end, end excluded, are still to be written
	fails   int // the inputs from at to fails are known to fail together; nothing is known where fails is not above at
	suspect int // the input that is probably to blame for that, -1 where nobody knows
	size    int // of the next piece where nothing is known
	since   int // the first input behind the last bad one
}

// divide begins with the inputs 0 to n, of which nothing is known.
func divide(n int) division { return division{end: n, suspect: -1, size: n} }

// more reports whether there is a piece left.
func (d *division) more() bool { return d.at < d.end }

// next returns the end of the piece to be tried, which begins at d.at. What is known to fail is divided: at the suspect,
// who is tried alone, else in the middle.
func (d *division) next() int {
	switch {
	case d.fails <= d.at:
		return min(d.at+d.size, d.end)
	case d.suspect == d.at:
		return d.at + 1
	case d.suspect > d.at && d.suspect < d.fails:
		return d.suspect
	}
	return d.at + max(1, (d.fails-d.at)/2)
}

// held says that the piece up to hi is written.
func (d *division) held(hi int) {
	if d.fails <= d.at {
		d.size = min(4*d.size, d.end)
	}
	d.at = hi
}

// failed says that the piece up to hi fails, probably because of suspect, and reports whether its first input is bad: it
// stood alone. What follows is tried in pieces of twice the distance from the bad one before, for the next bad one may be
// as near.
func (d *division) failed(hi, suspect int) (bad bool) {
	if hi > d.at+1 {
		d.fails, d.suspect = hi, suspect
		return false
	}
	d.size = max(smallestPiece, 2*(hi-d.since))
	d.at, d.since = hi, hi
	d.fails, d.suspect = hi, -1
	return true
}
