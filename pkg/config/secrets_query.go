package config

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// secretQuery finds names of parameters of a request that are given to nothing but secrets: access_token, apiKey,
// X-Amz-Security-Token, client_secret.
var secretQuery = regexp.MustCompile(`(?i)(token|secret|password|passwd|passphrase|pwd|credentials?|(api|access|account|app|auth|client|license|private|secret|shared|signing|subscription)[-_.]?key)$|(^|[^a-z])pass$`)

// maybeSecretQuery finds names that are also given to other things: key=orders, auth=basic.
var maybeSecretQuery = regexp.MustCompile(`(?i)(^|[^a-z])(key|auth|sig|signature)$`)

// longWord is how long a value is that is no word but a secret, where its name alone does not tell.
const longWord = 16

// SecretQuery reports whether a parameter in the query of a request is a secret. Fewer names say so than for environment
// variables, because here monkey=, sort_key= and author= are as frequent, whose values are words of other messages, too.
func SecretQuery(name, value string) bool {
	return secretQuery.MatchString(name) || len(value) >= longWord && maybeSecretQuery.MatchString(name)
}

// QuerySecrets returns the secrets in the query of an address, as they stand there and as what they stand for. What holds
// ${...} is none: it is one where it is resolved.
func QuerySecrets(address string) (found []string) {
	_, query, _ := strings.Cut(address, "?")
	query, _, _ = strings.Cut(query, "#")
	for _, pair := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if strings.Contains(value, "${") || !SecretQuery(name, value) {
			continue
		}
		found = append(found, value)
		if plain, err := url.QueryUnescape(value); err == nil && plain != value {
			found = append(found, plain)
		}
	}
	return found
}

// BodySecrets returns the secrets in the body of a request, JSON or a form: texts behind names for which SecretQuery says so, and
// ***, which is what is left of one.
func BodySecrets(body string) []string {
	var value any
	if json.Unmarshal([]byte(body), &value) == nil {
		return jsonSecrets("", value, nil)
	}
	if body = strings.TrimSpace(body); strings.ContainsAny(body, " \t\r\n") { // a form has none (WHATWG URL Standard, 5.2)
		return nil
	}
	return QuerySecrets("?" + body)
}

func jsonSecrets(name string, value any, found []string) []string {
	switch v := value.(type) {
	case string:
		if v == Hidden || !strings.Contains(v, "${") && SecretQuery(name, v) {
			found = append(found, v)
		}
	case []any:
		for _, item := range v {
			found = jsonSecrets(name, item, found)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			found = jsonSecrets(key, v[key], found)
		}
	}
	return found
}
