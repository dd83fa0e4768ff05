package main_test

import (
	"context"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recordRun runs the job under strace and returns what it did to the files of its folder.
func (p *place) recordRun(t *testing.T) []diskEvent {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "strace.txt")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "strace", "-f", "-y", "-xx", "-s", "10000000", "-o", trace, "-e",
		"trace=pwrite64,write,pwritev,writev,open,openat,creat,lseek,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,close", path, "run", "job.yaml")
	c.Dir = p.folder
	c.Env = append(os.Environ(), "BATCHCTL_META=meta/batchctl.db")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("the recorded run: %v\n%s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	r := recorder{t: t, folder: p.folder, at: map[string]int64{}, begun: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		r.line(strings.TrimSuffix(line, "\n"))
	}
	return r.events
}

// recorder reads what strace says.
type recorder struct {
	t      *testing.T
	folder string
	at     map[string]int64  // where descriptors stand
	begun  map[string]string // calls that were interrupted by another thread's, by thread
	events []diskEvent
}

var (
	hexText  = regexp.MustCompile(`(?:\\x[0-9a-f]{2})+`)
	finished = regexp.MustCompile(`^(\w+)\((.*)\) += (-?\d+)`)
	named    = regexp.MustCompile(`^(\d+)<([^>]*)>`)
	quoted   = regexp.MustCompile(`"([^"]*)"`)
)

func (r *recorder) line(line string) {
	thread, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	if head, ok := strings.CutSuffix(rest, "<unfinished ...>"); ok {
		r.begun[thread] = head
		return
	}
	if strings.HasPrefix(rest, "<... ") {
		_, tail, _ := strings.Cut(rest, "resumed>")
		rest = r.begun[thread] + tail
	}
	m := finished.FindStringSubmatch(rest)
	if m == nil || m[3][0] == '-' {
		return
	}
	result, err := strconv.ParseInt(m[3], 10, 64)
	if err != nil {
		r.t.Fatalf("strace: %s", line)
	}
	r.call(m[1], strings.TrimSpace(m[2]), result)
}

// unhex turns \x61\x62 into ab.
func (r *recorder) unhex(text string) string {
	return hexText.ReplaceAllStringFunc(text, func(s string) string {
		b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
		if err != nil {
			r.t.Fatalf("strace: %s", s)
		}
		return string(b)
	})
}

func (r *recorder) add(e diskEvent) {
	inside := func(path string) bool { return strings.HasPrefix(path, r.folder+"/") }
	if e.path == r.folder || inside(e.path) && !strings.HasSuffix(e.path, "-shm") && !strings.Contains(e.path, "(deleted)") {
		r.events = append(r.events, e)
	}
}

func (r *recorder) call(name, args string, result int64) {
	descriptor, path := "", ""
	if m := named.FindStringSubmatch(args); m != nil {
		descriptor, path = m[1], r.unhex(m[2])
	}
	var texts []string
	for _, m := range quoted.FindAllStringSubmatch(args, -1) {
		texts = append(texts, m[1])
	}
	switch name {
	case "open", "openat":
		r.at[strconv.FormatInt(result, 10)] = 0
		if strings.Contains(args, "O_CREAT") {
			r.add(diskEvent{call: "create", path: r.unhex(texts[0])})
		}
		if strings.Contains(args, "O_TRUNC") {
			r.add(diskEvent{call: "truncate", path: r.unhex(texts[0])})
		}
	case "lseek":
		r.at[descriptor] = result
	case "write":
		r.add(diskEvent{call: "write", path: path, offset: r.at[descriptor], data: []byte(r.unhex(texts[0]))[:result]})
		r.at[descriptor] += result
	case "pwrite64":
		offset, err := strconv.ParseInt(args[strings.LastIndex(args, " ")+1:], 10, 64)
		if err != nil {
			r.t.Fatalf("strace: pwrite64(%s)", args)
		}
		r.add(diskEvent{call: "write", path: path, offset: offset, data: []byte(r.unhex(texts[0]))[:result]})
	case "ftruncate":
		size, err := strconv.ParseInt(args[strings.LastIndex(args, " ")+1:], 10, 64)
		if err != nil {
			r.t.Fatalf("strace: ftruncate(%s)", args)
		}
		r.add(diskEvent{call: "truncate", path: path, offset: size})
	case "fsync", "fdatasync":
		r.add(diskEvent{call: "fsync", path: path})
	case "mkdir", "mkdirat":
		r.add(diskEvent{call: "mkdir", path: r.unhex(texts[0])})
	case "unlink", "unlinkat":
		r.add(diskEvent{call: "unlink", path: r.unhex(texts[0])})
	case "rename", "renameat", "renameat2":
		r.add(diskEvent{call: "rename", path: r.unhex(texts[0]), to: r.unhex(texts[1])})
	case "close":
	default:
		r.t.Fatalf("a power cut in %s is not thought of", name)
	}
}
