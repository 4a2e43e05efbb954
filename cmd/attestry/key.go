package main

import (
	"strings"

	"github.com/attestry/attestry/ledger"
)

type keyCmds struct {
	Rotate   keyRotateCmd   `cmd:"" help:"Replace the log's key or the issuer's by a new one."`
	Revoke   keyRevokeCmd   `cmd:"" help:"Say that nothing a key signed from an index on counts."`
	List     keyListCmd     `cmd:"" help:"List the keys that the log and the issuers have had."`
	Recovery keyRecoveryCmd `cmd:"" help:"Make a key that can force the release of pledges."`
}

func (*keyCmds) Help() string {
	return `The log's key signs checkpoints, revocations and sunsets; the issuer's key signs schemas, epochs and consents to pledges. Each change is an entry of the ledger, for everyone to see and to follow. docs/operations.md has the drills.

Examples:

    attestry key list
    attestry key rotate issuer`
}

// roleName names a role for people.
func roleName(role ledger.Role, registry string) string {
	if role == ledger.RoleLog || registry == "" {
		return "log"
	}
	return "issuer of " + registry
}

// parseKey reads a public key, in base64 or as the log's verifier key.
func parseKey(text string) (ledger.PublicKey, error) {
	if strings.Count(text, "+") >= 2 {
		if key, err := ledger.LogPublicKey(text); err == nil {
			return key, nil
		}
	}
	return ledger.ParsePublicKey(text)
}
