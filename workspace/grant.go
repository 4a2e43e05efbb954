package workspace

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
)

// grantsDir holds the documents of grants, of which the ledger has blinded digests.
const grantsDir = "grants"

// grantPath names a document by its digest: it is kept before its entry has an index.
func (w *Workspace) grantPath(digest statement.Digest) string {
	return filepath.Join(w.dir, grantsDir, hex.EncodeToString(digest[:])+".json")
}

// IssueGrant draws a grant's blind where it has none, keeps its document and appends its
// entry, signed by the issuer. It gives the document, which the grantee gets, and the
// entry's index, which requests name. Of a grant that the log has already, by its blind, it
// gives that entry's. It fails with [statement.ErrBadGrant], or with [ErrNoRegistry] where
// it is about a registry that this log does not have.
func (w *Workspace) IssueGrant(ctx context.Context, g *statement.Grant) (*statement.Grant, uint64, error) {
	issued := *g
	if issued.Blind == nil {
		issued.Blind = statement.NewGrantBlind()
	}
	digest, err := issued.Digest()
	if err != nil {
		return nil, 0, err
	}
	if err := w.checkGrant(&issued); err != nil {
		return nil, 0, err
	}
	entry := &ledger.GrantEntry{Origin: w.Ledger.Origin(), Registry: issued.RegistryNames()[0], Grant: digest}
	if err := entry.Sign(w.issuer); err != nil {
		return nil, 0, err
	}
	document, err := canon.Marshal(&issued)
	if err != nil {
		return nil, 0, err
	}
	if err := os.MkdirAll(filepath.Join(w.dir, grantsDir), 0o700); err != nil {
		return nil, 0, err
	}
	if err := atomicfile.Write(w.grantPath(digest), append(document, '\n'), 0o600); err != nil {
		return nil, 0, err
	}
	indexes, err := w.Ledger.Append(ctx, entry)
	if duplicate, ok := errors.AsType[*ledger.DuplicateError](err); ok {
		return &issued, duplicate.Index, nil
	}
	if err != nil {
		return nil, 0, err // the document stays: where the disk failed, the entry may be there
	}
	return &issued, indexes[0], nil
}

// checkGrant holds a grant to the registries that it is about.
func (w *Workspace) checkGrant(g *statement.Grant) error {
	for _, name := range g.RegistryNames() {
		_, entry, err := w.Ledger.Schema(name)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: %q, which the grant is about", ErrNoRegistry, name)
		}
		if err != nil {
			return err
		}
		schema, ok := entry.Schema.Of(name)
		if !ok {
			return fmt.Errorf("%w: %q, which the present schema of %s does not define", ErrNoRegistry, name, entry.Schema.Registry)
		}
		if err := g.CheckSchema(schema); err != nil {
			return err
		}
	}
	return nil
}

// Grant is a grant of the log, with its document where this workspace has it.
type Grant struct {
	ledger.GrantStatus
	Digest   statement.Digest // that its entry has
	Document *statement.Grant // nil: it is not here
}

// States of a grant.
const (
	GrantEarly   = "early" // it does not count yet
	GrantLive    = "live"
	GrantExpired = "expired"
	GrantRevoked = "revoked"
	GrantVoid    = "void"    // its issuer's key was revoked from before it
	GrantUnknown = "unknown" // its document is not here, which says from when until when it counts
)

// State tells where the grant stands at an instant.
func (g *Grant) State(now time.Time) string {
	instant := statement.FormatTime(now)
	switch {
	case g.Void != nil:
		return GrantVoid
	case g.Revoked != nil:
		return GrantRevoked
	case g.Document == nil:
		return GrantUnknown
	case instant >= g.Document.ValidUntil: // in this format the order of texts is that of instants
		return GrantExpired
	case instant < g.Document.ValidFrom:
		return GrantEarly
	}
	return GrantLive
}

// Grant gives the grant whose entry has an index. It fails with [prover.ErrNoGrant] where
// the log has none there.
func (w *Workspace) Grant(index uint64) (*Grant, error) {
	entry, status, err := w.Ledger.Grant(index)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noGrant(index)
	}
	if err != nil {
		return nil, err
	}
	g := &Grant{GrantStatus: status, Digest: entry.Grant}
	if g.Document, err = w.GrantDocument(index); errors.Is(err, prover.ErrNoGrant) {
		err = nil
	}
	return g, err
}

func noGrant(index uint64) error {
	return fmt.Errorf("%w: entry %d is none (attestry grant list shows those there are)", prover.ErrNoGrant, index)
}

// GrantDocument gives the document of the grant whose entry has an index. It fails with
// [prover.ErrNoGrant].
func (w *Workspace) GrantDocument(index uint64) (*statement.Grant, error) {
	entry, _, err := w.Ledger.Grant(index)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noGrant(index)
	}
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(w.grantPath(entry.Grant))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the document of entry %d is not in this workspace: put the grantee's copy back as %s", prover.ErrNoGrant, index, w.grantPath(entry.Grant))
	}
	if err != nil {
		return nil, err
	}
	g, err := statement.ParseGrant(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.grantPath(entry.Grant), err)
	}
	digest, err := g.Digest()
	if err == nil && digest != entry.Grant {
		err = fmt.Errorf("%w: %s is not the document of entry %d", prover.ErrNoGrant, w.grantPath(entry.Grant), index)
	}
	return g, err
}

// RevokeGrant ends the grant of an entry and gives the index of the entry that says so.
// It fails with [prover.ErrNoGrant], and with a [ledger.DuplicateError] where it has ended.
func (w *Workspace) RevokeGrant(ctx context.Context, index uint64) (uint64, error) {
	grant, _, err := w.Ledger.Grant(index)
	if errors.Is(err, store.ErrNotFound) {
		return 0, noGrant(index)
	}
	if err != nil {
		return 0, err
	}
	data, err := w.Ledger.Entry(index)
	if err != nil {
		return 0, err
	}
	entry := &ledger.GrantRevocationEntry{
		Origin: w.Ledger.Origin(), Registry: grant.Registry, Grant: canon.Uint64(index), Leaf: statement.Digest(ledger.LeafHash(data)),
	}
	if err := entry.Sign(w.issuer); err != nil {
		return 0, err
	}
	indexes, err := w.Ledger.Append(ctx, entry)
	if err != nil {
		return 0, err
	}
	return indexes[0], nil
}
