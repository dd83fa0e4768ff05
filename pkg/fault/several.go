package fault

import "strings"

// Several are the errors of things that went on side by side. Their text is one line, so that it can be a part of others;
// Render gives each a line of its own, as it does with errors.Join.
type Several []error

func (s Several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns all of them.
func (s Several) Unwrap() []error { return s }
