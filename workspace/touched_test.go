package workspace

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
)

// named spells names of records: their texts where a hash is of one of these.
func named(t *testing.T, all []prover.Touched) (out []string) {
	t.Helper()
	for _, one := range all {
		name := "*"
		for _, text := range []string{"P1", "P2", "P3", "P7", "anna", "nobody", "Å"} { // all domains are the common one
			e, err := pledgeable.HashKey(text)
			if err != nil {
				t.Fatal(err)
			}
			if hash := statement.Element(e).String(); strings.HasSuffix(one.Name, hash) {
				name = strings.TrimSuffix(one.Name, hash) + text
			}
		}
		out = append(out, one.Registry+" "+one.By+" "+name)
	}
	slices.Sort(out)
	return out
}

// Which names a request asks by: those that it says, whatever the registry holds.
func TestTouched(t *testing.T) {
	w := derivedCounty(t)
	touched := func(yaml string, only ...string) []string {
		t.Helper()
		all, err := w.Agency().Touched(request(t, yaml+"audience: bank-a\n"), only...)
		if err != nil {
			t.Fatal(err)
		}
		return named(t, all)
	}
	for yaml, want := range map[string][]string{
		"registry: titles\nkey: P1\nwhere: [value >= 100]\n":      {"titles key P1"},
		"registry: titles\nkey: P1\nas_of: 1\nreveal: [garage]\n": {"titles key P1"},
		"registry: titles\nkey: P7\n":                             {"titles key P7"}, // there is none
		"registry: titles\nkey: P7\nabsent: true\n":               {"titles key P7"},
		"registry: titles\nkey: \"\\u00C5\"\n":                    {"titles key Å"},
		"registry: titles\nkey: \"A\\u030A\"\n":                   {"titles key Å"}, // the same, spelt otherwise
		"registry: titles\nsubject: anna\n":                       {"titles subject anna"},
		"registry: titles\nsubject: nobody\n":                     {"titles subject nobody"},
		"registry: titles\nkey: P1\nsubject: anna\n":              {"titles key P1", "titles subject anna"},
		"registry: titles\nwhere: [value == 100]\n":               {"titles  *"},
		"registry: owners\nkey: anna\nwhere: [value >= 1]\n":      {"titles subject anna"},
		"registry: owners\nwhere: [value >= 1]\n":                 {"titles  *"},
		"registry: encumbered\nkey: P1\n":                         {"liens key P1", "titles key P1"},
		"registry: encumbered\nsubject: anna\n":                   {"liens tie titles subject anna", "titles subject anna"},
		"registry: encumbered\n":                                  {"liens  *", "titles  *"},
		// By value: the lien's key is P1 whatever the records say.
		"facts:\n  t: {registry: titles, key: P1}\n  l: {registry: liens, key: {from: t.key}, absent: true}\n": {"liens key P1", "titles key P1"},
		"facts:\n  t: {registry: titles, key: {from: l.key}}\n  l: {registry: liens, key: P1, absent: true}\n": {"liens key P1", "titles key P1"},
		// By another value, which the asker does not know: the ways that lead there.
		"facts:\n  t: {registry: titles, subject: anna}\n  l: {registry: liens, key: {from: t.key}}\n":                   {"liens tie titles subject anna", "titles subject anna"},
		"facts:\n  t: {registry: titles, key: P1}\n  u: {registry: titles, subject: {from: t.subject}}\n":                {"titles key P1", "titles tie titles key P1"},
		"facts:\n  t: {registry: titles, key: P1}\n  o: {registry: owners, key: {from: t.subject}}\n":                    {"titles key P1", "titles tie titles key P1"},
		"facts:\n  t: {registry: titles, where: [value == 1]}\n  l: {registry: liens, key: {from: t.key}}\n":             {"liens  *", "titles  *"},
		"facts:\n  t: {registry: titles, key: P1}\n  l: {registry: liens}\n":                                             {"liens  *", "titles key P1"},
		"facts:\n  t: {registry: titles, key: P1}\n  u: {registry: titles, key: P1, where: [value >= 3]}\n":              {"titles key P1"},
		"facts:\n  t: {registry: titles, key: P1, subject: anna}\n  u: {registry: titles, subject: {from: t.subject}}\n": {"titles key P1", "titles subject anna"},
	} {
		if got := touched(yaml); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", yaml, got, want)
		}
	}
	if got := touched("facts:\n  t: {registry: titles, key: P1}\n  l: {registry: liens, key: P7}\n", "l"); !slices.Equal(got, []string{"liens key P7"}) {
		t.Errorf("one fact alone: %q", got)
	}
	if _, err := w.Agency().Touched(request(t, "registry: ships\naudience: b\n")); err == nil || !strings.Contains(err.Error(), prover.ErrNoRegistry.Error()) {
		t.Errorf("an unknown registry: %v", err)
	}
}

// Which records could answer a request: all that are what it names and ties, whatever its
// conditions are.
func TestCandidates(t *testing.T) {
	w := derivedCounty(t)
	candidates := func(yaml string, only ...string) []string {
		t.Helper()
		all, err := w.Agency().Candidates(request(t, yaml+"audience: bank-a\n"), only...)
		if err != nil {
			t.Fatalf("%s: %v", yaml, err)
		}
		return named(t, all)
	}
	const p1, p2, p3, p7, lien, lien2 = "titles record P1", "titles record P2", "titles record P3", "titles record P7", "liens record P1", "liens record P2"
	for yaml, want := range map[string][]string{
		"registry: titles\nkey: P1\nwhere: [value >= 100]\n":           {p1},
		"registry: titles\nkey: P1\nwhere: [value >= 1000000]\n":       {p1},
		"registry: titles\nkey: P1\nas_of: 1\n":                        {p1},
		"registry: titles\nkey: P1\nabsent: true\n":                    {p1},
		"registry: titles\nkey: P7\n":                                  {p7},
		"registry: titles\nkey: P7\nabsent: true\n":                    {p7},
		"registry: titles\nkey: P1\nsubject: nobody\n":                 {p1},
		"registry: titles\nsubject: anna\nwhere: [value >= 1000000]\n": {p1, p2},
		"registry: titles\nsubject: nobody\n":                          nil,
		"registry: titles\nwhere: [value == 100]\n":                    {"titles  *"},
		"registry: owners\nkey: anna\nwhere: [value >= 1]\n":           {p1, p2},
		"registry: owners\nwhere: [value >= 1]\n":                      {"titles  *"},
		"registry: encumbered\nkey: P1\n":                              {lien, p1},
		"registry: encumbered\nsubject: anna\n":                        {lien, lien2, p1, p2},
		// Tied by what the asker does not know, in either direction.
		"facts:\n  t: {registry: titles, subject: anna}\n  l: {registry: liens, key: {from: t.key}}\n":                        {lien, lien2, p1, p2},
		"facts:\n  t: {registry: titles, subject: anna}\n  l: {registry: liens, key: {from: t.key}, absent: true}\n":          {lien, lien2, p1, p2},
		"facts:\n  t: {registry: titles, key: {from: l.key}}\n  l: {registry: liens, key: P1}\n":                              {lien, p1},
		"facts:\n  t: {registry: titles, key: P1}\n  u: {registry: titles, subject: {from: t.subject}}\n":                     {p1, p2},
		"facts:\n  t: {registry: titles, key: P2}\n  u: {registry: titles, subject: {from: t.subject}, where: [value > 1]}\n": {p1, p2},
		"facts:\n  t: {registry: titles, key: P2, subject: {from: u.subject}}\n  u: {registry: titles}\n":                     {p1, p2},
		"facts:\n  t: {registry: titles, key: P3}\n  o: {registry: owners, key: {from: t.subject}}\n":                         {p3},
		"facts:\n  t: {registry: titles, key: P7}\n  o: {registry: owners, key: {from: t.subject}}\n":                         {p7},
		"facts:\n  t: {registry: titles}\n  o: {registry: owners, key: {from: t.subject}}\n":                                  {"titles  *"},
		"facts:\n  t: {registry: titles, key: P1}\n  l: {registry: liens}\n":                                                  {"liens  *", p1},
	} {
		if got := candidates(yaml); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", yaml, got, want)
		}
	}
	if got := candidates("facts:\n  t: {registry: titles, key: P1}\n  l: {registry: liens, key: P7}\n", "l"); !slices.Equal(got, []string{"liens record P7"}) {
		t.Errorf("one fact alone: %q", got)
	}
	for yaml, want := range map[string]error{
		"registry: ships\n": prover.ErrNoRegistry,
		"facts:\n  t: {registry: titles, subject: anna}\n  l: {registry: liens, key: {from: t.key}}\n": prover.ErrNotProvable,
	} {
		var only []string
		if strings.Contains(yaml, "l:") {
			only = []string{"l"}
		}
		if _, err := w.Agency().Candidates(request(t, yaml+"audience: b\n"), only...); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", yaml, err, want)
		}
	}
}

// An owner of very many records stands for them.
func TestCandidatesOfALargeOwner(t *testing.T) {
	w := open(t)
	csv := "parcel,owner,value,price,garage\n"
	for i := range 101 {
		csv += fmt.Sprintf("P%d,anna,100,90,none\n", i)
	}
	register(t, w, pledgeable, csv)
	for yaml, want := range map[string][]string{
		"registry: titles\nkey: P1\n":       {"titles record P1"},
		"registry: titles\nsubject: anna\n": {"titles subject anna"},
		"facts:\n  t: {registry: titles, key: P1}\n  u: {registry: titles, subject: {from: t.subject}}\n": {"titles record P1", "titles subject anna"},
		"facts:\n  t: {registry: titles, subject: anna}\n  u: {registry: titles, key: {from: t.key}}\n":   {"titles subject anna", "titles tie titles subject anna"},
	} {
		all, err := w.Agency().Candidates(request(t, yaml+"audience: bank-a\n"))
		if got := named(t, all); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", yaml, got, err, want)
		}
	}
}
