package verifier

import (
	"slices"
	"strings"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// RegistryCount counts a registry's entries.
type RegistryCount struct {
	Registry string       `json:"registry"`
	Schemas  uint64       `json:"schemas"`
	Epochs   uint64       `json:"epochs"`
	Proofs   uint64       `json:"proofs"` // pledges among them
	Releases uint64       `json:"releases"`
	Scopes   []ScopeCount `json:"scopes"`
}

// ScopeCount counts the pledges of one scope of a registry.
type ScopeCount struct {
	Scope   string `json:"scope"`
	Pledges uint64 `json:"pledges"`
}

// Timeline is a log's history by its indexes, which are the only order that all of its
// entries have: only epochs say when they were made.
type Timeline struct {
	// Buckets divide the audited entries, each into the same number of them.
	Buckets []Bucket `json:"buckets"`
	// Epochs are the latest ones, in the order of the log.
	Epochs  []EpochMark `json:"epochs"`
	Omitted uint64      `json:"epochs_omitted"` // earlier ones
}

// Bucket counts the entries from First on, up to the next bucket's.
type Bucket struct {
	First   uint64 `json:"first"`
	Proofs  uint64 `json:"proofs"` // pledges among them
	Pledges uint64 `json:"pledges"`
	Epochs  uint64 `json:"epochs"`
	Others  uint64 `json:"others"`
}

// EpochMark is an epoch of the timeline.
type EpochMark struct {
	Index    uint64 `json:"index"`
	Registry string `json:"registry"`
	Number   uint64 `json:"number"`
	Time     string `json:"time"`
}

// Limits of a report, which is not to grow with the log.
const (
	maxBuckets    = 120
	maxEpochMarks = 200
	// maxRegistries is how many registries are counted by name; the others are counted
	// together.
	maxRegistries = 1000
	// OtherRegistries is the name under which they are.
	OtherRegistries = "(other registries)"
)

// counter counts the entries of an audit.
type counter struct {
	first, width uint64 // of the buckets
	timeline     Timeline
	registries   map[string]*RegistryCount
	scopes       map[statement.Element]string // names of the schemas' scopes
}

// newCounter divides the entries from an index up to a size.
func newCounter(first, size uint64) *counter {
	c := &counter{first: first, registries: map[string]*RegistryCount{}, scopes: map[statement.Element]string{}}
	c.width = max((size-first+maxBuckets-1)/maxBuckets, 1)
	for at := first; at < size; at += c.width {
		c.timeline.Buckets = append(c.timeline.Buckets, Bucket{First: at})
	}
	return c
}

// registry gives the row of a registry.
func (c *counter) registry(name string) *RegistryCount {
	r, ok := c.registries[name]
	if !ok && len(c.registries) >= maxRegistries {
		name = OtherRegistries
		r, ok = c.registries[name]
	}
	if !ok {
		r = &RegistryCount{Registry: name, Scopes: []ScopeCount{}}
		c.registries[name] = r
	}
	return r
}

func (c *counter) add(index uint64, entry ledger.Entry) {
	bucket := &c.timeline.Buckets[(index-c.first)/c.width]
	switch e := entry.(type) {
	case *ledger.SchemaEntry:
		bucket.Others++
		c.registry(e.Schema.Registry).Schemas++
		c.nameScopes(&e.Schema)
	case *ledger.EpochEntry:
		bucket.Epochs++
		c.registry(e.Registry).Epochs++
		c.mark(EpochMark{index, e.Registry, uint64(e.Number), e.Time})
	case *ledger.ProofEntry:
		bucket.Proofs++
		r := c.registry(e.Public.Registry)
		r.Proofs++
		if e.IsPledge() {
			bucket.Pledges++
			r.pledged(c.scopeName(e.Scope))
		}
	case *ledger.ReleaseEntry:
		bucket.Others++
		c.registry(e.Registry).Releases++
	case *ledger.ForcedReleaseEntry:
		bucket.Others++
		c.registry(e.Registry).Releases++
	default:
		bucket.Others++
	}
}

// nameScopes remembers what the schema calls the scopes, of which entries show a hash.
func (c *counter) nameScopes(s *statement.Schema) {
	for _, scope := range s.Scopes {
		if e, err := statement.ScopeElement(scope.Name); err == nil && len(c.scopes) < maxRegistries {
			c.scopes[statement.Element(e)] = scope.Name
		}
	}
}

func (c *counter) scopeName(e statement.Element) string {
	if name, ok := c.scopes[e]; ok {
		return name
	}
	return e.String() // of a schema that this audit did not read
}

func (r *RegistryCount) pledged(scope string) {
	i := slices.IndexFunc(r.Scopes, func(s ScopeCount) bool { return s.Scope == scope })
	if i < 0 && len(r.Scopes) < maxRegistries {
		i = len(r.Scopes)
		r.Scopes = append(r.Scopes, ScopeCount{Scope: scope})
	}
	if i >= 0 {
		r.Scopes[i].Pledges++
	}
}

// mark keeps the latest epochs, and up to twice as many so as to move them seldom.
func (c *counter) mark(m EpochMark) {
	c.timeline.Epochs = append(c.timeline.Epochs, m)
	if len(c.timeline.Epochs) == 2*maxEpochMarks {
		c.cutMarks()
	}
}

func (c *counter) cutMarks() {
	if n := len(c.timeline.Epochs) - maxEpochMarks; n > 0 {
		c.timeline.Epochs = slices.Delete(c.timeline.Epochs, 0, n)
		c.timeline.Omitted += uint64(n)
	}
}

// result gives the counts, the registries in the order of their names.
func (c *counter) result() ([]RegistryCount, Timeline) {
	c.cutMarks()
	registries := []RegistryCount{}
	for _, r := range c.registries {
		registries = append(registries, *r)
	}
	slices.SortFunc(registries, func(a, b RegistryCount) int { return strings.Compare(a.Registry, b.Registry) })
	out := c.timeline
	out.Buckets = append([]Bucket{}, out.Buckets...) // in JSON an empty list, never null
	out.Epochs = append([]EpochMark{}, out.Epochs...)
	return registries, out
}
