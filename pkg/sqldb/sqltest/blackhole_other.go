//go:build !linux

package sqltest

import "errors"

// Blackhole needs packet filters as Linux has them.
func (p *Proxy) Blackhole() error {
	return errors.New("only Linux can drop the packets of a single connection")
}
