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
      url: https://user:hush-url@example.com/a?page=7&subscription-key=hush%2Fquery&pwd=${params.p}#hush%2Fquery
      user: me
      password: hush-password
      query: {api_key: hush-key, sort_key: day, key: orders, signature: 'hush''s signature of 2026', access_token: "${env.TOKEN}"}
      headers: {Authorization: Bearer hush-header, Accept: text/csv, X-Api-Key: "${env.API_KEY}"}
  - name: send
    tasklet: {type: http, url: "http://localhost/", json: {day: 2026-11-20, login: {client_secret: hush-json, token: [hush-one, "${env.TOKEN}"]}}}
  - name: login
    tasklet: {type: http, url: "http://localhost/", body: grant_type=password&password=hush%2Fform&scope=all}
  - name: tell
    tasklet: {type: mail, server: "localhost:25", from: a@b.c, to: d@e.f, subject: x, body: token=spoken}
  - name: run
    tasklet: {type: exec, command: [x], env: {API_TOKEN: hush-token, COLOUR: red}}
`).StoredText()
	if strings.Contains(got, "hush") {
		t.Errorf("a secret is stored:\n%s", got)
	}
	for _, kept := range []string{"example.com/a", "Accept: text/csv", "${env.API_KEY}", "COLOUR: red", "user: me",
		"?page=7&subscription-key=***&pwd=${params.p}", "sort_key: day", "key: orders", "day: 2026-11-20", "body: token=spoken", "grant_type=password&password=***&scope=all", "access_token: \"${env.TOKEN}\""} {
		if !strings.Contains(got, kept) {
			t.Errorf("%q is gone:\n%s", kept, got)
		}
	}
}

// A recorded definition is read again: by restart --as-recorded, abandon and purge.
func TestStoredTextCanBeRead(t *testing.T) {
	t.Parallel()
	const text = "job: import\r\nsteps:\r\n- {name: a, tasklet: {type: exec, command: [x], env: {Ä: ö, TOKEN: hush, OTHER_TOKEN: hush's}}}\n" +
		"- name: b # hush\n  tasklet:\n    type: http\n    url: http://localhost/\n    query: {token: hush, api_key: 'hush', a: hush hush, b: \"hush\", hush: c}\n" +
		"    body: |\n      hush\n    password: hush\nlisteners: [{on: job.failed, type: slack, url: https://hush.example.com/x}]\n"
	want := "job: import\r\nsteps:\r\n- {name: a, tasklet: {type: exec, command: [x], env: {Ä: ö, TOKEN: '***', OTHER_TOKEN: '***'}}}\n" +
		"- name: b # ***\n  tasklet:\n    type: http\n    url: http://localhost/\n    query: {token: '***', api_key: '***', a: '*** ***', b: \"***\", '***': c}\n" +
		"    body: |\n      ***\n    password: '***'\nlisteners: [{on: job.failed, type: slack, url: '***'}]\n"
	got := load(t, text).StoredText()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := load(t, got).StoredText(); again != want {
		t.Errorf("read again it is\n%s", again)
	}
}
