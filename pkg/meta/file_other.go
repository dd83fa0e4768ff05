//go:build !linux

package meta

func checkFilesystem(string) error { return nil }
