package store

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

var faults = flag.Int("faults", 2, "how many calls of each kind TestFaults makes fail, one at a time; 0: every one")

// faultyCalls are the system calls by which a ledger reaches the disk. write is the
// guard's file (and the victim's reports, which then are not heard), rename its name.
var faultyCalls = []string{"pwrite64", "fdatasync", "fsync", "write", "/^rename"}

// Each call to the disk fails once, with an error, or is the last one that the process
// makes. The full count:
//
//	go test ./ledger/store -run TestFaults -v -timeout 30m -args -faults 0
func TestFaults(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed, which makes system calls fail (apt-get install strace)")
	}
	if out, err := exec.Command("strace", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
	for _, call := range faultyCalls {
		for _, fault := range []string{"error=EIO", "error=ENOSPC", "signal=SIGKILL"} {
			t.Run(call+" "+fault, func(t *testing.T) {
				total := countCalls(t, call)
				whens := everyCall(total)
				acknowledged, lost := 0, 0
				for _, when := range whens {
					h := faultyVictim(t, call, fmt.Sprintf("%s:when=%d", fault, when))
					acknowledged += len(h.done)
					lost += 12 - len(h.done)
				}
				t.Logf("%d of %d calls: %d appends acknowledged and there, %d not acknowledged", len(whens), total, acknowledged, lost)
			})
		}
	}
}

// everyCall gives the calls that are to fail: all, or as many as the flag says, spread.
func everyCall(total int) (whens []int) {
	step := 1
	if *faults > 0 {
		step = max(1, total / *faults)
	}
	for when := 1 + step/2; when <= total; when += step {
		whens = append(whens, when)
	}
	return whens
}

// countCalls gives how many calls of a kind the victim makes when none fails.
func countCalls(t *testing.T, call string) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	victimLog(t, path)
	trace := filepath.Join(t.TempDir(), "trace")
	out, err := exec.Command("strace", "-f", "-qq", "-o", trace, "-e", "trace="+call, os.Args[0], victimSteps, path, "count").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines, err := os.ReadFile(trace)
	mustDo(t, err)
	n := 0
	for line := range bytes.Lines(lines) {
		if bytes.Contains(line, []byte(" = ")) && !bytes.Contains(line, []byte("unfinished ...")) {
			n++
		}
	}
	if n == 0 {
		t.Fatalf("no call of %s among: %s", call, lines)
	}
	return n
}

// faultyVictim runs a victim with one fault, and holds its log to what it said.
func faultyVictim(t *testing.T, call, fault string) *heard {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.db")
	victimLog(t, path)
	cmd := exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace="+call, "-e", "inject="+call+":"+fault, os.Args[0], victimSteps, path, "fault")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	mustDo(t, err)
	mustDo(t, cmd.Start())
	h := newHeard()
	h.listen(out)
	_ = cmd.Wait() // it may have been killed, or fail to close
	if strings.Contains(stderr.String(), "panic") {
		t.Errorf("%s: the victim panicked: %s", fault, stderr.String())
	}
	survived(t, path, h)
	return h
}

// mountTmpfs gives a small file system of its own.
func mountTmpfs(t *testing.T, size string) (dir string, remount func(options string)) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small file system cannot be mounted here, which needs root: %v", err)
	}
	t.Cleanup(func() { mustDo(t, syscall.Unmount(dir, 0)) })
	return dir, func(options string) {
		t.Helper()
		out, err := exec.Command("mount", "-o", "remount,"+options, dir).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// On a full disk an append fails and says why; nothing that was acknowledged is lost,
// and with more room the log goes on.
func TestDiskFull(t *testing.T) {
	dir, remount := mountTmpfs(t, "1m")
	path := filepath.Join(dir, "ledger.db")
	victimLog(t, path)
	s, err := Open(path, Options{Verify: ledgertest.Verify})
	mustDo(t, err)
	circuit, epoch := victimEntries(t)
	h := newHeard()
	for i := 0; err == nil; i++ {
		e := ledgertest.ProofEntry(t, circuit, epoch, fmt.Sprint("full ", i))
		var indexes []uint64
		if indexes, err = s.Append(t.Context(), e); err == nil {
			h.done[entryHash(ledgertest.Marshal(t, e))] = indexes[0]
		}
		if i > 100_000 {
			t.Fatal("the disk is never full")
		}
	}
	if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v; want ErrFailed and ENOSPC", err)
	}
	key, err := logSigner(t)
	mustDo(t, err)
	if _, err := s.Append(t.Context(), entries(t)[4]); !errors.Is(err, ErrFailed) {
		t.Errorf("an append afterwards: %v; want ErrFailed", err)
	}
	if _, err := s.PublishCheckpoint(key); !errors.Is(err, ErrFailed) {
		t.Errorf("a checkpoint afterwards: %v; want ErrFailed", err)
	}
	if data, err := s.Entry(3); err != nil || !bytes.Equal(data, ledgertest.Marshal(t, epoch)) {
		t.Errorf("reading afterwards: %v", err)
	}
	if _, err := s.Backup(filepath.Join(dir, "copy.db")); err == nil || !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		t.Errorf("a backup: %v; want ENOSPC", err)
	}
	mustDo(t, s.Close())
	noDebris(t, dir, "ledger.db")
	remount("size=20m")
	survived(t, path, h)
	t.Logf("%d entries were acknowledged before the disk was full", len(h.done))
}

// On a file system that cannot be written a log is opened for reading, and checked.
func TestReadOnlyDisk(t *testing.T) {
	dir, remount := mountTmpfs(t, "20m")
	path := filepath.Join(dir, "ledger.db")
	victimLog(t, path)
	remount("ro")
	if _, err := Open(path, options()); !errors.Is(err, syscall.EROFS) {
		t.Errorf("%v; want EROFS", err)
	}
	s, err := Open(path, Options{ReadOnly: true, Verify: ledgertest.Verify})
	mustDo(t, err)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	mustDo(t, s.Close())
}

// A guard that cannot be written keeps the checkpoint from being published.
func TestGuardCannotBeWritten(t *testing.T) {
	s := newStore(t)
	fill(t, s, 4)
	key, vkey := signer(t)
	old := publish(t, s, key)
	fillMore(t, s, 1)
	mustDo(t, os.Mkdir(GuardPath(s.path)+".d", 0o700))
	mustDo(t, os.Rename(GuardPath(s.path), GuardPath(s.path)+".d/guard"))
	mustDo(t, os.Mkdir(GuardPath(s.path), 0o700)) // no file can take its name
	if _, err := s.PublishCheckpoint(key); err == nil {
		t.Error("published without a guard")
	}
	if signed, err := s.Checkpoint(); err != nil || !bytes.Equal(signed, old) {
		t.Errorf("the published checkpoint is %q, %v", signed, err)
	}
	mustDo(t, os.Remove(GuardPath(s.path)))
	mustDo(t, os.Rename(GuardPath(s.path)+".d/guard", GuardPath(s.path)))
	if c, err := ledger.OpenCheckpoint(publish(t, s, key), vkey); err != nil || c.Size != 5 {
		t.Errorf("afterwards: %+v, %v", c, err)
	}
	if !slices.Contains(files(t, filepath.Dir(s.path)), "ledger.db.guard") {
		t.Error("no guard")
	}
}
