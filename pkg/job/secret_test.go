package job_test

import (
	"strings"
	"testing"
)

func TestStoredTextHasNoSecretsOfTasklets(t *testing.T) {
	t.Parallel()
	got := load(t, `job: import
steps:
  - name: call
    tasklet:
      type: http
      url: https://user:hush-url@example.com/a
      user: me
      password: hush-password
      headers: {Authorization: Bearer hush-header, Accept: text/csv, X-Api-Key: "${env.API_KEY}"}
  - name: run
    tasklet: {type: exec, command: [x], env: {API_TOKEN: hush-token, COLOUR: red}}
`).StoredText()
	if strings.Contains(got, "hush") {
		t.Errorf("a secret is stored:\n%s", got)
	}
	for _, kept := range []string{"example.com/a", "Accept: text/csv", "${env.API_KEY}", "COLOUR: red", "user: me"} {
		if !strings.Contains(got, kept) {
			t.Errorf("%q is gone:\n%s", kept, got)
		}
	}
}
