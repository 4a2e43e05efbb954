package witness

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
)

func TestAddCheckpoint(t *testing.T) {
	l := newLog(t, origin).grow(5, "entry")
	w, _ := newWitness(t, l)
	url := serve(t, w)
	cosigned(t, l, w, post(t, url, l.request(0)))
	cosigned(t, l, w, post(t, url, l.request(5))) // again: a refreshed time
	l.grow(300, "entry")
	cosigned(t, l, w, post(t, url, l.request(5)))
	l.grow(1, "entry")
	want := reply{http.StatusConflict, "text/x.tlog.size", "305\n"}
	for _, old := range []int64{0, 5, 306} {
		if got := post(t, url, l.request(old)); got != want {
			t.Errorf("old %d: %+v", old, got)
		}
	}
	cosigned(t, l, w, post(t, url, l.request(305)))
}

// TestEmptyLog: the tree of nothing is the beginning of every log.
func TestEmptyLog(t *testing.T) {
	l := newLog(t, origin)
	w, _ := newWitness(t, l)
	cosigned(t, l, w, post(t, serve(t, w), l.request(0)))
	l.grow(3, "entry")
	cosigned(t, l, w, post(t, serve(t, w), l.request(0)))
	bad := ledger.Checkpoint{Origin: origin, Root: l.checkpoint(3).Root}
	signed, err := ledger.SignCheckpoint(bad, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	other := newLog(t, origin)
	fresh, _ := newWitness(t, l)
	if r := post(t, serve(t, fresh), (&Request{Checkpoint: signed}).Marshal()); r.status != http.StatusConflict {
		t.Errorf("an empty tree with a root: %+v", r)
	}
	if r := post(t, serve(t, fresh), other.request(0)); r.status != http.StatusForbidden {
		t.Errorf("signed by another key: %+v", r)
	}
}

// TestRefusals: each answer that C2SP tlog-witness gives, and that nothing is kept.
func TestRefusals(t *testing.T) {
	l := newLog(t, origin).grow(9, "entry")
	w, dir := newWitness(t, l)
	url := serve(t, w)
	cosigned(t, l, w, post(t, url, l.request(0)))
	before, err := os.ReadFile(statePath(dir, origin))
	if err != nil {
		t.Fatal(err)
	}
	fork := l.fork()
	l.grow(4, "entry")
	good := string(l.request(9))
	shorter := newLog(t, origin)
	shorter.signer, shorter.vkey = l.signer, l.vkey
	shorter.grow(6, "entry")
	sameSize := newLog(t, origin)
	sameSize.signer, sameSize.vkey = l.signer, l.vkey
	sameSize.grow(9, "other")
	larger := sameSize.fork().grow(9, "other")
	lateFork := fork.grow(4, "other") // shares the first 9 entries: its growth is as good as l's
	stranger := newLog(t, "log.example/b").grow(1, "entry")
	otherKey := newLog(t, origin)
	otherKey.hashes, otherKey.size = l.hashes, l.size
	proof, head := strings.SplitN(good, "\n\n", 2)[0], strings.SplitN(good, "\n\n", 2)[1]
	lines := strings.Split(proof, "\n")
	without := func(i int) string {
		return strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "\n") + "\n\n" + head
	}
	line := base64.StdEncoding.EncodeToString(make([]byte, 32))
	cases := map[string]struct {
		body   string
		status int
	}{
		"a fork of the same size":     {string(sameSize.request(9)), 409},
		"a larger fork":               {string(larger.request(9)), 422},
		"a rollback":                  {string(shorter.request(6)), 409},
		"a rollback from nothing":     {string(shorter.request(0)), 409},
		"a proof cut short":           {without(1), 422},
		"a proof too long":            {strings.Replace(good, "\n\n", "\n"+line+"\n\n", 1), 422},
		"a proof of what is there":    {strings.Replace(string(sameSizeAs(l).request(9)), "\n\n", "\n"+line+"\n\n", 1), 422},
		"an unknown log":              {string(stranger.request(0)), 404},
		"another key":                 {string(otherKey.request(9)), 403},
		"a signature spoiled":         {spoilSignature(good), 403},
		"an old size above the new":   {strings.Replace(good, "old 9", "old 14", 1), 400},
		"an old size of two zeros":    {strings.Replace(good, "old 9", "old 09", 1), 400},
		"no old size":                 {strings.Replace(good, "old 9", "size 9", 1), 400},
		"a negative size":             {strings.Replace(good, "old 9", "old -9", 1), 400},
		"no empty line":               {strings.ReplaceAll(good, "\n\n", "\n"), 400},
		"a carriage return":           {strings.Replace(good, "\n", "\r\n", 1), 400},
		"nothing":                     {"", 400},
		"a proof line that is none":   {strings.Replace(good, "\n\n", "\n!\n\n", 1), 400},
		"too many proof lines":        {strings.Replace(good, "\n\n", strings.Repeat("\n"+line, 64)+"\n\n", 1), 400},
		"bytes after the checkpoint":  {good + "x", 400},
		"an extension line":           {strings.Replace(good, "\n13\n", "\n13\nmore\n", 1), 400},
		"a body that is far too long": {good + strings.Repeat("x", MaxRequestBytes), 413},
	}
	for name, c := range cases {
		if r := post(t, url, []byte(c.body)); r.status != c.status {
			t.Errorf("%s: %+v, want %d", name, r, c.status)
		}
		if after, err := os.ReadFile(statePath(dir, origin)); err != nil || !bytes.Equal(after, before) {
			t.Fatalf("%s: the state changed: %q, %v", name, after, err)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		r, err := http.NewRequest(method, url+AddPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil || answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %v, %v", method, answer, err)
		}
		_ = answer.Body.Close()
	}
	// Of the two ways on from what it cosigned it takes the first, and never the other.
	cosigned(t, l, w, post(t, url, []byte(good)))
	if r := post(t, url, lateFork.request(13)); r.status != http.StatusConflict || !strings.Contains(r.body, "another tree of the same size") {
		t.Errorf("a fork after the last cosigned: %+v", r)
	}
	// The first fork is kept as evidence, signed by the log.
	seen, err := States(dir)
	if err != nil || len(seen) != 1 || seen[0].Checkpoint != l.checkpoint(13) {
		t.Fatalf("%+v, %v", seen, err)
	}
	if c, err := ledger.OpenCheckpoint(seen[0].Fork, l.vkey); err != nil || c != sameSize.checkpoint(9) {
		t.Errorf("the evidence: %+v, %v", c, err)
	}
}

// spoilSignature changes a letter in the middle of the last signature.
func spoilSignature(body string) string {
	at := len(body) - 20
	letter := byte('A')
	if body[at] == letter {
		letter = 'B'
	}
	return body[:at] + string(letter) + body[at+1:]
}

// spoilSecret has a key file say another algorithm.
func spoilSecret(content string) string {
	at := strings.LastIndex(content[:len(content)-45], "+") + 1
	return content[:at] + "A" + content[at+1:]
}

// sameSizeAs gives the log as it was at 9 entries.
func sameSizeAs(l *log) *log {
	out := l.fork()
	out.size = 9
	return out
}

// TestCrashBeforeAnswer: the witness ends after its state is on disk and before the
// cosignature leaves. Started again it cosigns no other history of that size.
func TestCrashBeforeAnswer(t *testing.T) {
	l := newLog(t, origin).grow(5, "entry")
	w, dir := newWitness(t, l)
	cosigned(t, l, w, post(t, serve(t, w), l.request(0)))
	fork := l.fork().grow(2, "other")
	l.grow(2, "entry")
	w.persisted = func() { panic(http.ErrAbortHandler) }
	if _, err := http.Post(serve(t, w)+AddPath, "text/plain", bytes.NewReader(l.request(5))); err == nil {
		t.Fatal("the request was answered")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := openWitness(t, dir, l)
	url := serve(t, again)
	if r := post(t, url, fork.request(5)); r.status != http.StatusConflict || r.body != "7\n" {
		t.Errorf("the fork: %+v", r)
	}
	if r := post(t, url, fork.request(7)); r.status != http.StatusConflict {
		t.Errorf("the fork: %+v", r)
	}
	if r := post(t, url, l.request(5)); r.status != http.StatusConflict || r.body != "7\n" {
		t.Errorf("the log asks again: %+v", r)
	}
	cosigned(t, l, again, post(t, url, l.request(7)))
}

// TestStateNotKept: what cannot be made durable is not cosigned.
func TestStateNotKept(t *testing.T) {
	l := newLog(t, origin).grow(5, "entry")
	w, dir := newWitness(t, l)
	if err := os.RemoveAll(filepath.Join(dir, logsDir)); err != nil {
		t.Fatal(err)
	}
	if r := post(t, serve(t, w), l.request(0)); r.status != http.StatusInternalServerError || strings.Contains(r.body, dir) {
		t.Errorf("%+v", r)
	}
	if err := os.Mkdir(filepath.Join(dir, logsDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, state := range map[string]string{"rubbish": "rubbish", "another log's": string(newLog(t, "log.example/b").signed())} {
		if err := os.WriteFile(statePath(dir, origin), []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := post(t, serve(t, w), l.request(0)); r.status != http.StatusInternalServerError {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestConcurrentForks: of two histories, submitted at once and many times, one alone
// is ever cosigned, at every size.
func TestConcurrentForks(t *testing.T) {
	base := newLog(t, origin).grow(4, "entry")
	w, _ := newWitness(t, base)
	url := serve(t, w)
	cosigned(t, base, w, post(t, url, base.request(0)))
	var mu sync.Mutex
	roots := map[string]bool{}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			l := base.fork().grow(1+i/8, [2]string{"entry", "other"}[i%2])
			l.t = t
			if r := post(t, url, l.request(4)); r.status == http.StatusOK {
				mu.Lock()
				roots[fmt.Sprint(i%2)] = true
				mu.Unlock()
			} else if r.status != http.StatusConflict && r.status != http.StatusUnprocessableEntity {
				t.Errorf("%+v", r)
			}
		})
	}
	wg.Wait()
	if len(roots) != 1 {
		t.Errorf("%d histories are cosigned", len(roots))
	}
}

// TestBusy: beyond so many requests at once the witness says when to come again.
func TestBusy(t *testing.T) {
	l := newLog(t, origin).grow(1, "entry")
	w, _ := newWitness(t, l)
	h := &handler{w, slog.New(slog.DiscardHandler), make(chan struct{})} // without a single slot
	answer := httptest.NewRecorder()
	h.add(answer, httptest.NewRequest(http.MethodPost, AddPath, bytes.NewReader(l.request(0))))
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") != "1" {
		t.Errorf("%d, %v", answer.Code, answer.Header())
	}
}

func TestWindows(t *testing.T) {
	old, next := newLog(t, origin).grow(5, "entry"), newLog(t, origin).grow(5, "entry")
	dir := filepath.Join(t.TempDir(), "w")
	if _, err := Init(dir, "witness.example/w1"); err != nil {
		t.Fatal(err)
	}
	at := uint64(5)
	w, err := Open(dir, []Log{{Key: old.vkey, Until: &at}, {Key: next.vkey, From: &at}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	url := serve(t, w)
	if r := post(t, url, next.request(0)); r.status != http.StatusForbidden {
		t.Errorf("the new key before its window: %+v", r)
	}
	cosigned(t, old, w, post(t, url, old.request(0)))
	if r := post(t, url, old.grow(1, "entry").request(5)); r.status != http.StatusForbidden {
		t.Errorf("the old key after its window: %+v", r)
	}
	cosigned(t, next, w, post(t, url, next.grow(1, "entry").request(5)))
}

func TestInitAndOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w")
	if _, err := Open(dir, nil); !errors.Is(err, ErrNone) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := States(dir); !errors.Is(err, ErrNone) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := Init(dir, "a name"); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("a name with a space: %v", err)
	}
	vkey, err := Init(dir, "witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Key(dir); err != nil || again != vkey {
		t.Errorf("%s, %v", again, err)
	}
	if _, err := Init(dir, "witness.example/w1"); !errors.Is(err, ErrExists) {
		t.Errorf("twice: %v", err)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, keyFile: 0o600, logsDir: 0o700} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
	w := openWitness(t, dir)
	if _, err := Open(dir, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a second process: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// A log is not its own witness, under whatever name.
	key, err := readKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	own, err := note.NewEd25519VerifierKey(origin, ed25519.PublicKey(key.public.Public))
	if err != nil {
		t.Fatal(err)
	}
	named := newLog(t, "witness.example/w1")
	for _, vkey := range []string{own, named.vkey, "x", vkey} {
		if _, err := Open(dir, []Log{{Key: vkey}}); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", vkey, err)
		}
	}
	content, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "a line more": string(content) + "\n", "another name": strings.Replace(string(content), "w1", "w2", 1),
		"no secret": "PRIVATE+KEY+witness.example/w1+00000000+", "another algorithm": spoilSecret(string(content)),
	} {
		if err := os.WriteFile(filepath.Join(dir, keyFile), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, nil); !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	l := newLog(f, origin).grow(5, "entry")
	f.Add(l.request(0))
	f.Add(l.request(3))
	f.Add([]byte("old 0\n\n\n"))
	f.Add([]byte("old 1\nAAAA\n\nx\n1\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, c, err := ParseRequest(body)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if r.OldSize > c.Size || !bytes.Equal(r.Marshal(), body) {
			t.Fatalf("reads back as %q", r.Marshal())
		}
	})
}
