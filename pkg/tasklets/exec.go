package tasklets

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/proc"
	"batchctl/pkg/record"
)

// execConf is the configuration of the exec tasklet.
type execConf struct {
	Command   commandLine                   `yaml:"command,required" help:"the program and its arguments, as a list; with shell: true one text for the shell"`
	Shell     bool                          `yaml:"shell,literal" default:"false" help:"have sh interpret the command, which then is one text; values reach it by env"`
	Env       config.Map[config.AnyScalar]  `yaml:"env" help:"variables added to the environment of batchctl"`
	Dir       config.Path                   `yaml:"dir" help:"folder that the program runs in; without it the one that relative paths start at"`
	Input     string                        `yaml:"input" help:"text for its standard input"`
	Timeout   config.Duration               `yaml:"timeout" help:"the program is ended, and the step fails, when it takes longer"`
	Grace     config.Duration               `yaml:"grace" default:"10s" help:"how long the program may take to end after SIGTERM before it is killed"`
	ExitCodes config.Map[string]            `yaml:"exit_codes" help:"exit code: exit status of the completed step; any other code but 0 fails it"`
	Context   config.Map[config.Expression] `yaml:"context" help:"name: expression over stdout, stderr (their texts) and exit_code, put into the job's context"`
}

// commandLine is a list of arguments, or one text for the shell, in which nothing is expanded: ${...} is the shell's own.
type commandLine struct {
	args  []string
	shell config.Node // where it is a text
}

// ours finds a reference that is not the shell's.
var ours = regexp.MustCompile(`\$\{(params|env|steps|context|job|step|counters|file)[.:][^}]*\}`)

// DecodeYAML reads either form.
func (c *commandLine) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() == config.Scalar {
		c.shell = n
		if at := ours.FindStringIndex(n.Text()); at != nil {
			return n.ErrorAt(at[0], "%s: ${...} is not expanded in a command for the shell: a value could be a command", d.What).
				WithHint("add env: {NAME: \"%s\"}, and write \"$NAME\" in the command", n.Text()[at[0]:at[1]])
		}
		return nil
	}
	var args []config.AnyScalar
	if err := d.Decode(n, &args); err != nil {
		return err
	}
	if len(args) == 0 {
		return n.Errorf("%s: the list is empty", d.What).WithHint("name the program first: [gzip, -k, out/day.csv]")
	}
	for _, a := range args {
		c.args = append(c.args, scalarText(a))
	}
	return nil
}

// YAMLType implements config.Worded.
func (commandLine) YAMLType() string { return "a list of texts, or one text" }

func scalarText(a config.AnyScalar) string {
	if a.IsNull() {
		return ""
	}
	return string(a.Append(nil))
}

// execTasklet runs a program. Begun anew, it runs it again.
type execTasklet struct {
	conf  *execConf
	env   *catalog.Env
	codes map[int]string // exit statuses
	left  *leftovers
}

func newExec(conf *execConf, env *catalog.Env) (batch.Tasklet, error) {
	e := &execTasklet{conf: conf, env: env, codes: map[int]string{}}
	if err := conf.Command.arrange(conf.Shell); err != nil {
		return nil, err
	}
	var wrong fault.List
	for _, p := range conf.ExitCodes {
		code, err := strconv.Atoi(p.Name)
		if err != nil || code < 0 || code > 255 {
			wrong.Add(p.Key.Errorf("tasklet exec: %q is not an exit code", p.Name).WithHint("a number from 0 to 255: its exit status, as 3: EMPTY"))
		}
		e.codes[code] = p.Value
	}
	for _, p := range conf.Env {
		wrong.Add(hideNamed(env, "variable", p.Name, scalarText(p.Value)))
	}
	left, err := newLeftovers(conf.Context, env, record.Field{Name: "stdout", Kind: record.Text}, record.Field{Name: "stderr", Kind: record.Text},
		record.Field{Name: "exit_code", Kind: record.Int})
	wrong.Add(err)
	e.left = left
	return e, wrong.Err()
}

// arrange has the shell interpret a text, where that is what the definition says.
func (c *commandLine) arrange(shell bool) error {
	isText := !c.shell.IsZero()
	switch {
	case shell && isText:
		c.args = []string{"sh", "-c", c.shell.Text()}
	case shell && len(c.args) > 0:
		return fault.New(fault.Definition, "tasklet exec: with shell: true the command is one text").WithHint("write command: \"gzip -k out/*.csv\", or leave shell out")
	case isText:
		return c.shell.Errorf("tasklet exec: the command is a text, and no shell is asked for").
			WithHint("write a list, [%s]; or shell: true to have sh interpret it", strings.Join(strings.Fields(c.shell.Text()), ", "))
	}
	return nil
}

// Run runs the program and takes its output to the log.
func (e *execTasklet) Run(ctx context.Context, c *batch.Contribution) error {
	command, err := e.command()
	if err != nil {
		return err
	}
	ctx, end := within(ctx, e.env.After, time.Duration(e.conf.Timeout), fault.New(fault.Internal, "%s took longer than %s and was ended", e.name(), time.Duration(e.conf.Timeout)).
		WithCode("timed_out"))
	defer end()
	r, err := command.Run(ctx)
	if err != nil {
		return err
	}
	return e.judge(r, c)
}

func (e *execTasklet) command() (*proc.Command, error) {
	dir := string(e.conf.Dir)
	if dir == "" {
		dir = e.env.Base
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, trouble("go to the folder", relative(e.env.Base, dir), err)
	}
	return &proc.Command{
		Args: e.conf.Command.args, Dir: dir, Env: e.environment(), Input: e.conf.Input, Grace: time.Duration(e.conf.Grace),
		After: e.env.After, Line: e.env.Output, Keep: maxLeft,
	}, nil
}

// environment is what the program finds beside the environment of batchctl: who runs it, and what the definition adds.
func (e *execTasklet) environment() []string {
	added := []string{"BATCHCTL_JOB=" + e.env.Job, "BATCHCTL_STEP=" + e.env.Step}
	for variable, name := range map[string]string{"BATCHCTL_JOB_EXECUTION_ID": "job.execution_id", "BATCHCTL_STEP_EXECUTION_ID": "step.execution_id"} {
		if v, known := e.env.Scope.Lookup(name); known == config.Now {
			added = append(added, variable+"="+v.String())
		}
	}
	for _, p := range e.conf.Env {
		added = append(added, p.Name+"="+scalarText(p.Value))
	}
	return added
}

// name is what the program is called in messages.
func (e *execTasklet) name() string {
	if e.conf.Shell {
		return "the shell command"
	}
	return e.conf.Command.args[0]
}

// temporarily is the exit code that says try again later (EX_TEMPFAIL of sysexits.h).
const temporarily = 75

// judge decides by the exit code how the step ends.
func (e *execTasklet) judge(r *proc.Result, c *batch.Contribution) error {
	exit, named := e.codes[r.Code]
	switch {
	case r.Signal != "":
		return e.failed(fault.Internal, "was ended by a signal ("+r.Signal+")", r)
	case !named && r.Code == temporarily:
		return e.failed(fault.Transient, "ended with exit code 75, try again later", r)
	case !named && r.Code != 0, exit == string(batch.Failed):
		return e.failed(fault.Internal, "ended with exit code "+strconv.Itoa(r.Code), r)
	}
	c.Exit = exit
	if len(e.conf.Context) > 0 && r.Size > maxLeft {
		return fault.New(fault.Validation, "%s wrote %d bytes to standard output, and the context takes no more than 64 KiB", e.name(), r.Size).
			WithCode("too_large").WithHint("have it write to a file, and print what the job has to know")
	}
	return e.left.leave(c, record.OfText(strings.TrimRight(r.Stdout, "\r\n")), record.OfText(strings.TrimRight(r.Tail, "\r\n")), record.OfInt(int64(r.Code)))
}

// failed is the error of a program, with the last that it said.
func (e *execTasklet) failed(class fault.Class, how string, r *proc.Result) error {
	err := fault.New(class, "%s %s", e.name(), how).WithCode("exit_" + strconv.Itoa(r.Code))
	if said := r.LastLines(3); said != "" {
		err.Err = errors.New(said)
	}
	return err
}
