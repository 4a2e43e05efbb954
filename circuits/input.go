package circuits

import (
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/frontend"

	"github.com/attestry/attestry/statement"
)

// Input is what an assignment of one of the circuits is made from.
type Input interface {
	// Statement gives the statement that the assignment claims.
	Statement() statement.Statement
	// Circuit gives the assignment as gnark takes it.
	Circuit() frontend.Circuit
	// SetHolderSecret puts in the secret of the record's holder, where one is needed.
	SetHolderSecret(fr.Element)
}

// SetHolderSecret implements [Input].
func (in *PresentInput) SetHolderSecret(secret fr.Element) { in.HolderSecret = secret }

// SetHolderSecret implements [Input]: absence needs no holder.
func (in *AbsentInput) SetHolderSecret(fr.Element) {}

// Circuit implements [Input].
func (in *PresentInput) Circuit() frontend.Circuit { return in.Assignment() }

// Circuit implements [Input].
func (in *AbsentInput) Circuit() frontend.Circuit { return in.Assignment() }
