package access

import (
	"net/netip"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// maxClients is how many clients are remembered, some 200 bytes each. Who comes from
	// more addresses than that has the least recent ones forgotten.
	maxClients = 1 << 14
	// prefixIPv6 is what one client has of IPv6.
	prefixIPv6 = 64
)

// Clients keeps a bucket for each client, by address.
type Clients struct {
	refill rate.Limit // a second
	burst  int
	seen   *lru.Cache[netip.Prefix, *rate.Limiter]
}

// NewClients makes buckets of so many tokens, which so many a second refill.
func NewClients(refill rate.Limit, burst int) *Clients {
	seen, _ := lru.New[netip.Prefix, *rate.Limiter](maxClients) // fails for sizes below one alone
	return &Clients{refill, burst, seen}
}

// Find gives the bucket of an address that has one.
func (c *Clients) Find(address string) (*rate.Limiter, bool) { return c.seen.Get(client(address)) }

// Of gives the bucket of an address, a full one where it had none.
func (c *Clients) Of(address string) *rate.Limiter {
	fresh := rate.NewLimiter(c.refill, c.burst)
	if known, ok, _ := c.seen.PeekOrAdd(client(address), fresh); ok {
		return known
	}
	return fresh
}

// client gives what stands for a client: an IPv4 address or an IPv6 network. Addresses
// that are none count as one client.
func client(address string) netip.Prefix {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = prefixIPv6
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
