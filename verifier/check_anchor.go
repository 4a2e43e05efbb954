package verifier

import (
	"errors"
	"fmt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// The checks of what a fact's statements are anchored in: the circuit, the
// schema, the epoch, and their places in the log.

// pinnedCircuit gives the trust file's circuit that the fact's proofs name.
func (r *run) pinnedCircuit(f *view) (pinnedCircuit, bool) {
	p := f.proofs[0].entry.Public
	return r.pins.circuit(p.Circuit, p.VK, p.Origin)
}

func (r *run) checkCircuit(f *view) Check {
	const expected = "a circuit and verifying key of the trust file, in force"
	pinned, ok := r.pinnedCircuit(f)
	if !ok {
		p := f.proofs[0].entry.Public
		return fail(CheckCircuit, OnPinned, expected, fmt.Sprintf("circuit %s with verifying key %s, which are not pinned", short(p.Circuit), short(p.VK)))
	}
	observed := fmt.Sprintf("%s version %d, circuit %s, verifying key %s", pinned.Name, pinned.Version, short(pinned.Circuit), short(pinned.key.Digest()))
	return judge(CheckCircuit, OnPinned, expected, observed, pinned.matches(f))
}

// matches compares a pinned circuit with the log's row of it, and its window with
// the places of the proofs.
func (c pinnedCircuit) matches(f *view) error {
	e := f.circuit.entry
	if err := c.known(); err != nil {
		return err
	}
	switch {
	case e.Circuit != c.Circuit || e.VKHash() != c.key.Digest():
		return errors.New("the circuit entry is of another circuit or verifying key than the proofs")
	case e.Name != c.Name || e.Version != c.Version || e.Setup != c.Setup:
		return fmt.Errorf("the log calls it %s version %d of a %s setup, the trust file %s version %d of a %s setup", e.Name, e.Version, e.Setup, c.Name, c.Version, c.Setup)
	}
	for i, p := range f.proofs {
		if err := c.inForce(p.place, f.circuit.checkpoint.Size); err != nil {
			return fmt.Errorf("proof %d: %w", i, err)
		}
	}
	return nil
}

// known holds the pinned constraint system to this program's table of relations.
func (c pinnedCircuit) known() error {
	hash, ok := Relation(c.Name, c.Version)
	switch {
	case !ok:
		return fmt.Errorf("this program does not know the circuit %s version %d: a newer one may", c.Name, c.Version)
	case hash != c.Circuit:
		return fmt.Errorf("the constraint system pinned as %s version %d is another one", c.Name, c.Version)
	}
	return nil
}

// inForce holds a proof's index to the circuit's window. A proof that was not
// logged has none: nothing shows that it was made before the circuit's end, and
// only the checkpoint's size that it was made after the start.
func (c pinnedCircuit) inForce(at place, size uint64) error {
	switch {
	case at.logged && !c.holds(at.index):
		return fmt.Errorf("entry %d is outside the circuit's window (%s)", at.index, c.Window)
	case !at.logged && c.Until != nil:
		return errors.New("it is not logged, so nothing shows that it is from before the circuit's end")
	case !at.logged && c.From != nil && size <= uint64(*c.From):
		return fmt.Errorf("the checkpoint's size %d is before the circuit's start (%s)", size, c.Window)
	}
	return nil
}

func (r *run) checkSetup(f *view) Check {
	const expected = "a ceremony, or a development setup where the trust file allows it"
	pinned, ok := r.pinnedCircuit(f)
	switch {
	case !ok:
		return required(skip(CheckSetup, expected, "the circuit is not pinned"))
	case pinned.Setup == ledger.SetupCeremony:
		return pass(CheckSetup, OnPinned, expected, "a ceremony, by the trust file")
	case r.pins.trust.Development != allowDevelopment:
		return fail(CheckSetup, OnPinned, expected, "a development setup: whoever made its keys can forge proofs")
	}
	c := pass(CheckSetup, OnPinned, expected, "a development setup, which the trust file allows: whoever made its keys can forge proofs")
	c.Outcome = Warn
	return c
}

func (r *run) checkRoot(f *view) Check {
	const expected = "the root that the epoch entry gives for the registry"
	registry := f.registry()
	root, ok := f.epoch.entry.RootOf(registry)
	if !ok || f.about.Registry != registry {
		return fail(CheckRoot, OnComputation, expected, fmt.Sprintf("the statement is of registry %s, the epoch of %s, which gives no root for it", registry, f.epoch.entry.Registry))
	}
	for i, p := range f.proofs {
		if p.entry.Root != root {
			return fail(CheckRoot, OnComputation, expected, fmt.Sprintf("proof %d is of another root", i))
		}
	}
	return pass(CheckRoot, OnComputation, expected, fmt.Sprintf("root of registry %s in its epoch %d", registry, f.epoch.entry.Number))
}

// checkIssued looks for a pinned issuer of a registry in the fact's log, in force
// at an index, that signed what verify checks. A derived registry is pinned by its
// own name: any other registry's issuer could define it otherwise.
func (r *run) checkIssued(f *view, registry string, index uint64, verify func(ledger.IssuerKey) error) error {
	err := fmt.Errorf("no issuer of registry %s in log %s is pinned", registry, f.origin())
	for _, t := range r.pins.trust.Registries {
		if t.Registry != registry || t.Log != f.origin() {
			continue
		}
		if err = verify(t.Issuer); err != nil {
			err = followHint(err, "the registry's issuer")
			continue
		}
		if !t.holds(index) {
			return fmt.Errorf("entry %d is outside the window of the issuer's key (%s)%s", index, t.Window, r.log.issuerEnded(f.origin(), registry, t.Issuer))
		}
		return nil
	}
	return err
}

func (r *run) checkSchema(f *view) Check {
	const expected = "the epoch's schema, signed by the registry's pinned issuer"
	e := f.schema.entry
	id, err := e.Identity()
	switch {
	case err != nil:
	case id != f.epoch.entry.Schema:
		err = errors.New("the schema is not the one that the epoch names")
	case e.Schema.Registry != f.epoch.entry.Registry:
		err = fmt.Errorf("the schema is of registry %s", e.Schema.Registry)
	default:
		err = r.checkIssued(f, f.issuedAs(), f.schema.index, e.VerifySignature)
	}
	observed := fmt.Sprintf("schema of registry %s with %d %s, signed by the pinned issuer", e.Schema.Registry, len(e.Schema.Attributes), plural(len(e.Schema.Attributes), "attribute"))
	return judge(CheckSchema, OnPinned, expected, observed, err)
}

func (r *run) checkEpoch(f *view) Check {
	const expected = "an epoch signed by the registry's pinned issuer"
	e := f.epoch.entry
	err := r.checkIssued(f, f.issuedAs(), f.epoch.index, e.VerifySignature)
	if err == nil && f.successor != nil {
		err = r.checkSuccessor(f)
	}
	if err == nil {
		err = r.checkJoined(f)
	}
	observed := fmt.Sprintf("epoch %d of %s, signed by the pinned issuer", e.Number, e.Time)
	if err == nil && f.joined != nil {
		j := f.joined.entry
		observed = fmt.Sprintf("epoch %d of %s, which joins epoch %d of registry %s, of %s, each signed by the pinned issuer", e.Number, e.Time, j.Number, j.Registry, j.Time)
	}
	return judge(CheckEpoch, OnPinned, expected, observed, err)
}

// checkJoined holds the epoch shown as joined to the definition of the derived
// registry and to what the epoch names.
func (r *run) checkJoined(f *view) error {
	definition, _ := f.schema.entry.Schema.Definition(f.registry())
	switch join := definition.Join; {
	case join == nil && f.joined == nil:
		return nil
	case join == nil:
		return errors.New("an epoch is shown as joined, and the registry joins none")
	case f.joined == nil:
		return fmt.Errorf("the epoch of registry %s that it joins is not shown", join.Registry)
	default:
		e := f.joined.entry
		id, err := e.Identity()
		if err != nil {
			return err
		}
		if named, ok := f.epoch.entry.Joins[join.Registry]; !ok || named != id || e.Registry != join.Registry {
			return errors.New("the epoch shown as joined is not the one that the epoch names")
		}
		return r.checkIssued(f, e.Registry, f.joined.index, e.VerifySignature)
	}
}

// checkSuccessor holds the epoch shown as the next one to the chain of epochs.
func (r *run) checkSuccessor(f *view) error {
	e, next := f.epoch.entry, f.successor.entry
	id, err := e.Identity()
	switch {
	case err != nil:
		return err
	case next.Registry != e.Registry || next.Number != e.Number+1 || next.Previous == nil || *next.Previous != id || next.Time < e.Time:
		return errors.New("the epoch shown as its successor does not follow it")
	}
	return r.checkIssued(f, f.issuedAs(), f.successor.index, next.VerifySignature)
}

// onTree says what rests on the log's tree being the one that everyone sees.
func (r *run) onTree() RestsOn {
	if r.pins.trust.Witnesses != nil {
		return OnWitnesses // if they are too few, the check "quorum" fails
	}
	return OnLog
}

func (r *run) checkInclusion(f *view) Check {
	const expected = "every entry in the tree of a checkpoint"
	on := r.onTree()
	var unlogged bool
	for i, p := range f.proofs {
		if p.logged {
			continue
		}
		if p.entry.IsPledge() || r.pins.trust.RequireLogged {
			return fail(CheckInclusion, on, expected, fmt.Sprintf("proof %d is not logged, as %s must be", i, whyLogged(p.entry)))
		}
		unlogged = true
	}
	for _, p := range f.places() {
		if !p.logged {
			return fail(CheckInclusion, on, expected, p.name+": not logged")
		}
		if p.pathErr != nil {
			return fail(CheckInclusion, on, expected, fmt.Sprintf("%s: entry %d is not in the checkpoint's tree: %v", p.name, p.index, p.pathErr))
		}
	}
	if err := r.sameLog(f); err != nil {
		return fail(CheckInclusion, OnAudit, expected, err.Error())
	}
	observed := fmt.Sprintf("schema, epoch, circuit and %d %s", len(f.proofs), plural(len(f.proofs), "proof"))
	if unlogged {
		observed = "schema, epoch and circuit; a proof is not logged, and need not be"
	}
	return pass(CheckInclusion, on, expected, observed)
}

// sameLog holds the bundle's epoch and proofs to the audited log, as far as it goes:
// two logs of one origin are a split view.
func (r *run) sameLog(f *view) error {
	if err := r.sameTree(f); err != nil {
		return err
	}
	const split = "the audited log does not have the bundle's entry %d: its operator shows two logs, keep both as evidence"
	if r.log.knows(f.origin(), f.epoch.index) {
		id, err := f.epoch.entry.Identity()
		if err != nil {
			return err
		}
		if ref, err := r.log.view.Epoch(id); err != nil || ref.Index != f.epoch.index {
			return fmt.Errorf(split, f.epoch.index)
		}
	}
	for _, p := range f.proofs {
		if !p.logged || !r.log.knows(f.origin(), p.index) {
			continue
		}
		d, err := p.entry.D()
		if err != nil {
			return err
		}
		if index, err := r.log.view.Statement(d); err != nil || index != p.index {
			return fmt.Errorf(split, p.index)
		}
	}
	return nil
}

func whyLogged(e *ledger.ProofEntry) string {
	if e.IsPledge() {
		return "a pledge"
	}
	return "every proof by the trust file"
}

func (r *run) checkCheckpoint(f *view) Check {
	const expected = "checkpoints that the pinned log signed"
	var size uint64
	for _, p := range f.places() {
		if err := r.checkHead(f, p); err != nil {
			return fail(CheckCheckpoint, OnPinned, expected, p.name+": "+err.Error())
		}
		size = max(size, p.checkpoint.Size)
	}
	return pass(CheckCheckpoint, OnPinned, expected, fmt.Sprintf("log %s at size %d", f.origin(), size))
}

// checkHead wants a checkpoint of the log that the statement names, signed, with
// the same tree as every other checkpoint of its size in the bundle.
func (r *run) checkHead(f *view, p namedPlace) error {
	switch {
	case !p.logged:
		return errors.New("no checkpoint")
	case p.signatureErr != nil:
		return p.signatureErr
	case p.checkpoint.Origin != f.origin():
		return fmt.Errorf("a checkpoint of log %s, where the statement names %s", p.checkpoint.Origin, f.origin())
	}
	head := treeHead{p.checkpoint.Origin, p.checkpoint.Size}
	if root, ok := r.roots[head]; ok && root != p.checkpoint.Root {
		return fmt.Errorf("the log signed two trees of size %d: keep this bundle as evidence", head.size)
	}
	r.roots[head] = p.checkpoint.Root
	return nil
}

func (r *run) checkTree(*view) Check {
	return Check{
		Check: CheckTree, Outcome: Skipped, RestsOn: OnAgency,
		Expected: "a committed tree that is well formed and true",
		Observed: "rests on the agency; who has the records can confirm the root",
	}
}

func required(c Check) Check {
	c.Required = true
	return c
}

// short gives enough of a digest for people to tell it from others.
func short(d statement.Digest) string { return d.Hex()[:16] }
