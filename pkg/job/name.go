package job

import (
	"regexp"

	"batchctl/pkg/config"
)

var (
	jobName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	partName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`) // steps, connections
	valueName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)  // what expressions and binds name
	kindName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// maxName is how many characters of a name the job repository holds: the columns of Spring Batch.
const maxName = 100

// checkName refuses a name that what (a step, a parameter) cannot have.
func checkName(n config.Node, what string, pattern *regexp.Regexp) error {
	name := n.Text()
	switch {
	case !written(n):
		return nil
	case len(name) > maxName:
		return n.Errorf("%s of %d characters is too long", what, len(name)).WithCode("bad_name").WithHint("at most %d", maxName)
	case pattern.MatchString(name):
		return nil
	}
	also := map[*regexp.Regexp]string{jobName: ", digits, _, - and .", partName: ", digits, _ and -", valueName: ", digits and _"}
	return n.Errorf("%q cannot be %s", name, what).WithCode("bad_name").
		WithHint("names begin with a letter or _ and go on with letters%s", also[pattern])
}
