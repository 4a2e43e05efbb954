package verifycmd

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/verifier"
)

// Auditor is the auditor's own key, which signs and recognises saved audits.
type Auditor struct {
	AuditorKey string `env:"ATTESTRY_AUDITOR_KEY" placeholder:"FILE" help:"Your own key, which signs saved audits so that nobody else's pass for yours. It is made when first needed (default: attestry/auditor.key in your configuration directory)."`
}

// auditorPrefix marks an auditor's key file, so that no other file passes for one.
const auditorPrefix = "ATTESTRY-AUDITOR-KEY+"

var errAuditorKey = errors.New("not an auditor's key")

func (a *Auditor) path() (string, error) {
	if a.AuditorKey != "" {
		return a.AuditorKey, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", cli.Hint(fmt.Errorf("no place for the auditor's key: %w", err), "name a file with --auditor-key")
	}
	return filepath.Join(dir, "attestry", "auditor.key"), nil
}

// read gives the key, which must be there.
func (a *Auditor) read() (ed25519.PrivateKey, error) {
	path, err := a.path()
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Hint(fmt.Errorf("the auditor's key: %w", err), "name the key that signed the saved audit with --auditor-key; if it is lost, audit the log anew")
	}
	if err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(content)), auditorPrefix)
	seed, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s: %w", path, errAuditorKey) // never the key itself
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// ensure gives the key and makes it where there is none.
func (a *Auditor) ensure(env *cli.Env) (ed25519.PrivateKey, error) {
	path, err := a.path()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return a.read()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(f, "%s%s\n", auditorPrefix, base64.StdEncoding.EncodeToString(key.Seed()))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	env.Note("made the auditor's key %s: keep it, saved audits are of no use without it", path)
	return key, nil
}

// open reads a saved audit.
func (a *Auditor) open(path string, trust *verifier.Trust) (*verifier.AuditedLog, error) {
	key, err := a.read()
	if err != nil {
		return nil, err
	}
	public, err := ledger.PublicKeyOf(key)
	if err != nil {
		return nil, err
	}
	return verifier.OpenAuditedLog(path, public, trust, "")
}

// saved is where an audit is going to be saved.
type saved struct {
	out  *cli.Output // nil: nowhere
	path string
	key  ed25519.PrivateKey
}

// prepare makes ready to save an audit, so that an audit of hours does not fail at its
// end. It must be ended with discard.
func (a *Auditor) prepare(env *cli.Env, path string) (s saved, err error) {
	if path == "" {
		return s, nil
	}
	if path == cli.Dash {
		return s, errors.New("a saved audit is a file: the report is what goes to standard output")
	}
	if s.key, err = a.ensure(env); err != nil {
		return s, err
	}
	s.path = path
	s.out, err = env.Prepare(path, 0o600)
	return s, err
}

func (s saved) save(env *cli.Env, log *verifier.AuditedLog) error {
	if s.out == nil {
		return nil
	}
	if log == nil {
		env.Warn("the audit is not saved in %s: only a log without problems can be continued", s.path)
		return nil
	}
	return s.out.WriteFrom(func(w io.Writer) error { return log.Save(w, s.key) })
}

func (s saved) discard() { s.out.Discard() }
