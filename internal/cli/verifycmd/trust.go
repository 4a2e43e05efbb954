package verifycmd

import (
	"errors"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/verifier"
)

// pinned is a trust file with the fingerprint that people compare.
type pinned struct {
	*verifier.Trust
	fingerprint string
}

// readPinned reads the trust file of a verification and says its fingerprint, so that
// who looks at the outcome sees what it rests on.
func readPinned(env *cli.Env, name string) (p pinned, err error) {
	if name == "" {
		return p, cli.Hint(errors.New("no trust file: nothing can be verified without what you pin beforehand"),
			"name one with --trust or in ATTESTRY_TRUST; attestry trust export makes one, and its fingerprint is to be compared by telephone")
	}
	if p.Trust, err = ReadTrust(env, name); err != nil {
		return p, err
	}
	if p.fingerprint, err = p.Fingerprint(); err != nil {
		return p, err
	}
	env.Note("trust file fingerprint %s", p.fingerprint)
	return p, nil
}
