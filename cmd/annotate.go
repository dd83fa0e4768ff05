package cmd

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

// maxAnnotations is how many annotations GitHub shows for a step of a workflow.
const maxAnnotations = 10

func onGitHub() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// annotate says errors to GitHub Actions, which shows them at their lines (workflow command "error").
func (a *app) annotate(err error) {
	if !onGitHub() {
		return
	}
	a.annotateEach(plan.SummarizeErrors(err))
}

// annotateAll annotates what is wrong with several definitions.
func (a *app) annotateAll(documents []validateDocument) {
	for _, d := range documents {
		if onGitHub() {
			a.annotateEach(d.Errors)
		}
	}
}

func (a *app) annotateEach(errors []errorDocument) {
	for _, e := range errors {
		if a.annotations++; a.annotations > maxAnnotations {
			return
		}
		fmt.Fprintln(a.stderr, a.annotation(e))
	}
}

func (a *app) annotation(e errorDocument) string {
	var properties []string
	if e.File != "" {
		properties = append(properties, "file="+escapeProperty(a.secrets.Redact(e.File)))
	}
	if e.Line > 0 {
		properties = append(properties, fmt.Sprintf("line=%d", e.Line))
	}
	if e.Column > 0 {
		properties = append(properties, fmt.Sprintf("col=%d", e.Column))
	}
	title := "batchctl"
	if e.Code != "" {
		title += ": " + e.Code
	}
	properties = append(properties, "title="+escapeProperty(title))
	message := e.Message
	if e.Hint != "" {
		message += "\nhint: " + e.Hint
	}
	return "::error " + strings.Join(properties, ",") + "::" + escapeData(a.secrets.Redact(message))
}

// escapeData and escapeProperty escape as the toolkit of GitHub Actions does (actions/toolkit, command.ts).
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

// stepSummary appends the summary of a run to the page of the workflow's step.
func (a *app) stepSummary(d runDocument) error {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if !onGitHub() || path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fault.Wrap(fault.Environment, err, "step summary")
	}
	_, err = f.WriteString(markdown(d) + "\n")
	return errors.Join(err, f.Close())
}
