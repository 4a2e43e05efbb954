package verifier

import (
	"errors"
	"fmt"
	"slices"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// ReceiptFormat is the format member of every receipt.
const ReceiptFormat = "attestry/receipt/v1"

// ErrOtherReceipt says that a receipt is not of a bundle.
var ErrOtherReceipt = errors.New("the receipt is of another bundle")

// Receipt is what a log gives to whoever submitted a proof that was made elsewhere:
// the proof's entry as it is logged, with its inclusion. It is public.
type Receipt struct {
	Format string `json:"format"`
	Logged Logged `json:"logged"`
}

// ParseReceipt reads a receipt, strictly. It fails with [ErrMalformed].
func ParseReceipt(data []byte) (*Receipt, error) {
	if len(data) > MaxBundleBytes {
		return nil, fmt.Errorf("%w: a receipt of %d bytes, over the limit of %d", ErrMalformed, len(data), MaxBundleBytes)
	}
	r := &Receipt{}
	if err := canon.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%w: the receipt: %w", ErrMalformed, err)
	}
	if _, _, err := r.read(); err != nil {
		return nil, err
	}
	return r, nil
}

// Marshal gives the receipt's canonical JSON, after the checks of [ParseReceipt].
func (r *Receipt) Marshal() ([]byte, error) {
	if _, _, err := r.read(); err != nil {
		return nil, err
	}
	return canon.Marshal(r)
}

// read gives the entry of a receipt and the statement that it is of, after a look
// at whether it is in the tree of the receipt's checkpoint.
func (r *Receipt) read() (*ledger.ProofEntry, statement.Element, error) {
	if r.Format != ReceiptFormat {
		return nil, statement.Element{}, fmt.Errorf("%w: the receipt's format is not %q", ErrMalformed, ReceiptFormat)
	}
	l, err := locate[*ledger.ProofEntry]((&pins{}).newReader(), "receipt's", r.Logged.Entry, r.Logged.Inclusion)
	if err != nil {
		return nil, statement.Element{}, err
	}
	if !l.logged || l.pathErr != nil {
		return nil, statement.Element{}, fmt.Errorf("%w: the receipt's entry is not in its checkpoint's tree", ErrMalformed)
	}
	d, err := l.entry.D()
	return l.entry, d, err
}

// Complete gives the bundle with a receipt's entry and inclusion in the place of the
// proof that was submitted: the one of the same statement. Who signed the checkpoint
// is for the verdict. It fails with [ErrOtherReceipt] where no proof is of the statement.
func (b *Bundle) Complete(r *Receipt) (*Bundle, error) {
	_, want, err := r.read()
	if err != nil {
		return nil, err
	}
	out := &Bundle{Format: b.Format, Facts: slices.Clone(b.Facts)}
	found := false
	for i := range out.Facts {
		proofs := slices.Clone(out.Facts[i].Proofs)
		for j := range proofs {
			e, err := locate[*ledger.ProofEntry]((&pins{}).newReader(), "proof", proofs[j].Entry, "")
			if err != nil {
				return nil, err
			}
			if d, err := e.entry.D(); err != nil || d != want {
				continue
			}
			proofs[j].Entry, proofs[j].Inclusion, found = r.Logged.Entry, r.Logged.Inclusion, true
		}
		out.Facts[i].Proofs = proofs
	}
	if !found {
		return nil, fmt.Errorf("%w: no proof of the bundle has its statement", ErrOtherReceipt)
	}
	return out, nil
}
