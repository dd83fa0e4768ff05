package meta

import (
	"context"
	"fmt"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// repository is the row of BATCHCTL_REPOSITORY.
type repository struct {
	id         string
	version    int
	lockFolder string // id of the folder that was used last
}

// migrate brings the schema to the current version and returns the repository's row.
func (s *Store) migrate(ctx context.Context) (repository, error) {
	for {
		row, err := s.schemaState(ctx)
		if err != nil {
			return row, err
		}
		if row.version == s.schemaVersion() {
			return row, nil
		}
		if s.options.ReadOnly {
			return row, s.cannotMigrate(row.version)
		}
		if err := s.write(ctx, func(tx *sqldb.Tx) error { return s.migrateOnce(ctx, tx) }); err != nil {
			return row, err
		}
	}
}

// schemaState returns the repository's row; version 0 where there is none because the database is new.
func (s *Store) schemaState(ctx context.Context) (row repository, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		row, err = s.readRepository(ctx, q)
		return err
	})
	return row, err
}

func (s *Store) readRepository(ctx context.Context, q sqldb.Querier) (row repository, err error) {
	tables, err := tableNames(ctx, q)
	if err != nil {
		return row, err
	}
	if !tables["batchctl_repository"] {
		return row, s.checkForeign(q.Dialect(), tables)
	}
	found, err := one(ctx, q, to(&row.id, &row.version, &row.lockFolder),
		"select REPOSITORY_ID, SCHEMA_VERSION, coalesce(LOCK_FOLDER_ID, '') from BATCHCTL_REPOSITORY")
	switch {
	case err != nil:
		return row, err
	case !found || row.version < 1:
		return row, s.unusable("its table BATCHCTL_REPOSITORY says nothing")
	case row.version > s.schemaVersion():
		return row, fault.New(fault.Environment, "job repository %s has schema version %d, and this batchctl knows versions up to %d",
			s.Location(), row.version, s.schemaVersion()).WithCode("newer_schema").
			WithHint("use the batchctl that wrote it, or a newer one; nothing was changed")
	}
	return row, nil
}

// migrateOnce takes the schema one version further, and a new one all the way, in one commit instead of many. Another process may have done so since it was looked at.
func (s *Store) migrateOnce(ctx context.Context, tx *sqldb.Tx) error {
	if err := sqldb.Lock(ctx, tx, "batchctl repository schema"); err != nil {
		return err
	}
	row, err := s.readRepository(ctx, tx)
	if err != nil {
		return err
	}
	fresh := row.version == 0
	for _, m := range s.options.migrations {
		if m.version != row.version+1 {
			continue
		}
		if err := s.apply(ctx, tx, m); err != nil || !fresh {
			return err
		}
		row.version = m.version
	}
	return nil
}

func (s *Store) apply(ctx context.Context, tx *sqldb.Tx, m migration) error {
	if m.version == 1 {
		if err := s.makeRepository(ctx, tx); err != nil {
			return err
		}
	}
	for _, statement := range m.run {
		if _, err := tx.Exec(ctx, forDialect(tx.Dialect(), statement)); err != nil {
			return fault.Wrap(fault.Environment, err, "schema version %d (%s)", m.version, m.summary)
		}
	}
	_, err := exec(ctx, tx, "update BATCHCTL_REPOSITORY set SCHEMA_VERSION = ?", m.version)
	return err
}

func (s *Store) makeRepository(ctx context.Context, tx *sqldb.Tx) error {
	if _, err := tx.Exec(ctx, forDialect(tx.Dialect(), repositoryTable)); err != nil {
		return err
	}
	if tx.Dialect().Name() == "sqlite" {
		if _, err := tx.Exec(ctx, fmt.Sprintf("pragma application_id = %d", applicationID)); err != nil {
			return err
		}
	}
	_, err := exec(ctx, tx, "insert into BATCHCTL_REPOSITORY (REPOSITORY_ID, SCHEMA_VERSION, CREATE_TIME) values (?, 0, ?)",
		s.options.NewID(), stamp(s.now()))
	return err
}

// checkForeign refuses a database that somebody else uses: its tables could be taken for ours, or ours would surprise.
// On PostgreSQL a database is a shared place, so only tables of our names matter.
func (s *Store) checkForeign(d sqldb.Dialect, tables map[string]bool) error {
	for name := range tables {
		if strings.HasPrefix(name, "batch_") || strings.HasPrefix(name, "batchctl_") && name != "batchctl_checkpoint" {
			return s.unusable("it has a table " + strings.ToUpper(name) + " that batchctl did not make")
		}
	}
	if d.Name() == "sqlite" && len(tables) > 0 {
		return s.unusable("it holds tables of something else")
	}
	return nil
}

func (s *Store) unusable(why string) error {
	if s.leased() {
		return fault.New(fault.Environment, "schema %s of %s cannot be a job repository: %s", s.session.schema, s.Location(), why).
			WithCode(notARepositoryCode).WithHint("name a schema of its own: ?search_path=NAME at the end of the URL; nothing was changed")
	}
	return notARepository(s.Location(), why)
}

const notARepositoryCode = "not_a_repository"

func notARepository(location, why string) error {
	return fault.New(fault.Environment, "%s is a database but not a job repository: %s", location, why).
		WithCode(notARepositoryCode).WithHint("name another file with --meta; nothing was changed")
}

func (s *Store) cannotMigrate(version int) error {
	if version == 0 && s.leased() {
		return fault.New(fault.Environment, "there is no job repository in %s", s.Location()).WithCode("no_repository").
			WithHint("the first run makes it")
	}
	return fault.New(fault.Environment, "job repository %s has schema version %d, and is opened for reading only", s.Location(), version).
		WithCode("older_schema").WithHint("any command that may write, such as batchctl list, brings it to version %d", s.schemaVersion())
}

// tableNames returns the names of all tables of the database, or of PostgreSQL's current schema, in lower case.
func tableNames(ctx context.Context, q sqldb.Querier) (map[string]bool, error) {
	query := "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%'"
	if q.Dialect().Name() == "postgres" {
		// The information schema hides what the user has no right to.
		query = `select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
			where n.nspname = current_schema() and c.relkind in ('r', 'p', 'v', 'm', 'f')`
	}
	names := map[string]bool{}
	err := each(ctx, q, func(rows *sqldb.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		names[strings.ToLower(name)] = true
		return nil
	}, query)
	return names, err
}
