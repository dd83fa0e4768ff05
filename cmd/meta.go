package cmd

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
)

// checkMeta makes the address of a job repository on a server a secret, and refuses what looks like one and is not.
func (a *app) checkMeta(c *cobra.Command) error {
	place := a.global.meta
	if meta.OnServer(place) {
		a.secrets.AddPasswords(place)
		return nil
	}
	scheme, _, isURL := strings.Cut(place, "://")
	isList := strings.Contains(place, "host=") || strings.Contains(place, "dbname=")
	if !isURL && !isList {
		return nil
	}
	a.secrets.AddAddress(place)
	if isList {
		return usageError(c, "--meta: the address of a job repository on a server is a URL, not a list of key=value").
			WithHint("write postgres://user@host:5432/database")
	}
	return usageError(c, "--meta: there is no job repository in %q", scheme).WithHint("give the path of a file, or postgres://user@host:5432/database")
}

// metaPath is where the job repository is: the flag or its twin in the environment, else a file under the state folder, so
// that cron and a shell share one history wherever they start.
func (a *app) metaPath() (string, error) {
	if a.global.meta != "" {
		return a.global.meta, nil
	}
	folder, ok := stateFolder()
	if !ok {
		return "", fault.New(fault.Environment, "there is no place for the job repository: HOME is not set").WithCode("no_home").
			WithHint("set HOME or XDG_STATE_HOME, or name a file: --meta FILE or BATCHCTL_META")
	}
	return filepath.Join(folder, "batchctl.db"), nil
}

// metaShown is metaPath for people.
func (a *app) metaShown() string {
	place, _ := a.metaPath()
	return meta.Describe(place)
}

// lockFolder is where this host's locks for job repositories on servers lie, "" where there is no state folder.
func lockFolder() string {
	folder, ok := stateFolder()
	if !ok {
		return ""
	}
	return filepath.Join(folder, "locks")
}

// stateFolder is systemd's or the XDG state folder.
func stateFolder() (string, bool) {
	if folder := os.Getenv("STATE_DIRECTORY"); folder != "" {
		return filepath.SplitList(folder)[0], true
	}
	if folder := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "batchctl"), true
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return "", false
	}
	return filepath.Join(home, ".local", "state", "batchctl"), true
}
