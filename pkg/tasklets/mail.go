package tasklets

import (
	"context"
	"path/filepath"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/mail"
)

// mailConf is the configuration of the mail tasklet.
type mailConf struct {
	mail.Server
	From    string          `yaml:"from,required" help:"who sends it: name@example.com, or Name <name@example.com>"`
	To      addressList     `yaml:"to,required" help:"who gets it"`
	Cc      addressList     `yaml:"cc" help:"who gets it, too"`
	Bcc     addressList     `yaml:"bcc" help:"who gets it without being named"`
	Subject string          `yaml:"subject,required" help:"in one line"`
	Body    string          `yaml:"body" help:"the text"`
	Attach  config.Paths    `yaml:"attach" help:"files to send with it, 25 MiB together at most"`
	Timeout config.Duration `yaml:"timeout" default:"30s" help:"how long handing it in may take"`
}

// addressList is one mail address or a list of them.
type addressList []string

// DecodeYAML reads either form.
func (l *addressList) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() == config.List {
		return d.Decode(n, (*[]string)(l))
	}
	var one string
	err := d.Decode(n, &one)
	if one != "" {
		*l = addressList{one}
	}
	return err
}

// YAMLType implements config.Worded.
func (addressList) YAMLType() string { return "an address or a list of addresses" }

// mailTasklet hands a mail to a server. Begun anew, it does so again, with the same Message-ID.
type mailTasklet struct {
	conf *mailConf
	env  *catalog.Env
}

func newMail(conf *mailConf, env *catalog.Env) (batch.Tasklet, error) {
	if conf.Address != "" { // while checking: not known yet
		if err := conf.Check(); err != nil {
			return nil, err
		}
	}
	if conf.Timeout <= 0 {
		return nil, fault.New(fault.Definition, "tasklet mail: timeout has to be more than nothing")
	}
	return &mailTasklet{conf, env}, hide(env, "password", conf.Password)
}

// Run sends the mail.
func (m *mailTasklet) Run(ctx context.Context, c *batch.Contribution) error {
	message, err := m.message(ctx, c)
	if err != nil {
		return err
	}
	ctx, end := within(ctx, m.env.After, time.Duration(m.conf.Timeout),
		fault.New(fault.Transient, "no answer within %s", shown(m.conf.Timeout)).WithCode("timed_out"))
	defer end()
	return m.conf.Send(ctx, message)
}

func (m *mailTasklet) message(ctx context.Context, c *batch.Contribution) (*mail.Message, error) {
	attached, err := m.attached()
	if err != nil {
		return nil, err
	}
	id, err := m.id(ctx, c)
	if err != nil {
		return nil, err
	}
	return &mail.Message{
		From: m.conf.From, To: m.conf.To, Cc: m.conf.Cc, Bcc: m.conf.Bcc, Subject: m.conf.Subject, Text: m.conf.Body,
		Date: m.env.Now().In(m.env.Location), ID: id, Files: attached,
	}, nil
}

// id is the Message-ID of all attempts at a visit of the step: mailboxes that look at it show the mail once.
func (m *mailTasklet) id(ctx context.Context, c *batch.Contribution) (string, error) {
	key, err := attemptKey(ctx, m.env, c)
	return key + "@batchctl", err
}

// maxAttached is how large the files of a mail may be together: most servers take no more.
const maxAttached = 25 << 20

func (m *mailTasklet) attached() (all []mail.File, err error) {
	found, err := findAll(m.env, m.conf.Attach, false)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, path := range found {
		const smaller = "pack them first (tasklet files: archive), or send a link"
		content, err := readWhole(m.env, path, maxAttached, smaller)
		if err != nil {
			return nil, err
		}
		if size += len(content); size > maxAttached {
			return nil, fault.New(fault.Environment, "with %s the files of the mail are larger than 25 MiB", relative(m.env.Base, path)).WithCode("too_large").
				WithHint(smaller)
		}
		all = append(all, mail.File{Name: filepath.Base(path), Content: content})
	}
	return all, nil
}
