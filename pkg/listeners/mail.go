package listeners

import (
	"cmp"
	"context"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/mail"
)

type mailConf struct {
	mail.Server
	From    string          `yaml:"from,required" help:"who sends it"`
	To      []string        `yaml:"to,required" help:"who gets it"`
	Subject string          `yaml:"subject" help:"what happened, where absent"`
	Body    string          `yaml:"body" help:"the text; what happened and the summary as JSON where absent"`
	Timeout config.Duration `yaml:"timeout" default:"5s" help:"how long handing it in may take"`
}

type mailListener struct {
	conf *mailConf
	now  func() time.Time
}

func newMail(conf *mailConf, env *catalog.Env) (batch.Listener, error) {
	if off(conf.Address) {
		return nil, nil
	}
	if err := cmp.Or(conf.Check(), checkTimeout(conf.Timeout)); err != nil {
		return nil, err
	}
	return &mailListener{conf, env.Now}, nil
}

func (l *mailListener) Notify(ctx context.Context, n batch.Notification) error {
	timeout := time.Duration(l.conf.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, tooSlow(timeout))
	defer cancel()
	err := l.conf.Send(ctx, &mail.Message{
		From: l.conf.From, To: l.conf.To, Subject: cmp.Or(l.conf.Subject, n.Text), Date: l.now(), ID: n.ID + "@batchctl",
		Text: cmp.Or(l.conf.Body, n.Text+"\n\n"+string(n.Summary)+"\n"),
	})
	if err != nil {
		return fault.New(fault.ClassOf(err), "%s", withoutAddress(err.Error(), l.conf.Address)).WithHint("%s", fault.HintOf(err))
	}
	return nil
}
