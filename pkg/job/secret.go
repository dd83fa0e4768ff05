package job

import (
	"net/url"

	"batchctl/pkg/config"
)

// writtenSecrets returns what stands in the listeners and tasklets of a definition and is a secret: addresses of listeners,
// passwords, headers, variables and parameters of requests whose names say that they carry one. Texts with ${...} are none: what they stand for is
// looked after where it is resolved.
func writtenSecrets(root config.Node) []string {
	var found []string
	add := func(n config.Node) {
		if written(n) && n.Text() != "" {
			found = append(found, n.Text())
		}
	}
	for _, listener := range listenerNodes(root) {
		address, _ := listener.Get("url")
		add(address)
		addKept(listener, add)
	}
	steps, _ := root.Get("steps")
	for _, step := range stepNodes(steps) {
		tasklet, _ := step.Get(string(TaskletStep))
		addKept(tasklet, add)
		for _, key := range []string{"query", "json"} {
			values, _ := tasklet.Get(key)
			addNamed("", values, add)
		}
		address, isRequest := tasklet.Get("url")
		if body, ok := tasklet.Get("body"); ok && isRequest { // that of a mail is for people
			found = append(found, config.BodySecrets(body.Text())...)
		}
		found = append(found, config.QuerySecrets(address.Text())...)
		if u, err := url.Parse(address.Text()); err == nil && u.User != nil {
			if password, set := u.User.Password(); set {
				found = append(found, password)
			}
		}
	}
	return found
}

// addKept adds the passwords of a component, and the values whose names say that they are secrets.
func addKept(component config.Node, add func(config.Node)) {
	password, _ := component.Get("password")
	add(password)
	for _, key := range []string{"headers", "env"} {
		values, _ := component.Get(key)
		for _, p := range values.Pairs() {
			if config.SecretVariable(p.Name) {
				add(p.Value)
			}
		}
	}
}

// addNamed adds the texts in values for whose names config.SecretQuery says that they are secrets.
func addNamed(name string, values config.Node, add func(config.Node)) {
	switch values.Kind() {
	case config.List:
		for _, item := range values.Items() {
			addNamed(name, item, add)
		}
	case config.Mapping:
		for _, p := range values.Pairs() {
			addNamed(p.Name, p.Value, add)
		}
	default:
		if config.SecretQuery(name, values.Text()) {
			add(values)
		}
	}
}
