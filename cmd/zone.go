package cmd

import (
	"os"
	"strings"
	"time"
)

// localZone is the host's time zone under its name in the zone database, where TZ or the link /etc/localtime tells it;
// otherwise the one that the runtime found, which calls itself Local.
func localZone() *time.Location {
	name, set := os.LookupEnv("TZ")
	if !set {
		target, err := os.Readlink("/etc/localtime")
		if err != nil {
			return time.Local
		}
		_, name, _ = strings.Cut(target, "zoneinfo/")
		if name == "" {
			return time.Local
		}
	}
	zone, err := time.LoadLocation(strings.TrimPrefix(name, ":"))
	if err != nil || zone.String() == "Local" {
		return time.Local
	}
	return zone
}

// zoneText names a zone for people: one without a name by its offset now.
func zoneText(name string, now time.Time) string {
	if name == "Local" {
		return now.Local().Format("-07:00") + " (the host's)"
	}
	return name
}
