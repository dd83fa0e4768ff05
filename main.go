// Command batchctl runs batch jobs that a YAML file describes.
package main

import (
	"os"
	"runtime/debug"
	_ "time/tzdata" // time zones work where the host has no zone database

	"batchctl/cmd"
)

// garbagePercent is how much garbage there may be beside what is in use before it is collected. With Go's 100 a long step takes
// a tenth more memory than a short one, and no less time (docs/design.md, 39).
const garbagePercent = 75

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
