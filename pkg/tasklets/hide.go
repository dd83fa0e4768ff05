package tasklets

import (
	"net/url"

	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
)

// hide makes the values secrets whose names say that they are, and those without a name.
func hide(env *catalog.Env, name, value string) {
	if env.Hide != nil && value != "" && (name == "" || config.SecretVariable(name)) {
		env.Hide(value)
	}
}

// hidePassword makes the password in an address a secret.
func hidePassword(env *catalog.Env, address string) {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		password, _ := u.User.Password()
		hide(env, "", password)
	}
}

// hideQuery makes the parameters of a request secrets whose names say that they are.
func hideQuery(env *catalog.Env, conf *httpConf) {
	for _, secret := range config.QuerySecrets(conf.URL) {
		hide(env, "", secret)
	}
	for _, p := range conf.Query {
		if value := scalarText(p.Value); config.SecretQuery(p.Name, value) {
			hide(env, "", value)
		}
	}
}
