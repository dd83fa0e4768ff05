package config

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestSecretsAreHiddenInEveryForm(t *testing.T) {
	t.Parallel()
	const canary = `p%s"w\rd<é>&'키 1`
	var s Secrets
	s.Add(canary)
	asJSON, _ := json.Marshal(map[string]string{"v": canary})
	address := url.URL{Scheme: "postgres", User: url.UserPassword("me", canary), Host: "db"}
	for name, text := range map[string]string{
		"plain": "a " + canary + " b", "JSON": string(asJSON), "URL": address.String(), "query": "?p=" + url.QueryEscape(canary),
		"path": url.PathEscape(canary), "%q": fmt.Sprintf("%q", canary), "%+q": fmt.Sprintf("%+q", canary), "SQL": "'" + strings.ReplaceAll(canary, "'", "''") + "'",
	} {
		if got := s.Redact(text); strings.Contains(got, "w\\") || strings.Contains(got, "%25s") || !strings.Contains(got, "***") {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestTheLongestSecretIsHiddenFirst(t *testing.T) {
	t.Parallel()
	var s Secrets
	s.Add("hunter")
	s.Add("hunter22")
	s.Add("abc")
	s.Add("")
	if got := s.Redact("hunter22 hunter abc"); got != "*** *** abc" {
		t.Errorf("got %q", got)
	}
	if got := s.Mask("hunter22 hunter abc"); got != "******** ****** abc" {
		t.Errorf("got %q", got)
	}
	if got := (*Secrets)(nil).Redact("hunter"); got != "hunter" {
		t.Errorf("got %q", got)
	}
}

func TestEachLineOfASecretIsOne(t *testing.T) {
	t.Parallel()
	var s Secrets
	s.Add("first line\nsecond line\n")
	if got := s.Redact("second line first line"); got != "*** ***" {
		t.Errorf("got %q", got)
	}
}

func TestPasswordsInAddressesAreSecrets(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://me:canary-1@db:5432/shop?sslmode=disable", "postgres://me:canary-1@db:notaport/shop",
		"host=db password=canary-1 user=me", "host=db password='canary-1' user=me", "postgres://db/shop?user=me&password=canary-1",
		"file:x.db?_pwd=canary-1",
	} {
		var s Secrets
		s.AddPasswords(address)
		if got := s.Redact("authentication with canary-1 failed for me at db"); got != "authentication with *** failed for me at db" {
			t.Errorf("%s: got %q", address, got)
		}
	}
}

func TestSecretVariablesAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"DB_PASSWORD": true, "api_token": true, "LEDGER_DSN": true, "AWS_SECRET_ACCESS_KEY": true,
		"GOOGLE_CREDENTIALS": true, "PROXY_AUTH": true, "HOME": false, "SHOP": false} {
		if got := SecretVariable(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestWhatTheWorldGivesOutIsNoted(t *testing.T) {
	t.Parallel()
	var s Secrets
	world := &World{
		Env:     func(name string) (string, bool) { return "value-of-" + name, true },
		File:    func(path string) ([]byte, error) { return []byte("content-of-" + path + "\r\n"), nil },
		Secrets: &s,
	}
	if v, _ := world.Lookup("file:/x"); v.Text() != "content-of-/x" {
		t.Errorf("got %q", v.Text())
	}
	for _, name := range []string{"env.SHOP", "env.API_KEY"} {
		world.Lookup(name)
	}
	Revealing{Scope: world, Secrets: &s}.Lookup("env.ADDRESS")
	if got := s.Redact("content-of-/x value-of-SHOP value-of-API_KEY value-of-ADDRESS"); got != "*** value-of-SHOP *** ***" {
		t.Errorf("got %q", got)
	}
}

func TestAPasswordThatIsTheUsersNameIsNotHidden(t *testing.T) {
	t.Parallel()
	var s Secrets
	s.AddPasswords("postgres://postgres:postgres@db/shop")
	if got := s.Redact("postgres"); got != "postgres" {
		t.Errorf("got %q", got)
	}
}
