// Command batchctl runs batch jobs that a YAML file describes.
package main

import (
	"os"
	_ "time/tzdata" // time zones work where the host has no zone database

	"batchctl/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
