package files

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"batchctl/pkg/fault"
)

// folderID returns the id in a lock folder, and draws one where there is none yet. Of two processes that do so at once
// one is first, and both return its id: the file appears under its name complete or not at all.
func folderID(folder string) (string, error) {
	path := filepath.Join(folder, "id")
	id, err := readID(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if err := drawID(folder, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", trouble("make", path, err)
	}
	return readID(path)
}

func readID(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", trouble("read", path, err)
	}
	if raw, err := hex.DecodeString(string(text)); err != nil || len(raw) != 16 {
		return "", fault.New(fault.Environment, "%s does not hold the id of a lock folder", path).
			WithHint("where no job is running, remove the folder: it will be made again")
	}
	return string(text), nil
}

func drawID(folder, path string) error {
	var id [16]byte
	rand.Read(id[:])
	draft, err := os.CreateTemp(folder, ".id-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(hex.EncodeToString(id[:]))
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := renameNew(draft.Name(), path); err != nil {
		return err
	}
	return Disk{}.syncDir(folder)
}
