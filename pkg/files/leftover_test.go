package files

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestRemovePartialsTakesThoseOfItsOwnerThatNobodyWrites(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	kept := []string{"out.csv", ".out.csv.other-1.partial", ".out.csv.mine-x.partial", ".out.csv.mine-1.partial.bak", "out.csv.mine-1.partial"}
	for _, name := range append([]string{".out.csv.mine-1.partial", ".more.json.mine-12.partial"}, kept...) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open, err := Begin(Output{Path: filepath.Join(folder, "live.csv"), Owner: "mine", Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	removed, err := RemovePartials(folder, "mine", Disk{})
	want := []string{filepath.Join(folder, ".more.json.mine-12.partial"), filepath.Join(folder, ".out.csv.mine-1.partial")}
	if err != nil || !slices.Equal(removed, want) {
		t.Errorf("removed %v, %v, want %v", removed, err, want)
	}
	for _, name := range append(kept, ".live.csv.mine-3.partial") {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if removed, err := RemovePartials(filepath.Join(folder, "missing"), "mine", Disk{}); removed != nil || err != nil {
		t.Errorf("a missing folder: %v, %v", removed, err)
	}
}
