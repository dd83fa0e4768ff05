package cmd

import (
	"testing"

	"batchctl/pkg/config"
)

func TestAnnotationEscapesWhatEndsIt(t *testing.T) {
	t.Parallel()
	secrets := new(config.Secrets)
	secrets.Add("top%secret")
	a := &app{secrets: secrets}
	got := a.annotation(errorDocument{File: "a,b:c.yaml", Line: 3, Column: 4, Code: "x", Message: "50 %\r\nof top%secret::done", Hint: "wait"})
	want := "::error file=a%2Cb%3Ac.yaml,line=3,col=4,title=batchctl%3A x::50 %25%0D%0Aof ***::done%0Ahint: wait"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMarkdownCellsStayText(t *testing.T) {
	t.Parallel()
	if got, want := cell("a|b\n<i>*c*`d`"), "a\\|b \\<i\\>\\*c\\*\\`d\\`"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
