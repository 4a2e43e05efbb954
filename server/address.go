package server

import (
	"net"
	"net/netip"

	"github.com/labstack/echo/v4"
)

// addresses tells clients' addresses, by which false credentials are counted. That is the
// connection's, unless a trusted proxy has it: then it is the last one in
// X-Forwarded-For, from the right, that is no trusted proxy's. Whatever stands further to
// the left the client can have sent itself.
func addresses(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect() // echo's default believes every client's header
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		ones, bits := p.Bits(), p.Addr().BitLen()
		options = append(options, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(ones, bits)}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}
