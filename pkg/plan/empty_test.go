package plan

import (
	"os"
	"path/filepath"
	"testing"
)

// What a file without records is, and what is made of it: with its columns known from its header, or from the definition.
func TestFileWithoutRecordsIsLoadedWhole(t *testing.T) {
	t.Parallel()
	inputs := map[string]string{
		"header only": "id,name\n", "header without a line end": "id,name", "header and a byte order mark": "\ufeffid,name\r\n",
		"header and blank lines": "id,name\n\n\n", "no bytes": "", "a blank line": "\n", "a byte order mark": "\ufeff",
	}
	readers := map[string]string{
		"columns of the header": "{type: csv, path: in.csv}", "types": "{type: csv, path: in.csv, columns: {id: int}}",
		"names": "{type: csv, path: in.csv, columns: [id, name]}",
	}
	for name, text := range inputs {
		for kind, reader := range readers {
			onScene(t, name+", "+kind, func(s *scene) {
				s.write("in.csv", text)
				s.table("")
				s.job(`steps:
  - name: load
    reader: ` + reader + `
    processors: [{set: {twice: name + name}}, {filter: id != nil}]
    writer:
      type: all
      writers:
        - {type: sql, connection: shop, table: t, columns: [id, name]}
        - {type: csv, path: out.csv, columns: [id, twice], footer: "rows ${counters.write_count}"}
        - {type: json, path: out.json}
        - {type: jsonl, path: out.jsonl}
`)
				o := s.completes(s.run())
				s.counts(o, "")
				s.rows("")
				for path, want := range map[string]string{"out.csv": "id,twice\nrows 0\n", "out.json": "[\n]\n", "out.jsonl": ""} {
					got, err := os.ReadFile(filepath.Join(s.folder, path))
					if err != nil || string(got) != want {
						s.Errorf("%s: got %q, %v, want %q", path, got, err, want)
					}
				}
			})
		}
	}
}
