package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/fault"
)

func TestHeaderOfTheInputIsHandedOnOverRestarts(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"one worker": "", "three workers": "    workers: 3\n"} {
		onScene(t, name, func(s *scene) {
			s.write("in/a.csv", "REPORT of Kim\nid,name\n1,n1\n2,n2\n")
			s.write("in/b.csv", "REPORT of Lee\nid,name\n3,n3\nx,n4\n")
			s.job("steps:\n  - name: copy\n    chunk: 1\n" + more +
				"    reader: {type: csv, path: in/*.csv, skip_lines: 1, columns: {id: int}}\n" +
				"    writer: {type: csv, path: out.csv, header: \"${input.header}\", footer: \"# ${input.header}\"}\n")
			s.fails("is not an int")(s.run())
			s.write("in/b.csv", "REPORT of Lee\nid,name\n3,n3\n4,n4\n")
			s.completes(s.run())
			got, err := os.ReadFile(filepath.Join(s.folder, "out.csv"))
			const want = "REPORT of Kim\nid,name\n1,n1\n2,n2\n3,n3\n4,n4\n# REPORT of Kim\nid,name\n"
			if err != nil || string(got) != want {
				t.Errorf("got %v\n%s", err, got)
			}
		})
	}
}

func TestHeaderOfAnInputThatHasNoneIsRefused(t *testing.T) {
	t.Parallel()
	onScene(t, "refused", func(s *scene) {
		for reader, writer := range map[string]string{
			"{type: inline, records: [{a: 1}]}": `{type: csv, path: out.csv, header: "${input.header}"}`,
			"{type: jsonl, path: in.jsonl}":     `{type: all, writers: [{type: csv, path: out.csv, footer: "x ${input.header}"}]}`,
		} {
			s.job("steps:\n  - name: copy\n    reader: " + reader + "\n    writer: " + writer + "\n")
			_, err := s.run()
			if err == nil || !strings.Contains(err.Error(), "has no header") || fault.HintOf(err) == "" {
				t.Errorf("%s: got %v", reader, err)
			}
		}
	})
}

func TestHeaderRecordComparesWithParameters(t *testing.T) {
	t.Parallel()
	onScene(t, "day", func(s *scene) {
		s.write("in.csv", "H,2026-11-20\nid,name\n1,n1\n")
		s.exec("create table t (day text, id integer primary key, name text)")
		s.job("params:\n  day: {type: date, required: true}\nsteps:\n  - name: load\n    writer: @table\n" +
			"    reader: {type: csv, path: in.csv, columns: {id: int}, header_record: {match: ^H, columns: {kind: text, day: date}, add: [day], expect: day == params.day}}\n")
		s.fails("the file is not the one expected")(s.run("day=2026-11-21"))
		s.completes(s.run("day=2026-11-20"))
		s.holds("select day || ' ' || id || ' ' || name from t", "2026-11-20 1 n1")
	})
}
