package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
	"github.com/attestry/attestry/statement"
)

var kills = flag.Int("kills", 6, "how often TestKilled kills a writer")

// The test binary is its own victim: called as "store.test victim-load PATH NAME" it
// appends from several goroutines until it is killed; as "store.test victim-steps
// PATH NAME" it does a few steps one after another. It says on its standard output
// what it starts and what was acknowledged.
const (
	victimLoad  = "victim-load"
	victimSteps = "victim-steps"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if args := flag.Args(); len(args) == 3 && (args[0] == victimLoad || args[0] == victimSteps) {
		if err := victim(args[0], args[1], args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func victim(what, path, name string) error {
	t := new(testing.T) // for the entries' helpers, which fail for no reason of the disk's
	s, err := Open(path, Options{Verify: ledgertest.Verify})
	if err != nil {
		return err
	}
	key, err := logSigner(t)
	if err != nil {
		return err
	}
	v := &appender{t: t, s: s, name: name, key: key}
	if what == victimSteps {
		runtime.LockOSThread() // strace counts the calls of each thread for itself
		v.steps()
		return s.Close()
	}
	for worker := range 8 {
		go v.load(worker)
	}
	for { // until it is killed
		v.publish()
		time.Sleep(3 * time.Millisecond)
	}
}

// logSigner gives the log's key, which is the same in every process.
func logSigner(t testing.TB) (note.Signer, error) {
	skey, _ := ledgertest.LogKey(t)
	return note.NewSigner(skey)
}

// appender appends, and says what it does.
type appender struct {
	t    *testing.T
	s    *Store
	name string
	key  note.Signer
}

// load appends without end: proofs, pledges of a few records that all workers want, and
// their releases.
func (v *appender) load(worker int) {
	circuit, epoch := victimEntries(v.t)
	for i := 0; ; i++ {
		question := fmt.Sprintf("%s %d %d", v.name, worker, i)
		if i%2 == 0 {
			v.append(ledgertest.ProofEntry(v.t, circuit, epoch, question))
			continue
		}
		record := fmt.Sprintf("%s %d", v.name, i%5)
		pledge := ledgertest.PledgeEntry(v.t, circuit, epoch, ledgertest.ScopeHolder, record, question, "issuer")
		if index, ok := v.append(pledge); ok && i%3 > 0 {
			v.append(ledgertest.ReleaseEntry(v.t, pledge, index, question))
		}
	}
}

// steps appends twelve times, some entries at once, and publishes four times.
func (v *appender) steps() {
	circuit, epoch := victimEntries(v.t)
	for i := range 12 {
		question := fmt.Sprintf("%s step %d", v.name, i)
		pledge := ledgertest.PledgeEntry(v.t, circuit, epoch, ledgertest.ScopeHolder, question, question, "issuer")
		v.append(pledge)
		if i%3 == 2 {
			v.publish()
		}
	}
}

// victimEntries gives the circuit and the epoch that every log of these tests begins with.
func victimEntries(t testing.TB) (*ledger.CircuitEntry, *ledger.EpochEntry) {
	all := ledgertest.Log(t)
	return all[1].Entry.(*ledger.CircuitEntry), all[3].Entry.(*ledger.EpochEntry)
}

func (v *appender) append(e ledger.Entry) (uint64, bool) {
	hash := entryHash(ledgertest.Marshal(v.t, e))
	v.say("start " + hash)
	indexes, err := v.s.Append(context.Background(), e)
	if err != nil {
		v.say("failed " + hash)
		return 0, false
	}
	v.say(fmt.Sprintf("done %s %d", hash, indexes[0]))
	return indexes[0], true
}

func (v *appender) publish() {
	if signed, err := v.s.PublishCheckpoint(v.key); err == nil {
		if c, err := ledger.ReadCheckpoint(signed); err == nil {
			v.say(fmt.Sprintf("published %d", c.Size))
		}
	}
}

// say writes a line in one call, so that lines of several goroutines do not mix.
func (v *appender) say(line string) { _, _ = os.Stdout.WriteString(line + "\n") }

func entryHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// heard is what a victim said.
type heard struct {
	mu        sync.Mutex
	running   map[string]bool   // started, and neither done nor failed
	done      map[string]uint64 // acknowledged, with their indexes
	published uint64
}

func (h *heard) listen(r io.Reader) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		words := strings.Fields(lines.Text())
		h.mu.Lock()
		switch words[0] {
		case "start":
			h.running[words[1]] = true
		case "failed":
			delete(h.running, words[1])
		case "done":
			index, err := strconv.ParseUint(words[2], 10, 64)
			if err == nil {
				delete(h.running, words[1])
				h.done[words[1]] = index
			}
		case "published":
			if size, err := strconv.ParseUint(words[1], 10, 64); err == nil {
				h.published = size
			}
		}
		h.mu.Unlock()
	}
}

func newHeard() *heard { return &heard{running: map[string]bool{}, done: map[string]uint64{}} }

// victimLog makes the log that a victim opens.
func victimLog(t *testing.T, path string) {
	t.Helper()
	s, err := Create(path, ledgertest.Origin, Options{Verify: ledgertest.Verify})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// survived opens a log after its writer's end and holds it to what was heard of it:
// it is whole, every acknowledged entry is in its place, no record is pledged twice, the
// guard agrees, and it goes on. It gives how many unacknowledged entries are there, too.
func survived(t *testing.T, path string, h *heard) (unacknowledged int) {
	t.Helper()
	s, err := Open(path, Options{Verify: ledgertest.Verify})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { mustDo(t, s.Close()) }()
	_, vkey := ledgertest.LogKey(t)
	report, err := s.Fsck(t.Context(), FsckOptions{LogKeys: []string{vkey}})
	if err != nil || report.Err() != nil {
		t.Fatalf("fsck: %v, %v", err, report.Err())
	}
	for hash, index := range h.done {
		data, err := s.Entry(index)
		if err != nil || entryHash(data) != hash {
			t.Fatalf("entry %d was acknowledged and is gone: %v", index, err)
		}
	}
	if s.Size() < h.published {
		t.Fatalf("%d entries, and %d were published", s.Size(), h.published)
	}
	live := map[string]uint64{}
	for index := range s.Size() {
		data, err := s.Entry(index)
		mustDo(t, err)
		if h.running[entryHash(data)] {
			unacknowledged++
		}
		mustDo(t, pledgeOnce(live, index, data))
	}
	key, err := logSigner(t)
	mustDo(t, err)
	publish(t, s, key)
	return unacknowledged
}

// pledgeOnce follows the live pledges in the plainest way.
func pledgeOnce(live map[string]uint64, index uint64, data []byte) error {
	e, err := ledger.ParseEntry(data)
	if err != nil {
		return err
	}
	tag := func(scope, nullifier statement.Element) string { return scope.String() + nullifier.String() }
	switch e := e.(type) {
	case *ledger.ProofEntry:
		if !e.IsPledge() {
			return nil
		}
		if first, ok := live[tag(e.Scope, e.Nullifier)]; ok {
			return fmt.Errorf("entry %d pledges what entry %d has pledged", index, first)
		}
		live[tag(e.Scope, e.Nullifier)] = index
	case *ledger.ReleaseEntry:
		for t, pledge := range live {
			if pledge == uint64(e.Pledge) {
				delete(live, t)
				return nil
			}
		}
		return fmt.Errorf("entry %d releases entry %d, which does not live", index, e.Pledge)
	}
	return nil
}

// A writer under load is killed at any moment: whatever was acknowledged is there.
// The full count:
//
//	go test ./ledger/store -run TestKilled -v -args -kills 200
func TestKilled(t *testing.T) {
	var path string
	acknowledged, flying, survivors := 0, 0, 0
	for kill := 0; kill < *kills; {
		if kill%10 == 0 { // a check takes as long as the log is
			path = filepath.Join(t.TempDir(), "ledger.db")
			victimLog(t, path)
		}
		h := killWriter(t, path, fmt.Sprint("kill ", kill))
		n := survived(t, path, h)
		acknowledged += len(h.done)
		if len(h.running) == 0 {
			continue // it was between two appends: once more
		}
		kill++
		flying += len(h.running)
		survivors += n
	}
	t.Logf("%d kills, each with an append in flight: %d appends were acknowledged, and all are there; %d were not, of which %d are there",
		*kills, acknowledged, flying, survivors)
}

// killWriter runs a writer, kills it and gives what it said until then.
func killWriter(t *testing.T, path, name string) *heard {
	t.Helper()
	cmd := exec.Command(os.Args[0], victimLoad, path, name)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	mustDo(t, err)
	mustDo(t, cmd.Start())
	h, ended := newHeard(), make(chan struct{})
	go func() { h.listen(out); close(ended) }()
	for begun := false; !begun; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		begun = len(h.done) > 0
		h.mu.Unlock()
	}
	if _, err := Open(path, options()); !errors.Is(err, ErrLocked) {
		t.Errorf("opened while another process writes: %v", err)
	}
	time.Sleep(time.Duration(rand.IntN(40_000)) * time.Microsecond)
	mustDo(t, cmd.Process.Kill())
	<-ended
	_ = cmd.Wait() // it was killed
	return h
}
