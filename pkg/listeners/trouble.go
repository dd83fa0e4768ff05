package listeners

import (
	"fmt"
	"net/url"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// checkTimeout refuses a timeout in which nothing can be done.
func checkTimeout(timeout config.Duration) error {
	if timeout > 0 {
		return nil
	}
	return fault.New(fault.Definition, "timeout has to be more than nothing").WithHint("leave it out for the usual 5s")
}

// tooSlow is why a notification was given up.
func tooSlow(timeout time.Duration) error {
	return fault.New(fault.Transient, "no answer within %s", timeout)
}

// withoutAddress takes an address, and its parts, out of a text.
func withoutAddress(text, address string) string {
	var secrets config.Secrets
	secrets.AddAddress(address)
	if u, err := url.Parse(address); err == nil {
		for _, part := range []string{u.Host, u.Hostname(), u.Path, u.RawQuery, u.User.String()} {
			secrets.Add(part)
		}
	}
	return secrets.Redact(fmt.Sprint(text))
}
