package cmd

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// A reportForm writes the summary of a run as the text of a file.
type reportForm func(runDocument) ([]byte, error)

var reportForms = map[string]reportForm{
	".json": jsonReport,
	".xml":  junitReport,
	".md":   func(d runDocument) ([]byte, error) { return []byte(markdown(d)), nil },
}

// report is the file that --report asks for; nil where it was not given.
type report struct {
	path string
	form reportForm
}

// newReport refuses before the job starts what could not be written after it.
func newReport(c *cobra.Command, path string) (*report, error) {
	if path == "" {
		return nil, nil
	}
	form, ok := reportForms[strings.ToLower(filepath.Ext(path))]
	if !ok {
		return nil, usageError(c, "--report: the ending of %q names no form of a report", path).
			WithHint("known: .json, .xml for JUnit, .md for Markdown")
	}
	r := &report{path, form}
	probe, err := r.temporary()
	if err != nil {
		return nil, err
	}
	return r, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func (r *report) temporary() (*os.File, error) {
	if info, err := os.Stat(r.path); err == nil && info.IsDir() {
		return nil, fault.New(fault.Environment, "--report: %s is a folder", r.path)
	}
	f, err := os.CreateTemp(filepath.Dir(r.path), "."+filepath.Base(r.path)+".*")
	if err != nil {
		return nil, fault.Wrap(fault.Environment, cause(err), "--report: no file can be made in folder %s", filepath.Dir(r.path))
	}
	return f, nil
}

// cause is the reason within an error of the file system, without the operation and the path that the message names.
func cause(err error) error {
	var inner *os.PathError
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// write replaces the file in one step: nobody reads half a report.
func (r *report) write(d runDocument) error {
	if r == nil {
		return nil
	}
	text, err := r.form(d)
	if err != nil {
		return err
	}
	f, err := r.temporary()
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), r.path)
	}
	if err != nil {
		return errors.Join(fault.Wrap(fault.Environment, cause(err), "--report: write %s", r.path), os.Remove(f.Name()))
	}
	return nil
}

func jsonReport(d runDocument) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(d)
	return b.Bytes(), err
}

// The elements of a JUnit report that CI systems agree on: a suite for the job, a case for each step.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       float64         `xml:"time,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    float64       `xml:"time,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

func junitReport(d runDocument) ([]byte, error) {
	suite := junitSuite{Name: d.Job, Time: d.Seconds, Properties: []junitProperty{{"status", string(d.Status)}, {"execution_id", fmt.Sprint(d.ExecutionID)}}}
	for _, name := range sortedKeys(d.Parameters) {
		suite.Properties = append(suite.Properties, junitProperty{"parameter." + name, d.Parameters[name]})
	}
	told := false
	for _, s := range d.Steps {
		if s.PartitionOf != "" {
			continue
		}
		one := junitCase{Name: s.Name, Class: d.Job, Time: s.Seconds, Out: countersText(s.Counters)}
		switch {
		case s.Repeated:
			one.Skipped = &junitMessage{Message: "completed by an earlier execution"}
			suite.Skipped++
		case s.Status != batch.Completed:
			one.Failure, told = junitErrors(d), true
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, one)
	}
	if (d.Status != batch.Completed || len(d.Errors) > 0) && !told {
		suite.Cases = append(suite.Cases, junitCase{Name: "job", Class: d.Job, Error: junitErrors(d)})
		suite.Errors++
	}
	suite.Tests = len(suite.Cases)
	text, err := xml.MarshalIndent(junitSuites{Suite: suite}, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}

func junitErrors(d runDocument) *junitMessage {
	m := &junitMessage{Message: string(d.Status)}
	for i, e := range d.Errors {
		if i == 0 {
			m.Message, m.Type = e.Message, string(e.Class)
		}
		m.Text += e.Message + "\n"
		if e.Hint != "" {
			m.Text += "hint: " + e.Hint + "\n"
		}
	}
	return m
}

func countersText(counters map[string]int64) string {
	var parts []string
	for _, name := range sortedKeys(counters) {
		parts = append(parts, fmt.Sprintf("%s=%d", name, counters[name]))
	}
	return strings.Join(parts, " ")
}
