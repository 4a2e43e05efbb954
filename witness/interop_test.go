package witness

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	policy "github.com/transparency-dev/formats/witness"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"

	"github.com/attestry/attestry/ledger"
)

// TestPolicyOfFormats: transparency-dev's reader of witness policies takes the key and
// counts the cosignature.
func TestPolicyOfFormats(t *testing.T) {
	l := newLog(t, origin).grow(7, "entry")
	w, _ := newWitness(t, l)
	address := serve(t, w)
	group, err := policy.ParsePolicy([]byte("witness w1 " + w.Key() + " " + address + "\nquorum w1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := group.Endpoints()[address+AddPath]; !ok || len(group.Endpoints()) != 1 {
		t.Errorf("endpoints %v", group.Endpoints())
	}
	if group.Satisfied(l.signed()) {
		t.Error("satisfied by the log alone")
	}
	line, err := newPeer(t, address, w).Submit(t.Context(), l, l.signed(), 0)
	if err != nil {
		t.Fatal(err)
	}
	cosigned, err := ledger.AddCosignatures(l.signed(), line)
	if err != nil || !group.Satisfied(cosigned) {
		t.Errorf("not satisfied by %q, %v", cosigned, err)
	}
}

// TestTesseraAsks: a Tessera log, with Tessera's own client, gets its checkpoints
// cosigned: at first, and after a start at which it does not know what the witness saw.
func TestTesseraAsks(t *testing.T) {
	l := newLog(t, "tessera.example/log")
	w, dir := newWitness(t, l)
	asked := &statuses{}
	address := serveWith(t, asked.record(w.Handler(nil)))
	root, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := tessera.NewWitness(w.Key(), root)
	if err != nil {
		t.Fatal(err)
	}
	storage := t.TempDir()
	for i := range 2 {
		driver, err := posix.New(t.Context(), posix.Config{Path: storage})
		if err != nil {
			t.Fatal(err)
		}
		options := tessera.NewAppendOptions().WithCheckpointSigner(l.signer).
			WithCheckpointInterval(time.Second).WithBatching(1, time.Millisecond).
			WithWitnesses(tessera.NewWitnessGroup(1, peer), nil)
		appender, shutdown, reader, err := tessera.NewAppender(t.Context(), driver, options)
		if err != nil {
			t.Fatal(err)
		}
		await := tessera.NewPublicationAwaiter(t.Context(), reader.ReadCheckpoint, 50*time.Millisecond)
		_, checkpoint, err := await.Await(t.Context(), appender.Add(t.Context(), tessera.NewEntry([]byte{byte(i)})))
		if err != nil {
			t.Fatal(err)
		}
		c, err := ledger.OpenCheckpoint(checkpoint, l.vkey)
		if err != nil || !w.key.public.Cosigned(checkpoint) {
			t.Errorf("%q, %v", checkpoint, err)
		}
		if seen, err := lastCosigned(dir, l.signer.Name()); err != nil || seen.Size < c.Size {
			t.Errorf("the witness has seen %+v, %v", seen, err)
		}
		if err := shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	asked.mu.Lock()
	defer asked.mu.Unlock()
	if len(asked.list) < 2 || slices.ContainsFunc(asked.list, func(s int) bool { return s != http.StatusOK && s != http.StatusConflict }) {
		t.Errorf("the witness answered %v", asked.list)
	}
}
