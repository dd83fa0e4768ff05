//go:build !linux

package sqldb

import "syscall"

// setUserTimeout does nothing: TCP_USER_TIMEOUT (RFC 5482) is Linux's.
func setUserTimeout(string, string, syscall.RawConn) error { return nil }
