package config

import (
	"encoding/json"
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Secrets are texts that may appear nowhere: in no output, log, error or metadata. These are secrets:
//
//   - values of parameters declared secret,
//   - contents of files named by ${file:...},
//   - values of environment variables used in connections and in the addresses of listeners,
//   - values of environment variables whose names contain PASS, SECRET, TOKEN, KEY, DSN, CREDENTIAL or AUTH,
//   - passwords inside connection strings, but for one that is the user's name: hiding postgres, or the name of the
//     application, would hide nothing and take it out of every message.
//
// A Secrets is used by several goroutines. The zero Secrets is empty.
type Secrets struct {
	lock   sync.RWMutex
	known  map[string]bool
	sorted []string // every form of every secret, the longest first
}

// shortestSecret is how long a value must be to be hidden: a shorter one would cut holes into everything else, and hide
// nothing.
const shortestSecret = 4

// Hidden stands where a secret stood.
const Hidden = "***"

var secretVariable = regexp.MustCompile(`(?i)PASS|SECRET|TOKEN|KEY|DSN|CREDENTIAL|AUTH`)

// SecretVariable reports whether an environment variable's name says that its value is a secret.
func SecretVariable(name string) bool { return secretVariable.MatchString(name) }

// Add makes a value a secret, also as it looks in URLs, JSON and Go's quotes, and each line of it. Values shorter than
// four characters are ignored.
func (s *Secrets) Add(value string) {
	if s == nil {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, line := range strings.Split(value, "\n") {
		s.add(strings.TrimSpace(line))
	}
	s.add(value)
}

func (s *Secrets) add(value string) {
	if len([]rune(value)) < shortestSecret {
		return
	}
	if s.known == nil {
		s.known = map[string]bool{}
	}
	for _, form := range forms(value) {
		if !s.known[form] {
			s.known[form] = true
			s.sorted = append(s.sorted, form)
		}
	}
	sort.Slice(s.sorted, func(i, j int) bool { return len(s.sorted[i]) > len(s.sorted[j]) })
}

// forms returns a value as other layers write it.
func forms(value string) []string {
	quoted := strconv.Quote(value)
	ascii := strconv.QuoteToASCII(value)
	plain, _ := json.Marshal(value)
	var loose strings.Builder
	encoder := json.NewEncoder(&loose)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
	unescaped := strings.TrimSpace(loose.String())
	twice := strconv.Quote(quoted) // a message that quotes the value, quoted in a log line
	return []string{value, url.QueryEscape(value), url.PathEscape(value), url.UserPassword("", value).String()[1:],
		quoted[1 : len(quoted)-1], ascii[1 : len(ascii)-1], string(plain[1 : len(plain)-1]), unescaped[1 : len(unescaped)-1],
		twice[3 : len(twice)-3], strings.ReplaceAll(value, "'", "''"), strings.ReplaceAll(value, "'", `\'`)}
}

var passwordSetting = regexp.MustCompile(`(?i)(?:password|passwd|pwd|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&;]+)`)

// AddAddress makes a connection string or a URL a secret, and the password in it on its own.
func (s *Secrets) AddAddress(address string) {
	s.Add(address)
	s.AddPasswords(address)
}

// userPassword finds user:password@ where no scheme stands before it, as MySQL's drivers have it.
var userPassword = regexp.MustCompile(`^[^:/@\s]+:([^@]+)@`)

// AddPasswords makes the passwords inside a connection string or a URL secrets, and leaves the rest as it is.
func (s *Secrets) AddPasswords(address string) {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		if password, set := u.User.Password(); set && password != u.User.Username() {
			s.Add(password)
		}
	}
	if _, rest, ok := strings.Cut(address, "://"); ok {
		// The part before the last @ of the authority, for addresses that are no valid URLs.
		authority, _, _ := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			if user, password, ok := strings.Cut(authority[:at], ":"); ok && user != password {
				s.Add(password)
			}
		}
	}
	if m := userPassword.FindStringSubmatch(address); m != nil && !strings.Contains(address, "://") {
		s.Add(m[1])
	}
	for _, m := range passwordSetting.FindAllStringSubmatch(address, -1) {
		value := m[1]
		if len(value) > 1 && value[0] == '\'' && value[len(value)-1] == '\'' {
			value = strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(value[1 : len(value)-1])
		}
		value = strings.TrimPrefix(value, "'") // a quote that nobody closed
		s.Add(value)
		if plain, err := url.QueryUnescape(value); err == nil {
			s.Add(plain)
		}
	}
}

// Redact returns text with every secret replaced by ***, the longest first.
func (s *Secrets) Redact(text string) string {
	return s.replace(text, func(string) string { return Hidden })
}

// Mask is Redact for source lines: what stands behind a secret stays in its column.
func (s *Secrets) Mask(text string) string {
	return s.replace(text, func(form string) string { return strings.Repeat("*", len([]rune(form))) })
}

func (s *Secrets) replace(text string, by func(form string) string) string {
	if s == nil {
		return text
	}
	s.lock.RLock()
	defer s.lock.RUnlock()
	for _, form := range s.sorted {
		if strings.Contains(text, form) {
			text = strings.ReplaceAll(text, form, by(form))
		}
	}
	return text
}
