package tasklets

import (
	"net/url"

	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// hide makes a value a secret where something is run. What stood in a definition is *** in the recorded one: to run with that is
// an error, which says what it was.
func hide(env *catalog.Env, what, value string) error {
	if env.Hide == nil {
		return nil
	}
	if value == config.Hidden {
		return fault.New(fault.Definition, "%s stood in the definition as it is, and such secrets are not recorded", what).WithCode("not_recorded").
			WithHint("restart with the file as it is now: --accept-changes; secrets that come from elsewhere, as ${env.NAME}, stay within reach")
	}
	env.Hide(value)
	return nil
}

// hideNamed hides a value whose name says that it is a secret.
func hideNamed(env *catalog.Env, what, name, value string) error {
	if !config.SecretVariable(name) {
		return nil
	}
	return hide(env, what+" "+name, value)
}

// hideRequest hides the secrets of a request.
func hideRequest(env *catalog.Env, conf *httpConf) error {
	var wrong fault.List
	wrong.Add(hide(env, "password", conf.Password))
	if u, err := url.Parse(conf.URL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		wrong.Add(hide(env, "the password in url", password))
	}
	for _, secret := range config.QuerySecrets(conf.URL) {
		wrong.Add(hide(env, "a secret in url", secret))
	}
	for _, header := range conf.Headers {
		wrong.Add(hideNamed(env, "header", header.Name, header.Value))
	}
	for _, p := range conf.Query {
		if value := scalarText(p.Value); value == config.Hidden || config.SecretQuery(p.Name, value) {
			wrong.Add(hide(env, p.Name+" in query", value))
		}
	}
	for _, secret := range config.BodySecrets(conf.Body) {
		wrong.Add(hide(env, "a secret in body", secret))
	}
	if conf.JSON != nil {
		for _, secret := range config.BodySecrets(string(*conf.JSON)) {
			wrong.Add(hide(env, "a secret in json", secret))
		}
	}
	return wrong.Err()
}
