package verifier

import (
	"fmt"
	"slices"

	"github.com/attestry/attestry/ledger"
)

// followHint says what to do where a signature is by none of the pinned keys.
func followHint(err error, who string) error {
	return fmt.Errorf("%w; if %s has changed its key since this trust file was made, an export of the log shows it: attestry trust update TRUST.json --log EXPORT_DIR -o NEW.json", err, who)
}

// issuerEnded says which entry of the audited log ended an issuer's key, if one did.
func (l *AuditedLog) issuerEnded(origin, registry string, key ledger.IssuerKey) string {
	if l == nil || l.checkpoint.Origin != origin {
		return ""
	}
	spans, err := l.view.IssuerKeys(registry)
	i := slices.IndexFunc(spans, func(s ledger.KeySpan) bool { return s.Key == key })
	if err != nil || i < 0 {
		return ""
	}
	return ended(spans[i])
}
