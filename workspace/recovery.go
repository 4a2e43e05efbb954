package workspace

import (
	"crypto/ed25519"
	"crypto/rand"

	"github.com/attestry/attestry/ledger"
)

// recoveryPrefix marks the file of a recovery key, which forces the release of
// pledges in scopes whose schema names its public half. It belongs to whoever may
// do that, and not into a workspace.
const recoveryPrefix = "ATTESTRY-RECOVERY-KEY+"

// NewRecoveryKey draws a recovery key, and gives the content of its file and its
// public half.
func NewRecoveryKey() (content []byte, public ledger.PublicKey, err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, public, err
	}
	public, err = ledger.PublicKeyOf(key)
	return formatKey(recoveryPrefix, key), public, err
}

// ReadRecoveryKey reads the file of a recovery key.
func ReadRecoveryKey(path string) (ed25519.PrivateKey, error) {
	return readKey(nil, path, recoveryPrefix)
}
