package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/fault"
)

// copying is a job that copies from a reader to a writer and fails at some records in its first run.
func copying(chunk int, at, reader, writer string) string {
	return fmt.Sprintf("steps:\n  - name: load\n    chunk: %d\n    reader: %s\n    processors: [fault: {at: %s, runs: 1}]\n    writer: %s\n", chunk, reader, at, writer)
}

// csvOf is what in.csv and its copies look like.
func csvOf(ids string) string {
	text := "id,name\n"
	for _, id := range strings.Fields(ids) {
		text += id + ",n" + id + "\n"
	}
	return text
}

func TestSpringScenariosOfFileWriters(t *testing.T) {
	t.Parallel()
	onScene(t, "D7.63 lines, one footer, and the count of all over a restart", func(s *scene) {
		s.input("1 2 3 4 5 6 7 8")
		s.job(copying(5, "7", "@reader", `{type: csv, path: out/a.csv, footer: "${counters.write_count} records"}`))
		s.counts(s.fails("planned")(s.run()), "r5 w5 c1 rb1")
		s.completes(s.restart())
		s.file("out/a.csv", csvOf("1 2 3 4 5 6 7 8")+"8 records\n")
	})
	onScene(t, "D7.64 positions are bytes, not characters, and there is one byte order mark", func(s *scene) {
		text := "\ufeffid,name\n1,가나다\n2,Ærøskøbing\n3,\"𝛑, 二\"\n4,x\n"
		s.write("in.csv", text)
		s.job(copying(1, "3", "{type: csv, path: in.csv}", "{type: csv, path: out/a.csv}"))
		s.fails("planned")(s.run())
		s.completes(s.restart())
		s.file("out/a.csv", strings.TrimPrefix(text, "\ufeff"))
	})
	for _, path := range []string{"a.csv", "a.jsonl"} {
		onScene(t, "D7.65 behind an appended file, what came after the checkpoint is cut off: "+path, func(s *scene) {
			before := map[string]string{"a.csv": csvOf("-1"), "a.jsonl": `{"id":-1,"name":"n-1"}` + "\n"}[path]
			after := map[string]string{"a.csv": "1,n1\n2,n2\n3,n3\n4,n4\n", "a.jsonl": lines("1 2 3 4")}[path]
			s.write("out/"+path, before)
			s.input("1 2 3 4")
			s.job(copying(2, "99", "@reader", "{type: "+path[2:]+", path: out/"+path+", append: true}"))
			s.fused("ledger.commit.before", 2)
			if _, err := s.run(); err == nil {
				s.Fatal("the run completed")
			}
			s.file("out/"+path, before)
			s.completes(s.restart())
			s.file("out/"+path, before+after)
		})
	}
	for name, at := range map[string]string{"first": "1", "second": "3"} {
		onScene(t, "D7.66 the header stands once after a failure in the "+name+" chunk", func(s *scene) {
			s.input("1 2 3 4")
			s.job(copying(2, at, "@reader", "{type: csv, path: out/a.csv}"))
			s.fails("planned")(s.run())
			if _, err := os.Stat(filepath.Join(s.folder, "out/a.csv")); err == nil {
				s.Error("the file is there before the step is complete")
			}
			s.completes(s.restart())
			s.file("out/a.csv", csvOf("1 2 3 4"))
		})
	}
	onScene(t, "D7.67 a file with nothing in it is written all the same, one with earlier rows stays", func(s *scene) {
		s.input("")
		s.write("out/b.csv", csvOf("7"))
		s.job("steps:\n  - {name: load, reader: @reader, writer: {type: all, writers: [{type: csv, path: out/a.csv, columns: [id, name]}, {type: csv, path: out/b.csv, append: true}, {type: jsonl, path: out/c.jsonl}]}}\n")
		s.completes(s.run())
		s.file("out/a.csv", csvOf(""))
		s.file("out/b.csv", csvOf("7"))
		s.file("out/c.jsonl", "")
	})
	onScene(t, "D7.67 of a chunk with a record that cannot be written nothing is written", func(s *scene) {
		s.input("1 2 3 4")
		s.job(copying(2, "99", "@reader", "{type: fault, at: 4, runs: 1, class: validation, writer: {type: csv, path: out/a.csv}}"))
		s.counts(s.fails("planned")(s.run()), "r2 w2 c1 rb1")
		s.completes(s.restart())
		s.file("out/a.csv", csvOf("1 2 3 4"))
	})
	onScene(t, "D7.67 a record that a file refuses is left out, and the others of its chunk stand once", func(s *scene) {
		s.input("1 2 3 4 5 6")
		s.job(copying(3, "99", "@reader", "{type: fault, at: [2, 6], class: validation, writer: {type: csv, path: out/a.csv}}") +
			"    skip: {limit: 2}\n    dead_letter: {type: csv, path: out/rejected.csv, columns: [ordinal, phase, message]}\n")
		s.counts(s.completes(s.run()), "r6 w4 c2 rb4 ws2")
		s.file("out/a.csv", csvOf("1 3 4 5"))
		s.file("out/rejected.csv", "ordinal,phase,message\n2,write,planned failure\n6,write,planned failure\n")
	})
	onScene(t, "D7.69 a JSON array is one after a restart", func(s *scene) {
		s.input("1 2 3 4 5")
		s.job(copying(2, "4", "@reader", "{type: json, path: out/a.json}"))
		s.fails("planned")(s.run())
		s.completes(s.restart())
		text, err := os.ReadFile(filepath.Join(s.folder, "out/a.json"))
		var all []struct{ ID int }
		if err != nil || json.Unmarshal(text, &all) != nil || len(all) != 5 || all[4].ID != 5 || strings.Count(string(text), "[") != 1 {
			s.Errorf("got %v\n%s", err, text)
		}
	})
	onScene(t, "D7.69 a sync that fails is repeated by a restart, not doubled", func(s *scene) {
		s.input("1 2 3 4")
		s.job(copying(2, "99", "@reader", "{type: fault, at: 3, on: flush, runs: 1, class: environment, message: the disk is full, writer: {type: json, path: out/a.json}}"))
		s.fails("the disk is full")(s.run())
		s.completes(s.restart())
		s.file("out/a.json", "[\n"+strings.ReplaceAll(strings.TrimSuffix(lines("1 2 3 4"), "\n"), "\n", ",\n")+"\n]\n")
	})
}

// lines are records of in.csv as JSON.
func lines(ids string) (text string) {
	for _, id := range strings.Fields(ids) {
		text += `{"id":` + id + `,"name":"n` + id + `"}` + "\n"
	}
	return text
}

func TestSpringScenariosOfReaders(t *testing.T) {
	t.Parallel()
	for name, reader := range map[string]string{
		"a query":          "{type: sql, connection: shop, query: 'select id, name from s order by id'}",
		"a query by key":   "{type: sql, connection: shop, query: 'select id, name from s', keyset: [id]}",
		"a query by pages": "{type: sql, connection: shop, query: 'select id, name from s', keyset: [id], page: 2}",
	} {
		eachScene(t, "D7.70 a restart goes on behind what was committed, also several times: "+name, func(s *scene) {
			s.table("")
			s.exec("create table s (id integer primary key, name text)")
			s.exec("insert into s values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'f'), (7, 'g')")
			s.job(strings.Replace(copying(2, "[2, 3, 6]", reader, "@table"), "runs: 1", "runs: 3", 1))
			s.counts(s.fails("planned")(s.run()), "rb1")
			s.rows("")
			s.job(strings.Replace(copying(2, "[3, 6]", reader, "@table"), "runs: 1", "runs: 3", 1))
			o, err := s.acceptChanges()
			s.counts(s.fails("planned")(o, err), "r2 w2 c1 rb1")
			s.job(strings.Replace(copying(2, "[6]", reader, "@table"), "runs: 1", "runs: 3", 1))
			o, err = s.acceptChanges()
			s.counts(s.fails("planned")(o, err), "r2 w2 c1 rb1")
			s.rows("1 2 3 4")
			s.counts(s.completes(s.restart()), "r3 w3 c2")
			s.rows("1 2 3 4 5 6 7")
		})
	}
	onScene(t, "D7.71 positions count records, not lines, and skipped lines do not count", func(s *scene) {
		s.write("in.csv", "made by hand\nid,name\n1,\"two\nlines\"\n2,\"three\n\nlines\"\n3,c\n4,d\n")
		s.job(copying(1, "3", "{type: csv, path: in.csv, skip_lines: 1}", "{type: csv, path: out/a.csv}"))
		s.counts(s.fails("in.csv:8: planned")(s.run()), "r2 w2 c2 rb1")
		s.counts(s.completes(s.restart()), "r2 w2 c2")
		s.file("out/a.csv", "id,name\n1,\"two\nlines\"\n2,\"three\n\nlines\"\n3,c\n4,d\n")
	})
	for at := 1; at <= 8; at++ {
		onScene(t, fmt.Sprintf("D7.72 a restart goes on in the right one of several files: at record %d", at), func(s *scene) {
			for i, ids := range []string{"1 2 3", "4 5", "6 7 8"} {
				s.write(fmt.Sprintf("in/%d.csv", i), csvOf(ids))
			}
			s.job(copying(2, fmt.Sprint(at), "{type: csv, path: 'in/*.csv'}", "{type: csv, path: out/a.csv}"))
			s.fails("planned")(s.run())
			s.completes(s.restart())
			s.file("out/a.csv", csvOf("1 2 3 4 5 6 7 8"))
		})
	}
	onScene(t, "D7.73 a record that was read ahead and not committed is read again", func(s *scene) {
		s.input("1 2 3 4 5 6 7 8")
		s.table("")
		s.job(copying(2, "99", "@reader", "@table"))
		s.fused("ledger.commit.before", 2) // by then the third chunk has been read
		if _, err := s.run(); err == nil {
			s.Fatal("the run completed")
		}
		s.counts(s.completes(s.restart()), "r6 w6 c3")
		s.rows("1 2 3 4 5 6 7 8")
	})
	eachScene(t, "D7.75 a statement that changes no row is an error of its record", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.exec("insert into t values (1, 'x'), (3, 'z')")
		s.job(copying(3, "99", "@reader", "{type: sql, connection: shop, statement: 'update t set name = :name where id = :id', expect_rows: 1}") +
			"    skip: {limit: 1}\n    dead_letter: @letters\n")
		s.counts(s.completes(s.run()), "r3 w2 c1 rb1 ws1")
		s.letters("2:write")
		s.holds("select name from t order by id", "n1 n3")
	})
	onScene(t, "D2.24 the reader is not asked again behind the end", func(s *scene) {
		s.input("1 2 3 4 5")
		s.table("")
		s.job(copying(2, "99", "@reader", "@table"))
		fuse := s.fused("never", 1)
		s.completes(s.run())
		reads := 0
		for _, point := range fuse.Points() {
			if point.Name == "reader.read" {
				reads++
			}
		}
		if reads != 6 {
			s.Errorf("got %d reads of 5 records, want 6", reads)
		}
	})
	onScene(t, "D2.23 a chunk that is undone does not move the checkpoint", func(s *scene) {
		s.input("1 2 3 4")
		s.table("")
		s.job(copying(2, "99", "@reader", "{type: fault, at: 3, runs: 1, class: internal, writer: @table}"))
		s.fails("planned")(s.run())
		s.holds("select ordinal from batchctl_checkpoint", "2")
		s.completes(s.restart())
		s.holds("select ordinal from batchctl_checkpoint", "4")
	})
	onScene(t, "D7.78 what a step exports is there for later steps when it has completed, and not before", func(s *scene) {
		s.input("1 2 3")
		s.job("steps:\n  - name: load\n    reader: @reader\n    writer: {type: discard}\n    check: [counters.write_count == 4]\n    export: {total: counters.write_count}\n" +
			"  - {name: second, reader: @reader, processors: [filter: id < context.total], writer: {type: jsonl, path: out/a.jsonl}}\n")
		o, err := s.run()
		if err == nil || o.Execution.Context["total"] != nil {
			s.Errorf("got %v, %s", err, o.Execution.Context["total"])
		}
		s.input("1 2 3 4")
		o, err = s.engine().Run(s.Context(), RunRequest{Path: "job.yaml", Drift: Drift{Fresh: true}}, Watcher{Observer: nobody{}})
		s.completes(o, err)
		s.file("out/a.jsonl", lines("1 2 3"))
	})
}

func (s *scene) acceptChanges() (*Outcome, error) {
	s.Helper()
	return s.engine().Restart(s.Context(), RestartRequest{Drift: Drift{AcceptChanges: true}}, Watcher{Observer: nobody{}})
}

// What Spring Batch does wrong is listed by number in docs/spring-batch.md; those below have no scenario of their own.
func TestSpringDefects(t *testing.T) {
	t.Parallel()
	eachScene(t, "E1 a kill at any point of an isolation loses nothing", func(s *scene) {
		for _, point := range []string{"tx.savepoint", "tx.rollback_to", "tx.release", "ledger.commit.before"} {
			for n := 1; n <= 3; n++ {
				s.exec("drop table if exists t")
				s.exec("drop table if exists batchctl_checkpoint")
				s.exec("drop table if exists letters")
				if err := os.RemoveAll(filepath.Join(s.folder, "meta")); err != nil {
					s.Fatal(err)
				}
				s.input("1 2 3 4 5 6 7 8")
				s.table("3 6")
				s.job(load(4, "[]", "    skip: {limit: 5}\n    dead_letter: @letters\n"))
				fuse := s.fused(point, n)
				_, err := s.run()
				if _, blown := fuse.Blown(); blown && err != nil {
					_, err = s.restart()
				}
				if err != nil {
					s.Fatalf("%s#%d: %v", point, n, err)
				}
				s.rows("1 2 4 5 7 8")
				s.letters("3:write 6:write")
			}
		}
	})
	onScene(t, "E5 a launch whose parameters are refused leaves no instance behind", func(s *scene) {
		s.input("1")
		s.table("")
		s.job("params: {day: {type: date, required: true}}\n" + load(1, "[]", ""))
		for _, given := range []string{"day=tuesday", "dya=2026-11-20"} {
			if o, err := s.run(given); o != nil || fault.ClassOf(err) != fault.Definition {
				s.Errorf("%s: got %v, %v", given, o, err)
			}
		}
		s.executions("")
		s.completes(s.run("day=2026-11-20"))
	})
	eachScene(t, "E6 after a commit that failed the status is recorded all the same", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.job(load(1, "[]", ""))
		s.fused("ledger.commit.before", 2)
		o, err := s.run()
		if err == nil || o.Execution.Status != "FAILED" {
			s.Fatalf("got %v, %v", o, err)
		}
		s.executions("FAILED")
		s.completes(s.restart())
		s.rows("1 2 3")
	})
	eachScene(t, "E12 rows of a failed attempt are not there at the next one", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.job(strings.Replace(load(3, "[]", "    retry: {max_retries: 2}\n"), "@table", `{type: fault, at: 3, times: 2, code: "40P01", writer: @table}`, 1))
		s.counts(s.completes(s.run()), "r3 w3 c1 rb2 retry2")
		s.rows("1 2 3")
	})
	onScene(t, "E15 the letter of a record commits with its chunk", func(s *scene) {
		s.input("1 2 3 4")
		s.table("")
		s.job(load(2, "[fault: {at: [1, 3]}]", "    skip: {limit: 5}\n    dead_letter: @letters\n"))
		s.fused("ledger.commit.before", 2)
		if _, err := s.run(); err == nil {
			s.Fatal("the run completed")
		}
		s.letters("1:process")
		s.completes(s.restart())
		s.letters("1:process 3:process")
	})
}
