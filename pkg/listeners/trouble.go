package listeners

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// tooSlow is why a notification was given up.
func tooSlow(timeout time.Duration) error {
	return fault.New(fault.Transient, "no answer within %s", timeout)
}

// unsent says why a request was not answered, without its address: net/http puts that into every error.
func unsent(ctx context.Context, address string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	var unknown *net.DNSError
	var network *net.OpError
	switch {
	case errors.As(err, &unknown):
		return fault.New(fault.Transient, "its host was not found")
	case errors.As(err, &network):
		return fault.New(fault.Transient, "%s: %v", network.Op, network.Err)
	}
	return fault.New(fault.Transient, "%s", withoutAddress(err.Error(), address))
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
