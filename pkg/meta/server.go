package meta

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// OnServer reports whether the place of a job repository is a PostgreSQL database, as a URL, and not a file.
func OnServer(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// Describe returns the place of a job repository for people: a path as it is, a URL without what could be a secret.
func Describe(place string) string {
	if !OnServer(place) {
		return place
	}
	shown := sqldb.Redact(place)
	u, err := url.Parse(place)
	if err != nil || !u.Query().Has("search_path") || !strings.HasPrefix(shown, "postgres://") {
		return shown
	}
	separator := "?"
	if strings.Contains(shown, "?") {
		separator = "&"
	}
	return shown + separator + "search_path=" + u.Query().Get("search_path")
}

// leaseOption is what a URL may say for us and the driver must not see.
const leaseOption = "lease"

// shortestLease leaves a heartbeat time for one slow answer.
const shortestLease = time.Second

// splitLease takes our option out of a URL.
func splitLease(place string) (dsn string, lease time.Duration, err error) {
	u, err := url.Parse(place)
	if err != nil || !u.Query().Has(leaseOption) {
		return place, defaultLease, nil // what is wrong with it, sqldb says without quoting it
	}
	query := u.Query()
	lease, err = time.ParseDuration(query.Get(leaseOption))
	if err != nil || lease < shortestLease || lease > 24*time.Hour {
		return "", 0, fault.New(fault.Definition, "the lease in the address of the job repository is not a time from %s to 24h", shortestLease).
			WithCode("lease").WithHint("write it as lease=60s")
	}
	query.Del(leaseOption)
	u.RawQuery = query.Encode()
	return u.String(), lease, nil
}

// serverConnections is how many connections a process holds at most: one writes, each running execution (a job may run
// others) has one for its heartbeat, the others read. Usually there are three.
const serverConnections = 32

// openServer opens the job repository in the PostgreSQL database that the URL o.Path names. The schema is the first of the
// session's search_path.
func openServer(ctx context.Context, o Options) (*Store, error) {
	dsn, lease, err := splitLease(o.Path)
	if err != nil {
		return nil, err
	}
	o.place, o.Path, o.lease = Describe(o.Path), "", lease
	db, err := sqldb.Open(ctx, sqldb.Config{
		Name: "job repository", Driver: "postgres", DSN: dsn, MaxConnections: serverConnections,
		LockTimeout: o.patience(), IdleTimeout: o.patience(), ReadOnly: o.ReadOnly,
	})
	if err != nil {
		return nil, outOfReach(err)
	}
	return OpenOn(ctx, db, o)
}

// outOfReach is the error of a server that cannot be used now, whatever that is: nothing was done yet.
func outOfReach(err error) error {
	if fault.ClassOf(err) != fault.Transient {
		return err
	}
	return fault.Wrap(fault.Environment, err, "").WithCode(fault.CodeOf(err)).WithHint("%s", fault.HintOf(err))
}

// session is who this process is on a server, and where its tables are: for messages.
type session struct{ user, schema, path string }

func (s *Store) introduce(ctx context.Context) error {
	if !s.leased() {
		return nil
	}
	_, err := one(ctx, s.db, to(&s.session.user, &s.session.schema, &s.session.path),
		"select current_user, coalesce(current_schema(), ''), current_setting('search_path')")
	return s.explain(err)
}

// noRight says what a missing right, or a missing schema, needs: as a statement for whoever may run it.
func (s *Store) noRight(err error, code string) error {
	user := s.db.Dialect().Quote(s.session.user)
	schema := s.db.Dialect().Quote(s.session.schema)
	e := fault.Wrap(fault.Environment, err, "job repository %s", s.Location()).WithCode(code)
	switch {
	case s.session.schema == "":
		path := s.session.path
		return e.WithHint("the schema %s is not there, or %s may not use it; somebody who may has to run: create schema if not exists %s; "+
			"grant usage, create on schema %s to %s;", path, user, path, path, user)
	case s.id == "":
		return e.WithHint("somebody who may has to run: grant usage, create on schema %s to %s; where the tables are there already: "+
			"grant select, insert, update, delete on all tables in schema %s to %s;", schema, user, schema, user)
	}
	return e.WithHint("somebody who may has to run: grant select, insert, update, delete on all tables in schema %s to %s;", schema, user)
}

// lockFolderOn is where the locks of a repository on a server lie on this host: repositories share the folder, and must
// not share locks.
func (o Options) lockFolderOn(repository string) string {
	if o.LockFolder == "" {
		return ""
	}
	return filepath.Join(o.LockFolder, repository)
}

// place is what Location says.
func (o Options) location(db *sqldb.DB) string {
	switch {
	case o.Path != "":
		return o.Path
	case o.place != "":
		return o.place
	}
	return fmt.Sprint(db.Location())
}
