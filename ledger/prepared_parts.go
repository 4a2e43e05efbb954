package ledger

import (
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/statement"
)

// Entry gives the entry that was read. The caller does not change it.
func (p *Prepared) Entry() Entry { return p.entry }

// D gives the digest of a proof's statement; of any other entry, zero.
func (p *Prepared) D() statement.Element { return p.d }

// LeafHash gives the RFC 6962 leaf hash of the entry's bytes.
func (p *Prepared) LeafHash() tlog.Hash { return p.leaf }
