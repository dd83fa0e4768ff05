package sqldb

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// userTimeoutMilliseconds is how long sent data may stay unacknowledged by the server's host before the connection
// counts as dead.
const userTimeoutMilliseconds = 15000

func setUserTimeout(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	return c.Control(func(fd uintptr) {
		// A kernel that does not know the option leaves the connection as it is.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, userTimeoutMilliseconds)
	})
}
