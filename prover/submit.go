package prover

import (
	"context"
	"errors"
	"fmt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Submit appends a pledge that a holder proved (see [RecordFile.Prove]) and gives the
// receipt that completes the holder's bundle. The agency sees the entry and what it
// shows to anyone: the registry, the scope, the nullifier, from which it knows the
// record, and nothing of the question or of who asks. The ledger's rules decide, as about
// every entry; a record that is pledged already fails with a [*PledgedError], an epoch
// that is not the latest any more with [ledger.ErrStaleEpoch]. An entry that the log has
// already gets its receipt again.
//
// With consent the issuer signs the pledge, which scopes of the issuer's consent need:
// it agrees to the pledge of this record in this scope, whatever was asked of it.
func (a *Agency) Submit(ctx context.Context, e *ledger.ProofEntry, consent bool) (*verifier.Receipt, uint64, error) {
	if !e.IsPledge() {
		return nil, 0, fmt.Errorf("%w: the proof is no pledge, and need not be logged", statement.ErrBadRequest)
	}
	if consent {
		if err := a.Consent(e); err != nil {
			return nil, 0, err
		}
	}
	index, err := a.submit(ctx, e)
	if err != nil {
		return nil, 0, err
	}
	receipt, err := a.receipt(ctx, index)
	if err != nil {
		return nil, 0, &LoggedError{Indexes: []uint64{index}, Cause: err}
	}
	return receipt, index, nil
}

func (a *Agency) submit(ctx context.Context, e *ledger.ProofEntry) (uint64, error) {
	indexes, err := a.Ledger.Append(ctx, e)
	var duplicate *ledger.DuplicateError
	if errors.As(err, &duplicate) {
		return duplicate.Index, nil
	}
	if err != nil {
		return 0, a.named(err, []ledger.Entry{e})
	}
	return indexes[0], nil
}

func (a *Agency) receipt(ctx context.Context, index uint64) (*verifier.Receipt, error) {
	checkpoint, err := a.Publish(ctx)
	if err != nil {
		return nil, err
	}
	logged, err := a.logged(index, checkpoint)
	if err != nil {
		return nil, err
	}
	return &verifier.Receipt{Format: verifier.ReceiptFormat, Logged: logged}, nil
}
