package meta

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"batchctl/pkg/batch"
)

func TestNoSecretIsStoredOrSaid(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry-71f3"
	path := filepath.Join(t.TempDir(), "batchctl.db")
	s := openAt(t, path)
	secret := batch.Parameter{Name: "token", Type: "string", Value: canary, Secret: true, Identifying: true}
	r, each := identified("2026-11-20"), eachRun("a.csv")
	each.Job = "nightly"
	r.Parameters, each.Parameters = append(r.Parameters, secret), append(each.Parameters, secret)
	r.Key = keyOf(r.Parameters)

	first := launch(t, s, r)
	if got := first.Execution.Parameters[1]; got != secret {
		t.Errorf("the launch has parameter %+v, want the secret's value", got)
	}
	_, said := s.Launch(t.Context(), r)
	end(t, s, first, batch.Failed)
	again := launch(t, s, r)
	if got := again.Previous.Parameters[1]; got.Value != "" || !got.Secret || got.Name != "token" {
		t.Errorf("read back %+v, want the name without the value", got)
	}
	end(t, s, again, batch.Completed)
	_, complete := s.Launch(t.Context(), r)
	ended(t, s, each, batch.Failed)
	other := each
	other.Parameters = append([]batch.Parameter{}, each.Parameters...)
	other.Parameters[0].Value = "b.csv"
	unfinished := refused(t, s, other, batch.ErrNotRestartable)
	for _, err := range []error{said, complete, unfinished} {
		if text := fmt.Sprintf("%+v %#v", err, err); err == nil || bytes.Contains([]byte(text), []byte(canary)) {
			t.Errorf("said: %s", text)
		}
	}

	each.Parameters[1].Value = "another " + canary
	if l := launch(t, s, each); l.Previous == nil {
		t.Error("another value of a secret keeps an unfinished run from being continued")
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 3 {
		t.Fatalf("got files %v, %v", files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err == nil && bytes.Contains(content, []byte(canary)) {
			t.Errorf("%s holds the secret", name)
		}
	}
}
