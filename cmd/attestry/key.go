package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/statement"
)

type keyCmds struct {
	Create   keyCreateCmd   `cmd:"" help:"Make an API key of an organisation, and show it once."`
	Rotate   keyRotateCmd   `cmd:"" help:"Replace the log's key, the issuer's or an API key by a new one."`
	Revoke   keyRevokeCmd   `cmd:"" help:"Say that nothing a key signed from an index on counts, or end an API key."`
	List     keyListCmd     `cmd:"" help:"List the keys that the log and the issuers have had, and the organisations' credentials."`
	Recovery keyRecoveryCmd `cmd:"" help:"Make a key that can force the release of pledges."`
}

func (*keyCmds) Help() string {
	return `The log's key signs checkpoints, revocations and sunsets; the issuer's key signs schemas, epochs and consents to pledges. Each change is an entry of the ledger, for everyone to see and to follow. docs/operations.md has the drills.

API keys are what organisations use the service of attestry serve with. They are named by their ids, 16 of a-z and 2-7, and work at once, also where a server holds the workspace. Signing keys need the server to be stopped; key list does not.

Examples:

    attestry key list
    attestry key create bank-a --role bank
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

// apiKeyID reads the id of an API key, which the whole key is taken for, too: whoever finds
// a leaked one has that. It is not repeated in errors.
func apiKeyID(text string) (string, error) {
	id, ok := access.KeyIDOf(text)
	if !ok {
		return "", errors.New("neither log, issuer nor the id of an API key, which has 16 of a-z and 2-7: attestry key list shows them")
	}
	return id, nil
}

// isSigning tells whether a word names a signing key's role.
func isSigning(word string) bool {
	return word == string(ledger.RoleLog) || word == string(ledger.RoleIssuer)
}

// printSecret shows a new API key. Whatever keeps it from being seen leaves a key that
// nobody has.
func printSecret(env *cli.Env, made any, k api.IssuedKey) (err error) {
	if env.JSON {
		err = env.PrintJSON(made)
	} else {
		err = env.Print("%s", k.Secret)
	}
	return cli.Hint(err, "the key was made, and nobody has seen it: attestry key revoke %s", k.Key.Id)
}

// noteKey says what a new API key is.
func noteKey(env *cli.Env, k api.Key) {
	text := "key " + k.Id + " of " + k.Organisation
	if len(k.Scopes) > 0 {
		text += " for " + strings.Join(k.Scopes, ", ")
	}
	if !k.Expires.IsZero() {
		text += " until " + statement.FormatTime(k.Expires)
	}
	env.Note("%s: it is shown this once, and kept nowhere", text)
}

// span is a time that a person writes: 90d, 12h, 30m.
type span time.Duration

var errSpan = errors.New("not a time like 90d, 12h or 30m")

// maxSpanDays keeps ends within the years that have four digits.
const maxSpanDays = 36500

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		n, err := strconv.ParseUint(days, 10, 64)
		if err != nil || n > maxSpanDays {
			return errSpan
		}
		*s = span(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 || d > maxSpanDays*24*time.Hour {
		return errSpan
	}
	*s = span(d)
	return nil
}
