package cmd

import (
	"testing"
	"time"
)

func TestTimeZoneIsShownByItsName(t *testing.T) {
	_ = time.Unix(0, 0).In(time.Local).String() // the host's zone is looked up once, before TZ is changed
	for tz, want := range map[string]string{"Asia/Seoul": "Asia/Seoul", ":Europe/Berlin": "Europe/Berlin", "": "UTC", "UTC": "UTC", "Nowhere/Atall": "Local"} {
		t.Setenv("TZ", tz)
		if got := localZone().String(); got != want {
			t.Errorf("TZ=%s: got %s, want %s", tz, got, want)
		}
	}
}

func TestTimeZoneWithoutANameIsShownByItsOffset(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local)
	if got, want := zoneText("Local", now), now.Format("-07:00")+" (the host's)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := zoneText("Asia/Seoul", now); got != "Asia/Seoul" {
		t.Errorf("got %s", got)
	}
}
