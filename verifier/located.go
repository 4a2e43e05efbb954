package verifier

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// located is an entry of a log with what its inclusion proof says and shows.
type located[E ledger.Entry] struct {
	entry E
	place
}

// place is where an entry stands in a log.
type place struct {
	logged  bool // false: nothing else is set
	index   uint64
	pathErr error // why the entry is not in the checkpoint's tree
	head
}

// head is a checkpoint with what its signatures show.
type head struct {
	checkpoint   ledger.Checkpoint
	witnesses    []string // the pinned ones that cosigned, by name
	strangers    []string // who cosigned beside them, unverified
	signatureErr error    // why no pinned log signed it
	unknownErr   error    // why a signature on it does not verify, or is nobody's
}

// heads are checkpoints that were read under one trust file, by their signed bytes.
type heads struct {
	mu  sync.Mutex
	all map[string]head
}

func newHeads() *heads { return &heads{all: map[string]head{}} }

func (h *heads) get(signed []byte) (head, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, ok := h.all[string(signed)]
	return found, ok
}

func (h *heads) put(signed []byte, found head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[string(signed)] = found
}

// reader reads the entries of bundles. They mostly share one checkpoint, whose
// signatures it verifies once.
type reader struct {
	pins  *pins
	heads *heads
}

func (p *pins) newReader() *reader { return &reader{p, newHeads()} }

// locate parses an entry and its inclusion proof, which may be left out. Its error
// is [ErrMalformed]; whether the proof holds is in the result.
func locate[E ledger.Entry](r *reader, what string, data []byte, inclusion string) (located[E], error) {
	var l located[E]
	parsed, err := ledger.ParseEntry(data)
	if err != nil {
		return l, fmt.Errorf("%w: the %s entry: %w", ErrMalformed, what, err)
	}
	entry, ok := parsed.(E)
	if !ok {
		return l, fmt.Errorf("%w: the %s entry is of type %s", ErrMalformed, what, parsed.Type())
	}
	l.entry = entry
	if inclusion == "" {
		return l, nil
	}
	in, err := ledger.ParseInclusion([]byte(inclusion))
	if err != nil {
		return l, fmt.Errorf("%w: the %s entry's inclusion: %w", ErrMalformed, what, err)
	}
	l.place, err = r.place(data, in)
	if err != nil {
		return l, fmt.Errorf("%w: the %s entry's checkpoint: %w", ErrMalformed, what, err)
	}
	return l, nil
}

func (r *reader) place(data []byte, in *ledger.Inclusion) (place, error) {
	h, ok := r.heads.get(in.Checkpoint)
	if !ok {
		c, err := ledger.ReadCheckpoint(in.Checkpoint)
		if err != nil {
			return place{}, err
		}
		h = head{checkpoint: c, signatureErr: r.pins.checkLogSignature(in.Checkpoint, c)}
		h.strangers, h.unknownErr = r.pins.checkSignatures(in.Checkpoint, c.Origin)
		h.witnesses = r.pins.cosigners(in.Checkpoint)
		r.heads.put(in.Checkpoint, h)
	}
	return place{logged: true, index: in.Index, pathErr: checkPath(data, in, h.checkpoint), head: h}, nil
}

func checkPath(data []byte, in *ledger.Inclusion, c ledger.Checkpoint) error {
	if in.Index >= c.Size {
		return fmt.Errorf("entry %d of a log of %d", in.Index, c.Size)
	}
	return tlog.CheckRecord(in.Hashes, int64(c.Size), c.Root, int64(in.Index), ledger.LeafHash(data))
}

// checkLogSignature wants the signature of a key that is pinned for the origin and
// in force at the checkpoint's last entry.
func (p *pins) checkLogSignature(signed []byte, c ledger.Checkpoint) error {
	if !p.isLog(c.Origin) {
		return fmt.Errorf("log %q is not pinned", c.Origin)
	}
	if c.Size == 0 {
		return errors.New("a log of nothing, for which no key is in force")
	}
	var outside, bad error
	for _, l := range p.logs {
		if l.origin != c.Origin {
			continue
		}
		if _, err := ledger.OpenCheckpoint(signed, l.Key); err != nil {
			bad = followHint(err, "the log")
			continue
		}
		if l.holds(c.Size - 1) {
			return nil
		}
		outside = fmt.Errorf("size %d of the log is outside the window of the key that signed it (%s)", c.Size, l.Window)
	}
	return cmp.Or(outside, bad)
}

// checkSignatures verifies every signature line by a pinned key, and gives the names
// of witnesses that nobody pinned. Their lines could be changed without notice, and
// nothing rests on them. Any other line that cannot be verified is an error.
func (p *pins) checkSignatures(signed []byte, origin string) (strangers []string, err error) {
	var known []note.Verifier
	for _, w := range p.witnesses {
		known = append(known, w)
	}
	for _, l := range p.logs {
		if l.origin == origin {
			known = append(known, l.verifier)
		}
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return nil, err
	}
	for _, s := range n.UnverifiedSigs {
		if p.isLog(s.Name) || p.isWitness(s.Name) || !ledger.IsCosignature(s) {
			return nil, fmt.Errorf("signature by an unknown key, of %q", s.Name)
		}
		strangers = append(strangers, s.Name)
	}
	return strangers, nil
}

// cosigners names the pinned witnesses whose cosignatures on a checkpoint verify.
func (p *pins) cosigners(signed []byte) []string {
	var names []string
	for _, w := range p.witnesses {
		if w.Cosigned(signed) {
			names = append(names, w.Name())
		}
	}
	return names
}

// view is a fact with its entries read.
type view struct {
	*Fact
	circuit   located[*ledger.CircuitEntry]
	schema    located[*ledger.SchemaEntry]
	epoch     located[*ledger.EpochEntry]
	successor *located[*ledger.EpochEntry]
	joined    *located[*ledger.EpochEntry]
	grant     *located[*ledger.GrantEntry]
	about     *statement.Schema             // of the registry that the statement names
	proofs    []located[*ledger.ProofEntry] // of each of Fact.Proofs
}

func (r *reader) view(f *Fact) (*view, error) {
	v := &view{Fact: f}
	var err error
	if v.circuit, err = locate[*ledger.CircuitEntry](r, "circuit", f.Circuit.Entry, f.Circuit.Inclusion); err != nil {
		return nil, err
	}
	if v.schema, err = locate[*ledger.SchemaEntry](r, "schema", f.Schema.Entry, f.Schema.Inclusion); err != nil {
		return nil, err
	}
	if err := v.schema.entry.Schema.Validate(); err != nil {
		return nil, fmt.Errorf("%w: the schema entry: %w", ErrMalformed, err)
	}
	if v.epoch, err = locate[*ledger.EpochEntry](r, "epoch", f.Epoch.Entry, f.Epoch.Inclusion); err != nil {
		return nil, err
	}
	if v.successor, err = locateOptional[*ledger.EpochEntry](r, "successor", f.Successor); err != nil {
		return nil, err
	}
	if v.joined, err = locateOptional[*ledger.EpochEntry](r, "joined epoch", f.Joined); err != nil {
		return nil, err
	}
	if f.Grant != nil {
		if v.grant, err = locateOptional[*ledger.GrantEntry](r, "grant", &f.Grant.Logged); err != nil {
			return nil, err
		}
	}
	for _, proof := range f.Proofs {
		l, err := locate[*ledger.ProofEntry](r, "proof", proof.Entry, proof.Inclusion)
		if err != nil {
			return nil, err
		}
		v.proofs = append(v.proofs, l)
	}
	var ok bool
	if v.about, ok = v.schema.entry.Schema.Of(v.registry()); !ok {
		v.about = &v.schema.entry.Schema // the check "root" says that it is another's
	}
	return v, nil
}

// locateOptional reads an entry that a fact may leave out.
func locateOptional[E ledger.Entry](r *reader, what string, l *Logged) (*located[E], error) {
	if l == nil {
		return nil, nil
	}
	found, err := locate[E](r, what, l.Entry, l.Inclusion)
	return &found, err
}

// issuedAs gives the registry whose pinned issuer must have signed the fact's schema
// and epoch: the derived one of the statements, if the schema defines it, by whose
// name it is pinned, else the epoch's own.
func (v *view) issuedAs() string {
	if _, derived := v.schema.entry.Schema.Definition(v.registry()); derived {
		return v.registry()
	}
	return v.epoch.entry.Registry
}

// registry gives the registry that the fact's statements name.
func (v *view) registry() string { return v.proofs[0].entry.Public.Registry }

// origin gives the log that the fact's statements name.
func (v *view) origin() string { return v.proofs[0].entry.Public.Origin }

// anchors lists the entries that every fact needs in the log.
func (v *view) anchors() []namedPlace {
	out := []namedPlace{{"circuit", v.circuit.place}, {"schema", v.schema.place}, {"epoch", v.epoch.place}}
	if v.successor != nil {
		out = append(out, namedPlace{"successor epoch", v.successor.place})
	}
	if v.joined != nil {
		out = append(out, namedPlace{"joined epoch", v.joined.place})
	}
	if v.grant != nil {
		out = append(out, namedPlace{"grant", v.grant.place})
	}
	return out
}

// places lists every entry that comes with an inclusion proof, and those that must.
func (v *view) places() []namedPlace {
	out := v.anchors()
	for i, p := range v.proofs {
		if p.logged {
			out = append(out, namedPlace{fmt.Sprintf("proof %d", i), p.place})
		}
	}
	return out
}

type namedPlace struct {
	name string
	place
}
