package workspace

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/statement"
)

// ErrBadBackup says that a directory is no backup, or not the one that was made.
var ErrBadBackup = errors.New("not a whole backup")

const (
	backupFormat = "attestry/backup/v1"
	// backupManifest is a signed note (C2SP signed-note) by the log's key.
	backupManifest = "MANIFEST"
	// backupSums lists the files as sha256sum does, which checks them as well: a note has
	// no room for many.
	backupSums = "SHA256SUMS"

	maxManifestBytes = 64 << 10
	maxSumsBytes     = 256 << 20
)

// manifest says what a backup is of, and which its files are.
//
//	attestry/backup/v1
//	ORIGIN
//	INSTANT
//	ENTRIES
//	SHA-256 of SHA256SUMS
//
// No checkpoint has this form: its second line is a number, and an origin is none.
type manifest struct {
	Origin  string
	Made    time.Time // whole seconds
	Entries uint64    // of the ledger
	Sums    statement.Digest
}

func (m *manifest) text() string {
	return fmt.Sprintf("%s\n%s\n%s\n%d\n%x\n", backupFormat, m.Origin, statement.FormatTime(m.Made), m.Entries, m.Sums[:])
}

// parseManifest reads the text of a manifest, strictly.
func parseManifest(text string) (*manifest, error) {
	lines := strings.Split(text, "\n")
	if lines[0] != backupFormat {
		return nil, fmt.Errorf("%w: %s does not begin with %s: another version may read it", ErrBadBackup, backupManifest, backupFormat)
	}
	malformed := fmt.Errorf("%w: %s is malformed", ErrBadBackup, backupManifest)
	if len(lines) != 6 {
		return nil, malformed
	}
	made, err1 := statement.ParseTime(lines[2])
	entries, err2 := strconv.ParseUint(lines[3], 10, 64)
	m := &manifest{Origin: lines[1], Made: made, Entries: entries}
	ok := decodeHex(&m.Sums, lines[4])
	if errors.Join(err1, err2) != nil || !ok || m.text() != text {
		return nil, malformed
	}
	return m, nil
}

// decodeHex reads a digest; whoever calls it holds it to its spelling.
func decodeHex(d *statement.Digest, text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && copy(d[:], b) == len(d)
}

// sign gives the manifest as a note.
func (m *manifest) sign(signer note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: m.text()}, signer)
}

// sum is one file of a backup.
type sum struct {
	path   string // with slashes, below the backup's directory
	digest statement.Digest
}

// checkName refuses names of files that lead out of the backup, or that a list of lines has no
// room for.
func checkName(name string) error {
	if !fs.ValidPath(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return fmt.Errorf("%w: the file name %q", ErrBadBackup, name)
	}
	return nil
}

func formatSums(sums []sum) []byte {
	var b bytes.Buffer
	for _, s := range sums {
		fmt.Fprintf(&b, "%x  %s\n", s.digest[:], s.path)
	}
	return b.Bytes()
}

// parseSums reads the list of a backup's files, which is in the order of their names.
func parseSums(data []byte) (sums []sum, err error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		digest, name, ok := strings.Cut(lines.Text(), "  ")
		s := sum{path: name}
		if !ok || !decodeHex(&s.digest, digest) || checkName(name) != nil {
			return nil, fmt.Errorf("%w: %s, line %d, is malformed", ErrBadBackup, backupSums, len(sums)+1)
		}
		sums = append(sums, s)
	}
	if lines.Err() != nil || !bytes.Equal(formatSums(sums), data) {
		return nil, fmt.Errorf("%w: %s is malformed", ErrBadBackup, backupSums)
	}
	for i := range sums[min(1, len(sums)):] {
		if sums[i].path >= sums[i+1].path {
			return nil, fmt.Errorf("%w: %s is not in order, or has a file twice", ErrBadBackup, backupSums)
		}
	}
	return sums, nil
}
