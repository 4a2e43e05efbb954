package statement

import (
	"fmt"
	"strconv"
	"time"

	"github.com/attestry/attestry/internal/canon"
)

// AsOf names the state of a registry that a request asks about: the latest epoch,
// an epoch by its number (from 1), or the last epoch at an instant. Its text is
// "latest", "7" or "2026-01-31T00:00:00Z". The zero value means the latest epoch.
type AsOf struct {
	Latest bool
	Number uint64
	Time   time.Time // UTC, whole seconds
}

// IsLatest tells whether the latest epoch is meant.
func (a AsOf) IsLatest() bool { return a.Number == 0 && a.Time.IsZero() }

// String gives the text form.
func (a AsOf) String() string {
	switch {
	case a.Number != 0:
		return strconv.FormatUint(a.Number, 10)
	case !a.Time.IsZero():
		return FormatTime(a.Time)
	}
	return "latest"
}

// MarshalText implements encoding.TextMarshaler.
func (a AsOf) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; an instant may have any
// offset and is brought to UTC.
func (a *AsOf) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "latest" {
		*a = AsOf{Latest: true}
		return nil
	}
	if isDigits(s) {
		var n canon.Uint64
		if err := n.UnmarshalText(text); err != nil || n == 0 {
			return fmt.Errorf("%w: as_of: epochs are numbered 1, 2, 3", ErrBadRequest)
		}
		*a = AsOf{Number: uint64(n)}
		return nil
	}
	instant, err := normaliseTime(s)
	if err != nil {
		return fmt.Errorf("%w: as_of: latest, an epoch's number or an instant like 2026-01-31T00:00:00Z", ErrBadRequest)
	}
	t, err := ParseTime(instant)
	*a = AsOf{Time: t}
	return err
}

func (a AsOf) validate() error {
	given := 0
	for _, set := range []bool{a.Latest, a.Number != 0, !a.Time.IsZero()} {
		if set {
			given++
		}
	}
	if given > 1 {
		return fmt.Errorf("as_of names more than one of latest, a number and an instant")
	}
	var back AsOf
	if err := back.UnmarshalText([]byte(a.String())); err != nil {
		return err
	}
	if !back.Time.Equal(a.Time) {
		return fmt.Errorf("as_of: an instant has whole seconds")
	}
	return nil
}

// normaliseTime brings an RFC 3339 instant with any offset to the one form that
// [ParseTime] reads. A fraction of a second is refused rather than dropped.
func normaliseTime(s string) (string, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Nanosecond() != 0 {
		return "", fmt.Errorf("%w: not an instant in whole seconds like 2026-12-31T00:00:00Z", ErrBadValue)
	}
	s = FormatTime(t)
	_, err = ParseTime(s) // the offset may lead out of the years 0000 to 9999
	return s, err
}
