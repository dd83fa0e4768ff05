package job

import (
	"path/filepath"
	"strings"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Connection is a database as the definition names it.
type Connection struct {
	Driver         string          `yaml:"driver,required,literal" enum:"sqlite|postgres" help:"the kind of database"`
	DSN            string          `yaml:"dsn,required" help:"a file, or postgres://user:password@host/database; empty: the connection is off"`
	MaxConnections int             `yaml:"max_connections" default:"0" help:"at most so many at a time; 0: as many as the job uses"`
	ConnectTimeout config.Duration `yaml:"connect_timeout" default:"10s" help:"how long a connection may take"`
	LockTimeout    config.Duration `yaml:"lock_timeout" default:"30s" help:"how long a statement waits for a lock"`
	IdleTimeout    config.Duration `yaml:"idle_timeout" default:"1m" help:"PostgreSQL: how long the server lets a transaction idle before it ends it"`
	Journal        string          `yaml:"journal" enum:"wal|keep" default:"wal" help:"SQLite: go to write-ahead logging, or keep what the file has"`
	Durability     string          `yaml:"durability" enum:"full|relaxed" default:"full" help:"relaxed: a commit need not reach the disk at once"`

	Node config.Node // the connection's mapping
}

// DecodeYAML fills the connection from its mapping.
func (c *Connection) DecodeYAML(d *config.Decoder, n config.Node) error {
	type keys Connection
	var wrong fault.List
	wrong.Add(d.For("connection "+d.What).Decode(n, (*keys)(c)))
	c.Node = n
	if at, ok := n.Get("journal"); ok && c.Driver == "postgres" {
		wrong.Add(at.Errorf("journal is a setting of SQLite, and this connection is PostgreSQL").WithHint("remove the key"))
	}
	if at, ok := n.Get("max_connections"); ok && c.MaxConnections < 0 {
		wrong.Add(at.Errorf("max_connections: expected 0 or more, got %d", c.MaxConnections).WithHint("0 is as many as the job uses"))
	}
	return wrong.Err()
}

// locate makes the file of an SQLite connection absolute: a path, or a URI "file:path?settings" (sqlite.org/uri.html).
func (c *Connection) locate(base string) {
	if c.Driver != "sqlite" || c.DSN == "" || base == "" || strings.Contains(c.DSN, ":memory:") {
		return
	}
	rest, uri := strings.CutPrefix(c.DSN, "file:")
	if filepath.IsAbs(rest) {
		return
	}
	if !uri {
		c.DSN = filepath.Join(base, c.DSN)
		return
	}
	path, settings, found := strings.Cut(rest, "?")
	c.DSN = "file:" + filepath.Join(base, path)
	if found {
		c.DSN += "?" + settings
	}
}
