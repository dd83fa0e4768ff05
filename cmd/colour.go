package cmd

import "os"

// colours decides whether failures are written in red on standard error: by --no-color, NO_COLOR (no-color.org) and
// CLICOLOR_FORCE, in this order, else on a terminal.
func (a *app) colours() bool {
	switch {
	case a.global.noColor || os.Getenv("NO_COLOR") != "":
		return false
	case os.Getenv("CLICOLOR_FORCE") != "" && os.Getenv("CLICOLOR_FORCE") != "0":
		return true
	}
	return a.tty
}

// red returns text in red where colours are wanted.
func (a *app) red(text string) string {
	if !a.colours() {
		return text
	}
	return "\x1b[31m" + text + "\x1b[0m"
}
