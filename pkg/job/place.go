package job

import "path/filepath"

// Place says where a definition lies. All paths are absolute and clean.
type Place struct {
	Path   string // of the file
	Folder string // of the file
	Base   string // where relative paths start: Folder, or the job's workdir
}

// Place returns where the definition lies, its path taken relative to the absolute folder cwd.
func (j *Job) Place(cwd string) Place {
	p := Place{Path: absolute(cwd, j.Path)}
	p.Folder = filepath.Dir(p.Path)
	p.Base = absolute(p.Folder, j.Workdir)
	return p
}

func absolute(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}
