package files

import "os"

// linkNew renames by way of a second name, which link(2) refuses to make where there is one already. Between the two
// steps the file has both names; publishing again removes the first.
func linkNew(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}
