package job

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Load reads a definition and checks all that can be known from its text alone. path is what the user calls the file.
// Errors are a fault.List of class definition with everything that was found.
func Load(path string, text []byte) (*Job, error) {
	document, err := config.Parse(path, text)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	j := &Job{Path: path, Text: text, Hash: hex.EncodeToString(sum[:]), document: document}
	var wrong fault.List
	if err := j.decode(&config.Decoder{Scope: declared(document.Root), Check: true}); err != nil {
		wrong.Add(err)
	}
	wrong.Add(j.check())
	if len(wrong) == 0 {
		wrong.Add(checkFlow(j.Steps))
	}
	if err := hideSecrets(document.Root, wrong.Err()); err != nil {
		return nil, err
	}
	j.settle()
	return j, nil
}

func (j *Job) decode(d *config.Decoder) error {
	if root := j.document.Root; root.Kind() != config.Mapping {
		return root.Errorf("a definition is a mapping, got %s", root.Words()).WithCode("wrong_type").
			WithHint("begin with job: NAME; a list of steps stands below steps:")
	}
	return d.For("the definition").Decode(j.document.Root, j)
}

// settle fills in what follows from the rest.
func (j *Job) settle() {
	if j.Instance == "" {
		j.Instance = InstanceEachRun
		for _, p := range j.Params {
			if p.Value.IsIdentifying() {
				j.Instance = InstanceParams
			}
		}
	}
	for _, s := range j.All() {
		s.Tuning = s.Tuning.over(j.Defaults.Tuning)
	}
}

// Bind returns the job with every ${...} of its own keys resolved; bodies of components are left to their steps. scope is
// that of a run, see Names and Parameters.Into. base is the folder that SQLite files are relative to; env values in
// connections, and passwords in connection strings, are noted in secrets.
func (j *Job) Bind(scope config.Scope, base string, secrets *config.Secrets) (*Job, error) {
	bound := &Job{Path: j.Path, Text: j.Text, Hash: j.Hash, document: j.document}
	var wrong fault.List
	if at, ok := j.document.Root.Get("connections"); ok {
		d := &config.Decoder{Scope: config.Revealing{Scope: scope, Secrets: secrets}, Base: base, What: "connections"}
		wrong.Add(d.Decode(at, &bound.Connections))
	}
	connections := bound.Connections
	rest := *j.document
	rest.Root = j.document.Root.Without("connections")
	bound.document = &rest
	wrong.Add(bound.decode(&config.Decoder{Scope: scope, Base: base}))
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	bound.document, bound.Connections = j.document, connections
	for _, secret := range writtenSecrets(j.document.Root) {
		secrets.AddAddress(secret)
	}
	for i := range bound.Connections {
		secrets.AddPasswords(bound.Connections[i].Value.DSN)
		bound.Connections[i].Value.locate(base)
	}
	bound.settle()
	return bound, nil
}

// check is what the keys say together.
func (j *Job) check() error {
	root := j.document.Root
	var wrong fault.List
	if n, ok := root.Get("job"); ok {
		wrong.Add(checkName(n, "the name of a job", jobName))
	}
	for _, p := range j.Params {
		wrong.Add(checkName(p.Key, "the name of a parameter", valueName))
	}
	for _, c := range j.Connections {
		wrong.Add(checkName(c.Key, "the name of a connection", partName))
	}
	if n, ok := root.Get("timezone"); ok && written(n) {
		wrong.Add(checkTimezone(n))
	}
	if n, ok := root.Get("workdir"); ok && written(n) && n.Text() == "" {
		wrong.Add(n.Errorf("workdir is empty").WithHint("write . for the folder of the definition, or remove the key"))
	}
	wrong.Add(checkSteps(root))
	return wrong.Err()
}

// written reports whether n is a text that stands there as it is; anything else is reported where it is decoded.
func written(n config.Node) bool {
	return n.Kind() == config.Scalar && !n.IsNull() && !strings.Contains(n.Text(), "${")
}

func checkSteps(root config.Node) error {
	steps, ok := root.Get("steps")
	if !ok || steps.Kind() != config.List {
		return nil
	}
	if len(steps.Items()) == 0 {
		return steps.Errorf("a job needs at least one step").WithHint("write - name: ..., reader: ..., writer: ... below steps")
	}
	var wrong fault.List
	first := map[string]int{}
	for _, step := range stepNodes(steps) {
		name, ok := step.Get("name")
		if !ok || name.Kind() != config.Scalar {
			continue
		}
		wrong.Add(checkName(name, "the name of a step", partName))
		if line := first[name.Text()]; line > 0 {
			wrong.Add(name.Errorf("a second step named %q", name.Text()).WithCode("duplicate_step").
				WithHint("the first stands in line %d; restarts, counters and the ledger know a step by its name", line))
			continue
		}
		first[name.Text()] = name.Position().Line
	}
	return wrong.Err()
}

// stepNodes returns the mappings of all steps of a list, also those of branches.
func stepNodes(list config.Node) []config.Node {
	var found []config.Node
	for _, step := range list.Items() {
		found = append(found, step)
		parallel, _ := step.Get(string(ParallelStep))
		for _, branch := range parallel.Items() {
			found = append(found, stepNodes(branch)...)
		}
	}
	return found
}

func checkTimezone(n config.Node) error {
	name := n.Text()
	if _, err := time.LoadLocation(name); err == nil && name != "" && name != "Local" {
		return nil
	}
	return n.Errorf("unknown timezone %q", name).WithCode("unknown_timezone").
		WithHint("write a name of the IANA database, as Asia/Seoul, Europe/Berlin or UTC; without the key the host's holds")
}

// Location returns the job's timezone, or local where it names none.
func (j *Job) Location(local *time.Location) *time.Location {
	if j.Timezone == "" {
		return local
	}
	location, err := time.LoadLocation(j.Timezone)
	if err != nil {
		return local // Load has checked it
	}
	return location
}

// StoredText returns the text of the definition for the job repository: passwords that stand in connection strings, addresses
// that stand in listeners, and secrets of tasklets, are replaced by ***. Hash is that of the text as it is in the file.
func (j *Job) StoredText() string {
	var written config.Secrets
	for _, secret := range writtenSecrets(j.document.Root) {
		written.Add(secret)
	}
	text := j.document.Redacted(&written)
	connections, _ := j.document.Root.Get("connections")
	for _, c := range connections.Pairs() {
		dsn, _ := c.Value.Get("dsn")
		var secrets config.Secrets
		secrets.AddPasswords(dsn.Text())
		hidden := secrets.Redact(dsn.Text())
		switch {
		case hidden == dsn.Text():
		case strings.Contains(text, dsn.Text()):
			text = strings.ReplaceAll(text, dsn.Text(), hidden)
		default: // the YAML writes it with escapes, so only the password itself can be found
			text = secrets.Redact(text)
		}
	}
	return text
}

// hideSecrets takes what stands in a definition and should not, passwords in connection strings and defaults of secret
// parameters, out of what errors show.
func hideSecrets(root config.Node, err error) error {
	var all fault.List
	if !errors.As(err, &all) {
		return err
	}
	var secrets config.Secrets
	connections, _ := root.Get("connections")
	for _, c := range connections.Pairs() {
		dsn, _ := c.Value.Get("dsn")
		secrets.AddPasswords(dsn.Text())
	}
	params, _ := root.Get("params")
	for _, p := range params.Pairs() {
		if secret, _ := p.Value.Get("secret"); secret.Text() == "true" {
			value, _ := p.Value.Get("default")
			secrets.Add(value.Text())
		}
	}
	for _, secret := range writtenSecrets(root) {
		secrets.AddAddress(secret)
	}
	for _, e := range all {
		e.Snippet, e.Message, e.Hint = secrets.Mask(e.Snippet), secrets.Redact(e.Message), secrets.Redact(e.Hint)
	}
	return err
}
