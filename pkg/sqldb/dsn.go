package sqldb

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"batchctl/pkg/fault"
)

// hidden stands for a connection string that is not understood, and so may hold a secret anywhere.
const hidden = "(connection string hidden)"

// Redact returns a DSN for messages: scheme, user, host and name of the database, and nothing that could be a secret. A
// text that is not understood comes back as "(connection string hidden)".
func Redact(dsn string) string {
	if isURL(dsn) {
		return redactURL(dsn)
	}
	if path, isFile := strings.CutPrefix(dsn, "file:"); isFile {
		path, _, _ = strings.Cut(path, "?")
		return path
	}
	if !strings.Contains(dsn, "=") {
		return dsn // the path of an SQLite file
	}
	settings, ok := parseSettings(dsn)
	if !ok {
		return hidden
	}
	return locationOf(settings["user"], settings["host"], settings["port"], settings["dbname"])
}

func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

func redactURL(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || u.Fragment != "" || strings.Contains(u.Path, "@") {
		return hidden
	}
	return locationOf(u.User.Username(), u.Hostname(), u.Port(), strings.TrimPrefix(u.Path, "/"))
}

// locationOf names a server's database; the host of a socket is its folder.
func locationOf(user, host, port, database string) string {
	u := url.URL{Scheme: "postgres", Host: host, Path: "/" + database}
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		u.Host, u.RawQuery = "", "host="+host
	} else if strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err == nil && u.Host != "" {
		u.Host += ":" + port
	}
	if user != "" {
		u.User = url.User(user)
	}
	return u.String()
}

// checkDSN refuses what the driver cannot parse, before the driver, whose errors quote the password, sees it. Its own
// errors quote nothing.
func checkDSN(dsn string) error {
	if isURL(dsn) {
		u, err := url.Parse(dsn)
		if err != nil || u.Fragment != "" || strings.Contains(u.Path, "@") {
			return fault.New(fault.Definition, "the connection string is not a valid URL").
				WithHint("%s", "in user and password, % / # ? : @ and blanks have to be percent-encoded: %2F for a slash; "+
					"or give the password by the environment variable PGPASSWORD or a file that PGPASSFILE names")
		}
		return nil
	}
	if _, ok := parseSettings(dsn); !ok {
		return fault.New(fault.Definition, "the connection string is neither a URL nor a list of key=value").
			WithHint("write postgres://user@host:5432/name, or host=... dbname=... with values that hold blanks in single quotes")
	}
	return nil
}

// parseSettings reads the key=value form of libpq (PostgreSQL manual, section 34.1.1.1).
func parseSettings(dsn string) (map[string]string, bool) {
	settings := map[string]string{}
	rest := strings.TrimLeftFunc(dsn, unicode.IsSpace)
	for rest != "" {
		key, after, found := strings.Cut(rest, "=")
		key = strings.TrimRightFunc(key, unicode.IsSpace)
		if !found || key == "" || strings.ContainsFunc(key, func(r rune) bool { return unicode.IsSpace(r) || r == '\'' }) {
			return nil, false
		}
		value, behind, ok := parseSetting(strings.TrimLeftFunc(after, unicode.IsSpace))
		if !ok {
			return nil, false
		}
		settings[key] = value
		rest = strings.TrimLeftFunc(behind, unicode.IsSpace)
	}
	return settings, true
}

// parseSetting reads one value, quoted or up to the next blank; a backslash takes the next character as it is.
func parseSetting(text string) (value, rest string, ok bool) {
	quoted := strings.HasPrefix(text, "'")
	if quoted {
		text = text[1:]
	}
	var b strings.Builder
	escaped := false
	for i, r := range text {
		switch {
		case escaped:
			escaped = false
			b.WriteRune(r)
		case r == '\\':
			escaped = true
		case quoted && r == '\'':
			return b.String(), text[i+1:], true
		case !quoted && unicode.IsSpace(r):
			return b.String(), text[i:], true
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), "", !quoted && !escaped
}
