package ledger

import "github.com/attestry/attestry/statement"

// Entry gives the entry that was read. The caller does not change it.
func (p *Prepared) Entry() Entry { return p.entry }

// D gives the digest of a proof's statement; of any other entry, zero.
func (p *Prepared) D() statement.Element { return p.d }
