package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

type pledgeCmds struct {
	Release  pledgeReleaseCmd  `cmd:"" help:"Release a pledge, so that the record may be pledged again."`
	Submit   pledgeSubmitCmd   `cmd:"" help:"Append a release that a bank signed, or a pledge that a holder proved, elsewhere."`
	Complete pledgeCompleteCmd `cmd:"" help:"Put an agency's receipt into the bundle of a holder's pledge."`
	Status   pledgeStatusCmd   `cmd:"" help:"Say whether a pledge is live."`
	Force    pledgeForceCmd    `cmd:"" name:"force-release" help:"End a pledge by its scope's recovery key."`
}

func (*pledgeCmds) Help() string {
	return `A pledge is a proof with once: SCOPE. Until it is released, the same record cannot be pledged in that scope again.

Examples:

    attestry pledge status bundle.json
    attestry pledge release bundle.json --openings openings.json`
}

// pledge is a pledge of a bundle.
type pledge struct {
	fact  verifier.Fact
	entry *ledger.ProofEntry
	index uint64
	leaf  statement.Digest
}

var (
	errNoPledge  = errors.New("the bundle holds no such pledge")
	errNotLogged = errors.New("the pledge is not in the log yet, as far as the bundle shows")
)

// pledgesOf lists the pledges of a bundle, of one fact where name says which.
func pledgesOf(b *verifier.Bundle, name string) (pledges []pledge, err error) {
	for _, f := range b.Facts {
		if name != "" && f.Name != name {
			continue
		}
		p, err := pledgeOf(f)
		if err != nil {
			return nil, fmt.Errorf("fact %s: %w", f.Name, err)
		}
		if p.entry.IsPledge() {
			pledges = append(pledges, p)
		}
	}
	if len(pledges) == 0 {
		return nil, errNoPledge
	}
	return pledges, nil
}

func pledgeOf(f verifier.Fact) (pledge, error) {
	first := f.Proofs[0] // only the first proof of a fact can be a pledge
	entry, err := ledger.ParseEntry(first.Entry)
	if err != nil {
		return pledge{}, err
	}
	proof, ok := entry.(*ledger.ProofEntry)
	if !ok {
		return pledge{}, fmt.Errorf("the proof's entry is of type %s", entry.Type())
	}
	p := pledge{fact: f, entry: proof, leaf: statement.Digest(ledger.LeafHash(first.Entry))}
	if !proof.IsPledge() {
		return p, nil
	}
	if first.Inclusion == "" {
		return pledge{}, cli.Hint(errNotLogged, "the agency appends it with attestry pledge submit, and its receipt completes the bundle: attestry pledge complete")
	}
	inclusion, err := ledger.ParseInclusion([]byte(first.Inclusion))
	if err != nil {
		return pledge{}, err
	}
	p.index = inclusion.Index
	return p, nil
}

// release signs the pledge's end with the secret behind its release key: the
// openings', or else the one derived from the master secret of a directory.
func (p pledge) release(openings *verifier.Openings, dir string) (*ledger.ReleaseEntry, error) {
	secret, err := p.secret(openings, dir)
	if err != nil {
		return nil, err
	}
	e := &ledger.ReleaseEntry{
		Origin: p.entry.Public.Origin, Registry: p.entry.Public.Registry, Nullifier: p.entry.Nullifier, Leaf: p.leaf,
	}
	e.Pledge = ledgerIndex(p.index)
	return e, e.Sign(secret.Private())
}

func (p pledge) secret(openings *verifier.Openings, dir string) (statement.ReleaseSecret, error) {
	if openings != nil {
		if s, ok := openings.ReleaseSecrets[p.fact.Name]; ok && p.isReleasedBy(s) {
			return s, nil
		}
	}
	if key := p.entry.Public.ReleaseKey; key != nil {
		if s, err := workspace.KeptRelease(dir, *key); err == nil {
			return s, nil
		}
	}
	master, err := workspace.ReleaseMaster(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return master, fmt.Errorf("no release secret for fact %s: neither in the openings nor derived from %s/release.key", p.fact.Name, dir)
	}
	if err != nil {
		return master, err
	}
	s := statement.DeriveReleaseSecret(master, p.fact.Context.Nonce, p.fact.Name)
	if !p.isReleasedBy(s) {
		return s, fmt.Errorf("the master secret in %s is not the one that the pledge of fact %s was made with", dir, p.fact.Name)
	}
	return s, nil
}

// isReleasedBy tells whether a secret is the one behind the pledge's release key.
func (p pledge) isReleasedBy(s statement.ReleaseSecret) bool {
	key := p.entry.Public.ReleaseKey
	return key != nil && s.Public() == *key
}
