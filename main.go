// Command batchctl runs batch jobs that a YAML file describes.
package main

import (
	"os"
	"runtime/debug"
	_ "time/tzdata" // time zones work where the host has no zone database

	"batchctl/cmd"
)

// garbagePercent is how much garbage there may be beside what is in use: less than Go's 100, because a step makes little, and makes
// the more of it the longer it runs until there is so much.
const garbagePercent = 75

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
