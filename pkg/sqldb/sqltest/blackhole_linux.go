package sqltest

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// Blackhole makes the connections of now lose every packet that comes for them, from either side, until Cut: nobody is
// told anything, as when a cable is pulled. New connections are not affected.
func (p *Proxy) Blackhole() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for c := range p.conns {
		if err := dropPackets(c.(*net.TCPConn)); err != nil && !errors.Is(err, net.ErrClosed) { // it may just have ended
			return err
		}
	}
	return nil
}

// dropPackets gives a socket a filter that lets nothing in, so that the kernel does not even acknowledge.
func dropPackets(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]})
	})
	if err != nil {
		return err
	}
	return failed
}
