package sqldb_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// role makes a user that may do nothing yet, and returns the connection string of the schema for it.
func role(t *testing.T, admin *sqldb.DB, dsn string) (schema, user, own string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := sqldb.OpenCursor(t.Context(), admin, "select current_schema()::text")
	if err != nil {
		t.Fatal(err)
	}
	row := make([]record.Value, 1)
	if !cursor.Next() {
		t.Fatal(cursor.Err())
	}
	if err := cursor.Scan(row, new(record.Arena)); err != nil {
		t.Fatal(err)
	}
	schema = row[0].Clone().Text()
	if err := cursor.Close(); err != nil {
		t.Fatal(err)
	}
	user = "role_" + schema
	mustExec(t, admin, "create role "+user+" login")
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), "drop owned by "+user+" cascade; drop role "+user); err != nil {
			t.Error(err)
		}
	})
	u.User = url.User(user)
	return schema, user, u.String()
}

func TestMissingRightSaysWhatToGrant(t *testing.T) {
	t.Parallel()
	dsn := sqltest.Schema(t)
	admin := open(t, "postgres", dsn)
	mustExec(t, admin, "create table t (a int)")
	schema, user, own := role(t, admin, dsn)
	db := open(t, "postgres", own)
	mustExec(t, admin, "grant usage on schema "+schema+" to "+user)
	_, err := db.Exec(t.Context(), "insert into t values (1)")
	if fault.CodeOf(err) != "42501" || !strings.Contains(fault.HintOf(err), "select, insert, update or delete on the table") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
	mustExec(t, admin, "grant insert on t to "+user)
	mustExec(t, db, "insert into t values (1)")
}

func TestCommitsAreDurableWhateverTheRoleSays(t *testing.T) {
	t.Parallel()
	dsn := sqltest.Schema(t)
	admin := open(t, "postgres", dsn)
	schema, user, own := role(t, admin, dsn)
	mustExec(t, admin, `create table t (a int); create table seen (setting text);
		create function see() returns trigger language plpgsql as $$ begin insert into seen values (current_setting('synchronous_commit')); return null; end $$;
		create constraint trigger see after insert on t deferrable initially deferred for each row execute function see();
		grant usage on schema `+schema+" to "+user+"; grant all on t, seen to "+user)
	for _, c := range []struct{ name, role, dsn, durability, plain, durable string }{
		{"the role does not say", "on", "", "", "on", "on"},
		{"the role says off", "off", "", "", "on", "on"},
		{"the role wants more", "remote_apply", "", "", "remote_apply", "remote_apply"},
		{"relaxed", "on", "", "relaxed", "off", "on"},
		{"the connection string says off", "on", "&synchronous_commit=off", "", "off", "on"},
	} {
		mustExec(t, admin, "alter role "+user+" set synchronous_commit = "+c.role)
		db := open(t, "postgres", own+c.dsn, func(config *sqldb.Config) { config.Durability = c.durability })
		conn := held(t, db)
		for _, end := range []func(*sqldb.Tx) error{
			func(tx *sqldb.Tx) error { return tx.Commit(t.Context()) },
			func(tx *sqldb.Tx) error { return tx.CommitDurable(t.Context()) },
		} {
			tx := begin(t, conn)
			mustExec(t, tx, "insert into t values (1)")
			if err := end(tx); err != nil {
				t.Fatal(err)
			}
		}
		wantTexts(t, admin, "select string_agg(setting, ' ' order by ctid) from seen", c.plain+" "+c.durable)
		mustExec(t, admin, "truncate seen")
	}
}
