package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/witness"
)

var kills = flag.Int("kills", 4, "how often TestWitnessKilled kills the witness")

// history is a log in memory, of which any tree can be signed.
type history struct {
	t      *testing.T
	signer note.Signer
	size   int64
	hashes []tlog.Hash
}

func (h *history) ReadHashes(indexes []int64) (out []tlog.Hash, err error) {
	for _, i := range indexes {
		out = append(out, h.hashes[i])
	}
	return out, nil
}

func (h *history) grow(n int, text string) {
	for range n {
		hashes, err := tlog.StoredHashes(h.size, fmt.Appendf(nil, "%s %d", text, h.size), h)
		if err != nil {
			h.t.Fatal(err)
		}
		h.hashes = append(h.hashes, hashes...)
		h.size++
	}
}

func (h *history) root(size int64) tlog.Hash {
	root, err := tlog.TreeHash(size, h)
	if err != nil {
		h.t.Error(err)
	}
	return root
}

// request submits the tree of a size, from an older one.
func (h *history) request(old, size int64) []byte {
	signed, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: h.signer.Name(), Size: uint64(size), Root: h.root(size)}, h.signer)
	if err != nil {
		h.t.Error(err)
	}
	var proof tlog.TreeProof
	if old > 0 {
		if proof, err = tlog.ProveTree(size, old, h); err != nil {
			h.t.Error(err)
		}
	}
	return (&witness.Request{OldSize: uint64(old), Proof: proof, Checkpoint: signed}).Marshal()
}

// TestWitnessKilled kills a witness's process while two histories of a log are
// submitted to it, again and again. What it cosigned in all its lives is one of them.
func TestWitnessKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "witness")
	vkey, err := witness.Init(dir, "witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.ParseWitnessKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	skey, logKey, err := ledger.NewLogKey("log.example/a")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	const trees = 60
	var forks [2]*history
	for i, text := range []string{"entry", "other"} {
		forks[i] = &history{t: t, signer: signer}
		forks[i].grow(3, "shared")
		forks[i].grow(trees, text)
	}
	var mu sync.Mutex
	cosigned := map[string]map[int64]bool{} // by history, the sizes that are its own
	for life := range *kills + 1 {
		address, kill := startWitness(t, dir, logKey)
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				h, name := forks[i%2], fmt.Sprint(i%2)
				for size := int64(3 + 2*life); size <= 3+trees; size++ {
					for old := max(size-3, 0); old <= size; old++ {
						response, err := http.Post(address+witness.AddPath, "text/plain", bytes.NewReader(h.request(old, size)))
						if err != nil {
							return // it was killed
						}
						body, err := io.ReadAll(response.Body)
						_ = response.Body.Close()
						if err != nil || response.StatusCode != http.StatusOK || size == 3 {
							continue
						}
						c := ledger.Checkpoint{Origin: signer.Name(), Size: uint64(size), Root: h.root(size)}
						if _, err := key.Cosignature(c, body); err != nil {
							t.Errorf("%q: %v", body, err)
						}
						mu.Lock()
						if cosigned[name] == nil {
							cosigned[name] = map[int64]bool{}
						}
						cosigned[name][size] = true
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(20+30*life) * time.Millisecond)
		for range 1000 { // on a slow machine, until there is something to betray
			mu.Lock()
			some := len(cosigned) > 0
			mu.Unlock()
			if some {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		kill()
		clients.Wait()
	}
	if len(cosigned) != 1 {
		t.Errorf("cosigned of %d histories: %v", len(cosigned), cosigned)
	}
}

// startWitness runs attestry witness serve, and gives what kills it.
func startWitness(t *testing.T, dir, logKey string) (address string, kill func()) {
	t.Helper()
	command := exec.Command("attestry", "--dir", dir, "witness", "serve", "--listen", "127.0.0.1:0", "--json", "--quiet", "--log", logKey)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	t.Cleanup(kill)
	var said witnessServeResult
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatal(err)
	}
	return said.Listening, kill
}
