package plan

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/listeners"
)

// eventNames are the names that a listener adds to those of its job.
func eventNames(below config.Scope) *config.Names {
	return config.NewNames(below).Declare("event.name", "event.text", "event.step", "event.error", "event.status")
}

func (l *audience) build(one *listener, e event) (batch.Listener, error) {
	names := eventNames(l.prepared.names).SetText("event.name", e.Name).SetText("event.text", e.Text).SetText("event.step", e.Step).
		SetText("event.error", e.error).SetText("event.status", string(e.summary.Status))
	b := &builder{
		decoder: &config.Decoder{Scope: config.Revealing{Scope: names, Secrets: l.engine.Secrets}, Base: l.prepared.place.Base},
		env:     l.prepared.listenerEnv(l.engine, l.log),
	}
	return build(b, "listener", one.Do, listeners.Table())
}

func (l *audience) log(level, message string) {
	l.to.Observe(batch.Logged{Level: level, Message: l.engine.Secrets.Redact(message)})
}

func (p *prepared) listenerEnv(e *Engine, log func(level, message string)) *catalog.Env {
	return &catalog.Env{Job: p.job.Name, Base: p.place.Base, Location: p.location, Now: e.Now, After: e.After, Getenv: e.Env, Log: log}
}

// checkListeners finds what is wrong with the listeners of the job, and those of its steps.
func (p *prepared) checkListeners(secrets *config.Secrets) error {
	var wrong fault.List
	check := func(all job.Listeners) {
		for i := range all {
			wrong.Add(p.checkListener(&all[i], secrets))
		}
	}
	check(p.job.Listeners)
	for _, s := range p.job.All() {
		check(s.Listeners)
	}
	return wrong.Err()
}

// checkListener also makes the listener, which calls nobody, unless it depends on what happens.
func (p *prepared) checkListener(l *job.Listener, secrets *config.Secrets) error {
	scope := config.Revealing{Scope: eventNames(p.names), Secrets: secrets}
	d := &config.Decoder{Scope: scope, Base: p.place.Base}
	if err := checkComponent(d, "listener", l.Do, listeners.Table()); err != nil {
		return err
	}
	b := &builder{decoder: d, env: &catalog.Env{Job: p.job.Name, Base: p.place.Base, Location: p.location}}
	if _, err := build(b, "listener", l.Do, listeners.Table()); !isLater(err) {
		return err
	}
	return nil
}
