package sqldb

import (
	"testing"
	"time"

	"github.com/lib/pq"
)

func TestSSLModeIsExplicit(t *testing.T) {
	for _, c := range []struct {
		dsn  string
		want pq.SSLMode
	}{
		{"postgres://u@db.example/x", pq.SSLModeRequire},
		{"postgres://u@10.0.0.1/x", pq.SSLModeRequire},
		{"postgres://u@localhost/x", pq.SSLModeDisable},
		{"postgres://u@127.0.0.1/x", pq.SSLModeDisable},
		{"postgres://u@[::1]/x", pq.SSLModeDisable},
		{"postgres://u@localhost,db.example/x", pq.SSLModeRequire},
		{"host=/tmp user=u", pq.SSLModeDisable},
		{"host=localhost hostaddr=10.0.0.1 user=u", pq.SSLModeRequire},
		{"postgres://u@127.0.0.1/x?sslmode=verify-full", pq.SSLModeVerifyFull},
		{"postgres://u@db.example/x?sslmode=disable", pq.SSLModeDisable},
	} {
		settings, err := postgresConfig(Config{Name: "shop", DSN: c.dsn})
		if err != nil || settings.SSLMode != c.want {
			t.Errorf("%s: got sslmode %q (%v), want %q", c.dsn, settings.SSLMode, err, c.want)
		}
	}
}

func TestEnvironmentFillsIn(t *testing.T) {
	t.Setenv("PGSSLMODE", "verify-ca")
	t.Setenv("PGPASSWORD", "from-environment")
	t.Setenv("PGCONNECT_TIMEOUT", "7")
	settings, err := postgresConfig(Config{Name: "shop", DSN: "postgres://u@localhost/x", ConnectTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if settings.SSLMode != pq.SSLModeVerifyCA || settings.Password != "from-environment" || settings.ConnectTimeout != 7*time.Second {
		t.Errorf("got sslmode %q, timeout %s", settings.SSLMode, settings.ConnectTimeout)
	}
	settings, err = postgresConfig(Config{Name: "shop", DSN: "postgres://u@localhost/x?connect_timeout=3&application_name=mine"})
	if err != nil || settings.ConnectTimeout != 3*time.Second || settings.ApplicationName != "mine" {
		t.Errorf("got timeout %s, name %q (%v)", settings.ConnectTimeout, settings.ApplicationName, err)
	}
}
