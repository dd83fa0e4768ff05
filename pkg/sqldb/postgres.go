package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lib/pq"

	"batchctl/pkg/fault"
)

func openPostgres(ctx context.Context, config Config) (*DB, error) {
	settings, err := postgresConfig(config)
	if err != nil {
		return nil, err
	}
	db := &DB{
		config:   config,
		dialect:  Postgres,
		location: locationOf(settings.User, settings.Host, strconv.Itoa(int(settings.Port)), settings.Database),
		pool:     sql.OpenDB(&postgresConnector{config: settings, session: sessionSettings(config, settings)}),
		lazy:     config.relaxed() || setByDSN(settings, synchronousCommit),
	}
	if !setByDSN(settings, "work_mem") {
		db.roomToSort = roomToSort
	}
	db.limitPool()
	if err := db.pool.PingContext(ctx); err != nil {
		_ = db.pool.Close()
		return nil, connectError(db, err, settings.Password)
	}
	return db, nil
}

func (db *DB) limitPool() {
	db.pool.SetMaxOpenConns(db.config.MaxConnections)
	idle := 4
	if most := db.config.MaxConnections; most > 0 {
		idle = min(idle, most)
	}
	db.pool.SetMaxIdleConns(idle)
}

// postgresConfig parses the DSN and the environment (PGHOST, PGPASSWORD, PGPASSFILE, PGSERVICE and so on) as lib/pq
// does, and makes the sslmode explicit: where none is given, none on the way to this host (loopback address or socket),
// otherwise require.
func postgresConfig(config Config) (pq.Config, error) {
	if err := checkDSN(config.DSN); err != nil {
		return pq.Config{}, fault.Wrap(fault.Definition, err, "connection %s", config.Name)
	}
	settings, err := pq.NewConfig(config.DSN)
	if err != nil {
		return pq.Config{}, fault.New(fault.Definition, "connection %s: the connection string %s", config.Name, settingError(err))
	}
	settings.Host = strings.Trim(settings.Host, "[]") // lib/pq leaves them around an IPv6 address without a port
	if settings.SSLMode == "" {
		settings.SSLMode = pq.SSLModeRequire
		if onThisHost(settings) {
			settings.SSLMode = pq.SSLModeDisable
		}
	}
	if settings.ConnectTimeout <= 0 {
		settings.ConnectTimeout = config.ConnectTimeout
	}
	if settings.ApplicationName == "" {
		settings.ApplicationName = "batchctl"
	}
	return settings, nil
}

// settingError says which setting lib/pq refuses. The value it quotes may be a part of a password, and is left out.
func settingError(err error) string {
	text := err.Error()
	for _, prefix := range []string{`pq: wrong value for "`, `pq: wrong value for $`} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			name := strings.FieldsFunc(rest, func(r rune) bool { return r == '"' || r == ':' })[0]
			return fmt.Sprintf("has a wrong value for %s", name)
		}
	}
	if strings.HasPrefix(text, "pq: environment variable $") {
		return "cannot be used: " + strings.TrimPrefix(text, "pq: ")
	}
	return "is refused by the driver: settings that contradict each other, or an unknown service"
}

func onThisHost(settings pq.Config) bool {
	hosts := []pq.ConfigMultihost{{Host: settings.Host, Hostaddr: settings.Hostaddr}}
	for _, h := range append(hosts, settings.Multi...) {
		switch {
		case h.Hostaddr != (netip.Addr{}):
			if !h.Hostaddr.IsLoopback() {
				return false
			}
		case filepath.IsAbs(h.Host), strings.HasPrefix(h.Host, "@"), h.Host == "localhost":
		default:
			if addr, err := netip.ParseAddr(h.Host); err != nil || !addr.IsLoopback() {
				return false
			}
		}
	}
	return true
}

// sessionSettings returns the statements that a new session begins with. A setting that the DSN names stays as it is
// there. Without the timeouts, one client that vanished between its last statement and COMMIT blocks all others for as
// long as TCP takes to notice. Warnings are not sent: nobody reads them, and while rows are sent ahead nobody takes them off the wire.
func sessionSettings(config Config, settings pq.Config) string {
	milliseconds := func(name string) string {
		d := config.LockTimeout
		if name != "lock_timeout" {
			d = config.IdleTimeout
		}
		return strconv.FormatInt(max(0, d.Milliseconds()), 10)
	}
	all := [][2]string{
		{"lock_timeout", milliseconds("lock_timeout")},
		{"idle_in_transaction_session_timeout", milliseconds("idle_in_transaction_session_timeout")},
		{"statement_timeout", "0"},
		{"tcp_keepalives_idle", "10"},
		{"tcp_keepalives_interval", "3"},
		{"tcp_keepalives_count", "3"},
		{"tcp_user_timeout", "15000"},
		{"timezone", "UTC"},
		{"standard_conforming_strings", "on"},
		{"bytea_output", "hex"},
		{"client_min_messages", "error"},
	}
	if config.relaxed() {
		all = append(all, [2]string{synchronousCommit, "off"})
	}
	if config.ReadOnly {
		all = append(all, [2]string{"default_transaction_read_only", "on"})
	}
	var b strings.Builder
	for _, s := range all {
		if !setByDSN(settings, s[0]) {
			fmt.Fprintf(&b, "set %s = '%s'; ", s[0], s[1])
		}
	}
	if !config.relaxed() && !setByDSN(settings, synchronousCommit) {
		b.WriteString(durably)
	}
	return b.String()
}

const synchronousCommit = "synchronous_commit"

// durably makes commits wait for the disk where server, database or role do not ask for that. Those that ask for more, for a
// standby, keep that.
const durably = "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'; "

// roomToSort lets the query of a snapshot, which is read to its end, sort in memory. With the 4 MB that PostgreSQL grants by
// default it takes an index in the order of the key instead, and fetches the rows of a large table one by one from all over
// it. More that the session has it keeps.
const roomToSort = "select set_config('work_mem', '32MB', true) where pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('32MB')"

func setByDSN(settings pq.Config, name string) bool {
	for key := range settings.Runtime {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return name == "timezone" && settings.TZ != "" || strings.Contains(settings.Options, name+"=")
}

// CannotConnect is the code of the error of an Open that did not reach the server.
const CannotConnect = "cannot_connect"

// connectError says that a database cannot be reached. What would be transient later, such as a refused connection, is a
// matter of the environment for the first one; only "too many connections" and a server that is starting stay transient.
func connectError(db *DB, err error, password string) error {
	classified := Classify(err)
	class := fault.ClassOf(classified)
	code := fault.CodeOf(classified)
	if code == LostConnection || class == fault.Internal {
		class, code = fault.Environment, CannotConnect
	}
	text := classified.Error()
	if code == CannotConnect {
		text = strings.TrimPrefix(err.Error(), "pq: ")
	}
	if len(password) > 2 {
		text = strings.ReplaceAll(text, password, "***")
	}
	e := fault.New(class, "connect to %s (%s): %s", db.config.Name, db.location, text).WithCode(code)
	switch {
	case errors.Is(err, pq.ErrSSLNotSupported):
		e.WithHint("the server does not offer TLS; where the network may be trusted, add sslmode=disable to the connection string")
	case strings.HasPrefix(code, "28"):
		e.WithHint("check user and password; the password may come from PGPASSWORD, or a file that PGPASSFILE names")
	case code == CannotConnect:
		e.WithHint("is a server running there, and may this host reach it?")
	}
	return e
}
