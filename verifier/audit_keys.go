package verifier

import (
	"fmt"

	"github.com/attestry/attestry/ledger"
)

// The keys of an audited log: which of them count, when the trust file pins some and
// the log's own entries hand over from those to others.

// unpinnedEntry is a schema or epoch that no pinned issuer signed within its window,
// until the whole log is known: it may be one that a revocation has voided.
type unpinnedEntry struct {
	index    uint64
	registry string
	issuer   ledger.IssuerKey
	err      error
}

// maxUnpinned bounds them, so that a log full of them does not fill the memory: those
// beyond are problems at once.
const maxUnpinned = 10_000

// logKeys gives the pinned keys of a log. Its first one is among them, or else nothing
// leads from there to the present one.
func (p *pins) logKeys(origin string) (keys []ledger.PublicKey) {
	for _, l := range p.logs {
		if l.origin != origin {
			continue
		}
		if key, err := ledger.LogPublicKey(l.Key); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

func (a *audit) view() ledger.View { return ledger.View{State: a.state} }

// checkHandedOver accepts an entry, which no pinned issuer signed, from an issuer that
// a pinned one handed over to. The rules have found that the registry's present
// issuer signed it. Any other is left for the end of the replay.
func (a *audit) checkHandedOver(registry string, refused error) error {
	spans, err := a.view().IssuerKeys(registry)
	if err != nil {
		return err
	}
	present := spans[len(spans)-1].Key
	for _, k := range a.pins.anchorIssuers(a.checkpoint.Origin, registry, spans) {
		if k.Key == present && !k.isPinned {
			return nil
		}
	}
	if len(a.unpinned) >= maxUnpinned {
		return refused
	}
	a.unpinned = append(a.unpinned, unpinnedEntry{a.index, registry, present, refused})
	return nil
}

func (p *pins) anchorIssuers(log, registry string, spans []ledger.KeySpan) []anchoredKey {
	return anchor(spans, p.trust.issuerWindow(log, registry))
}

// checkKeys judges what could not be judged before the whole log was replayed: who
// signed the checkpoint, and entries by issuers outside their windows.
func (a *audit) checkKeys(signed []byte) error {
	if err := a.checkUnpinned(); err != nil {
		return err
	}
	if err := a.checkLogSignature(signed); err != nil {
		a.problems.add(nil, AuditCheckpoint, err)
	}
	f := &follower{log: a.checkpoint.Origin, view: a.view(), add: true}
	_, changes, err := f.follow(a.pins.trust)
	a.report.Followed = changes
	return err
}

// checkUnpinned lets an entry by a pinned key outside its window pass where the log's
// own revocation says the same of it: it does not count, as everyone can see.
func (a *audit) checkUnpinned() error {
	for _, e := range a.unpinned {
		spans, err := a.view().IssuerKeys(e.registry)
		if err != nil {
			return err
		}
		voided := false
		for _, k := range a.pins.anchorIssuers(a.checkpoint.Origin, e.registry, spans) {
			voided = voided || (k.Key == e.issuer && k.Revoked != nil && e.index >= *k.Revoked)
		}
		if !voided {
			a.problems.add(&e.index, AuditIssuer, e.err)
		}
	}
	return nil
}

// checkLogSignature wants the checkpoint signed by the key that the log has at its
// last entry, which must be pinned or one that pinned keys handed over to.
func (a *audit) checkLogSignature(signed []byte) error {
	spans, err := a.view().LogKeys()
	if err != nil {
		return err
	}
	if len(spans) == 0 || !a.pins.isLog(a.checkpoint.Origin) {
		return a.pins.checkLogSignature(signed, a.checkpoint)
	}
	for _, k := range anchor(spans, a.pins.trust.logWindow(a.checkpoint.Origin)) {
		if a.checkpoint.Size == 0 || !k.window.holds(a.checkpoint.Size-1) {
			continue
		}
		vkey, err := ledger.LogVerifierKey(a.checkpoint.Origin, k.Key)
		if err != nil {
			return err
		}
		_, err = ledger.OpenCheckpoint(signed, vkey)
		return err
	}
	present := spans[len(spans)-1]
	return fmt.Errorf("the log's key is %s, which is neither pinned for the checkpoint's size nor one that a pinned key handed over to", present.Key)
}
