package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/witness"
)

// Errors of a workspace's witnesses.
var (
	ErrBadWitness = errors.New("not a witness for this log")
	ErrNoWitness  = errors.New("no such witness")
)

const (
	witnessesFile   = "witnesses.json"
	witnessesFormat = "attestry/witnesses/v1"
	// maxWitnesses is how many of the longest cosignatures a checkpoint has room for.
	maxWitnesses = 16
	// witnessPatience is how long all witnesses together may take: across the world
	// and back a few times. Who is slower is left out.
	witnessPatience = 3 * time.Second
	// witnessRest is how long one that gave no answer is not asked again, so that it
	// does not delay every publication.
	witnessRest = 30 * time.Second
)

// WitnessConfig is a witness that the log asks for cosignatures. Whether these count
// is for each verifier to say: the trust file that the log exports does not name it.
type WitnessConfig struct {
	URL string `json:"url"` // the submission prefix of C2SP tlog-witness
	Key string `json:"key"` // verifier key
}

// witnessesDocument is witnesses.json.
type witnessesDocument struct {
	Format    string          `json:"format"`
	Witnesses []WitnessConfig `json:"witnesses"`
}

// witnesses are whom the log asks, with what it knows of them. While the ledger's first
// growth asks them, and afterwards while a checkpoint is published, nobody else does.
type witnesses struct {
	publishing sync.Mutex
	list       []WitnessConfig
	peers      []*asked
}

// asked is a witness with what is known of it.
type asked struct {
	*witness.Peer
	seen    uint64    // the size that it cosigned last, as far as is known
	down    time.Time // when it last gave no answer
	lacking bool      // it was warned of that its cosignature is missing
}

func (w *Workspace) loadWitnesses() error {
	path := filepath.Join(w.dir, witnessesFile)
	document, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var d witnessesDocument
	if err := canon.Unmarshal(document, &d); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if d.Format != witnessesFormat {
		return fmt.Errorf("%s: format is not %q", path, witnessesFormat)
	}
	if err := w.setWitnesses(d.Witnesses); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// setWitnesses checks a list of witnesses and takes it.
func (w *Workspace) setWitnesses(list []WitnessConfig) error {
	if len(list) > maxWitnesses {
		return fmt.Errorf("%w: %d, over the limit of %d", ErrBadWitness, len(list), maxWitnesses)
	}
	var peers []*asked
	for _, c := range list {
		p, err := witness.NewPeer(c.URL, c.Key)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadWitness, err)
		}
		if err := w.checkWitness(p, peers); err != nil {
			return err
		}
		peers = append(peers, &asked{Peer: p})
	}
	w.witnesses.list, w.witnesses.peers = slices.Clone(list), peers
	return nil
}

// checkWitness refuses the log's own keys, which witness nothing, and one witness
// under two names.
func (w *Workspace) checkWitness(p *witness.Peer, others []*asked) error {
	log, err := ledger.LogPublicKey(w.logKey)
	if err != nil {
		return err
	}
	issuer, err := ledger.PublicKeyOf(w.issuer)
	if err != nil {
		return err
	}
	for _, own := range []ledger.PublicKey{log, issuer} {
		if bytes.Equal(p.Key.Public, own[:]) {
			return fmt.Errorf("%w: %s has a key of this workspace: nobody is witness of themselves", ErrBadWitness, p.Key.Name())
		}
	}
	for _, o := range others {
		if p.Key.Name() == o.Key.Name() || bytes.Equal(p.Key.Public, o.Key.Public) {
			return fmt.Errorf("%w: the name or key of %s is there already", ErrBadWitness, p.Key.Name())
		}
	}
	return nil
}

// Witnesses lists the witnesses that the log asks.
func (w *Workspace) Witnesses() []WitnessConfig { return slices.Clone(w.witnesses.list) }

// AddWitness has the log ask a witness from now on. It fails with [ErrBadWitness].
func (w *Workspace) AddWitness(c WitnessConfig) error {
	return w.writeWitnesses(append(w.Witnesses(), c))
}

// RemoveWitness ends that, by the witness's name. It fails with [ErrNoWitness].
func (w *Workspace) RemoveWitness(name string) error {
	for i, p := range w.witnesses.peers {
		if p.Key.Name() == name {
			return w.writeWitnesses(slices.Delete(w.Witnesses(), i, i+1))
		}
	}
	return fmt.Errorf("%w: %q (attestry witness list shows those there are)", ErrNoWitness, name)
}

func (w *Workspace) writeWitnesses(list []WitnessConfig) error {
	if err := w.setWitnesses(list); err != nil {
		return err
	}
	document, err := canon.Marshal(witnessesDocument{witnessesFormat, list})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(w.dir, witnessesFile), append(document, '\n'), 0o600)
}

// Publish signs the log's present tree, asks the witnesses to cosign it, and gives the
// checkpoint with their cosignatures, which is what is served, exported and shown from
// then on. The checkpoint is on disk, in the guard too, before anybody sees it.
//
// A witness that gives no answer in a few seconds is left out, with a warning: how
// many are needed is for verifiers to say. Where one has seen another history of the
// log, Publish fails, and the log refuses to grow: see [store.Store.Hold].
func (w *Workspace) Publish(ctx context.Context) ([]byte, error) {
	w.witnesses.publishing.Lock()
	defer w.witnesses.publishing.Unlock()
	bare, err := w.Ledger.PublishCheckpoint(w.Signer)
	if err != nil {
		return nil, err
	}
	signed, err := w.Ledger.Checkpoint()
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(signed, bare) {
		signed = bare
	}
	missing := slices.DeleteFunc(slices.Clone(w.witnesses.peers), func(p *asked) bool { return p.Key.Cosigned(signed) })
	lines, err := w.ask(ctx, w.Ledger, signed, missing)
	if err != nil {
		w.Ledger.Hold(err)
		return nil, fmt.Errorf("%w: %w", store.ErrGuard, err)
	}
	if len(lines) == 0 {
		return signed, nil
	}
	cosigned, err := ledger.AddCosignatures(signed, lines...)
	if err != nil {
		return nil, err
	}
	if err := w.Ledger.KeepCosigned(cosigned); err != nil && !errors.Is(err, store.ErrSuperseded) {
		return nil, err
	}
	return cosigned, nil
}

// KeepCosigned publishes again at an interval until ctx ends, so that a witness which was
// away when the log was published cosigns it later. It ends early, with a warning,
// where the log cannot be published any more.
func (w *Workspace) KeepCosigned(ctx context.Context, interval time.Duration) {
	if len(w.witnesses.peers) == 0 {
		return
	}
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if _, err := w.Publish(ctx); err != nil && ctx.Err() == nil {
			w.warn("no further checkpoints: %v", err)
			return
		}
	}
}

// askBeforeGrowth is the ledger's callback: the log asks its witnesses what they have
// seen of it, by showing them what it signed last. A log that never signed shows the
// tree of no entries, of which every log of its origin is a continuation.
func (w *Workspace) askBeforeGrowth(s *store.Store) error {
	if len(w.witnesses.peers) == 0 {
		return nil
	}
	signed, err := s.LastSigned()
	if err != nil {
		return err
	}
	if signed == nil {
		root, err := tlog.TreeHash(0, nil)
		if err != nil {
			return err
		}
		if signed, err = ledger.SignCheckpoint(ledger.Checkpoint{Origin: s.Origin(), Root: root}, w.Signer); err != nil {
			return err
		}
	}
	_, err = w.ask(context.Background(), s, signed, w.witnesses.peers)
	return err
}

// ask submits a signed checkpoint of the log to witnesses, all at once, and gives the
// lines of their cosignatures. It warns of those that give none, and fails if one has
// seen another history of the log than s, or more of it than s has.
func (w *Workspace) ask(ctx context.Context, s *store.Store, signed []byte, peers []*asked) (lines []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, witnessPatience)
	defer cancel()
	answers := make([]string, len(peers))
	errs := make([]error, len(peers))
	var wg sync.WaitGroup
	for i, p := range peers {
		if time.Since(p.down) < witnessRest {
			continue
		}
		wg.Go(func() { answers[i], errs[i] = p.ask(ctx, s, signed) })
	}
	wg.Wait()
	var betrayed error
	for i, p := range peers {
		switch {
		case errors.Is(errs[i], witness.ErrBetrayed):
			betrayed = errors.Join(betrayed, fmt.Errorf("%s: %w", p.Key.Name(), errs[i]))
		case errs[i] != nil && !p.lacking:
			p.lacking = true
			w.warn("witness %s: %v: its cosignature is missing", p.Key.Name(), errs[i])
		case answers[i] != "":
			p.lacking = false
			lines = append(lines, answers[i])
		}
	}
	if betrayed != nil {
		return nil, fmt.Errorf("witness %w: this is an old or another copy of the log: restore the newest one, bring it forward from the log's published files, or start a log under a new origin (attestry witness remove, if it is the witness that is wrong)", betrayed)
	}
	return lines, nil
}

// ask submits a signed checkpoint. That the witness has seen more than the checkpoint
// is no betrayal where the log has that much: the next one will show it.
func (p *asked) ask(ctx context.Context, s *store.Store, signed []byte) (line string, err error) {
	line, err = p.Submit(ctx, s, signed, p.seen)
	ahead, isAhead := errors.AsType[*witness.AheadError](err)
	switch {
	case err == nil:
		if c, err := ledger.ReadCheckpoint(signed); err == nil {
			p.seen = c.Size
		}
	case isAhead && ahead.Seen <= s.Size():
		p.seen = ahead.Seen
		return "", nil
	case errors.Is(err, witness.ErrUnreachable):
		p.down = time.Now()
	}
	return line, err
}

func (w *Workspace) warn(format string, args ...any) {
	if w.Warn != nil {
		w.Warn(format, args...)
	}
}
