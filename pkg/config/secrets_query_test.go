package config_test

import (
	"slices"
	"testing"

	"batchctl/pkg/config"
)

func TestNamesOfRequestsSayWhatIsSecret(t *testing.T) {
	t.Parallel()
	const short, long = "orders", "AIzaSyD-9tSrke72PouQMnMX"
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"token", short, true}, {"access_token", short, true}, {"accessToken", short, true}, {"X-Amz-Security-Token", short, true},
		{"api_key", short, true}, {"apikey", short, true}, {"apiKey", short, true}, {"api-key", short, true}, {"subscription-key", short, true},
		{"client_secret", short, true}, {"password", short, true}, {"pwd", short, true}, {"user.pass", short, true}, {"X-Amz-Credential", short, true},
		{"key", short, false}, {"key", long, true}, {"sig", long, true}, {"X-Amz-Signature", long, true}, {"auth", "basic", false}, {"auth", long, true},
		{"sort_key", short, false}, {"monkey", long, false}, {"keyword", long, false}, {"author", long, false}, {"max_tokens", "4096", false},
		{"tokenize", "true", false}, {"bypass", "true", false}, {"design", long, false}, {"day", "2026-11-20", false}, {"", long, false},
	} {
		if got := config.SecretQuery(c.name, c.value); got != c.want {
			t.Errorf("%s=%s: got %v, want %v", c.name, c.value, got, c.want)
		}
	}
}

func TestSecretsOfAQueryAreFoundAsTheyStandAndAsTheyAre(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][]string{
		"https://example.com/token=x":                          nil,
		"https://example.com/?day=1&token=a%2Fb&x=token":       {"a%2Fb", "a/b"},
		"https://${env.HOST}/?token=plain&api_key=${params.k}": {"plain"},
		"/?a%63cess_token=x%zz#?token=y":                       {"x%zz"},
		"?token=a=b&pwd":                                       {"a=b", ""},
	} {
		if got := config.QuerySecrets(address); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

func TestSecretsOfABodyAreFound(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		"":           nil,
		"token hush": nil,
		"Dear all,\nthe token=hush is in use, as a=b&password=c\n":                      nil,
		"grant_type=client_credentials&client_secret=a%2Fb\n":                           {"a%2Fb", "a/b"},
		`{"client_secret": "a\"b", "day": "x", "sub": [{"tokens": [1], "token": "c"}]}`: {`a"b`, "c"},
		`{"token": ["d", "${env.T}", 7, null], "key": "orders"}`:                        {"d"},
		`[{"other": "***"}]`: {"***"},
	} {
		if got := config.BodySecrets(body); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
