package meta

import (
	"path/filepath"
	"syscall"

	"batchctl/pkg/fault"
)

// networkFilesystems lists the magic numbers of statfs(2) for file systems on which SQLite's WAL mode cannot work:
// its shared memory is not shared between hosts.
var networkFilesystems = map[uint32]string{
	0x6969:     "NFS",
	0x517b:     "SMB",
	0xff534d42: "CIFS",
	0xfe534d42: "SMB",
}

func checkFilesystem(path string) error {
	var info syscall.Statfs_t
	if syscall.Statfs(filepath.Dir(path), &info) != nil {
		return nil // what cannot be asked is allowed
	}
	if name, found := networkFilesystems[uint32(info.Type)]; found {
		return fault.New(fault.Environment, "the job repository %s lies on a network file system (%s), where hosts do not see each other's writes", path, name).
			WithCode("network_filesystem").WithHint("name a file on a local disk with --meta or BATCHCTL_META")
	}
	return nil
}
