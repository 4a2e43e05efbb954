package service

import (
	"net/netip"
	"testing"
)

// Addresses of the public internet, and of everything else.
func TestIsPublic(t *testing.T) {
	for address, public := range map[string]bool{
		"1.1.1.1": true, "9.255.255.255": true, "11.0.0.1": true, "100.63.255.255": true, "100.128.0.0": true, "172.15.0.1": true,
		"172.32.0.1": true, "192.167.255.255": true, "198.17.255.255": true, "198.20.0.0": true, "223.255.255.255": true,
		"2606:4700::1111": true, "2a00:1450::1": true, "2400::": true, "2001:200::1": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "100.64.0.0": false, "100.127.255.255": false, "127.0.0.1": false,
		"127.255.255.255": false, "169.254.169.254": false, "172.16.0.0": false, "172.31.255.255": false, "192.0.0.1": false,
		"192.0.2.1": false, "192.88.99.1": false, "192.168.0.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false,
		"203.0.113.1": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::127.0.0.1": false, "64:ff9b::8.8.8.8": false, "64:ff9b:1::1": false, "100::1": false,
		"2001::1": false, "2001:db8::1": false, "2002:808:808::1": false, "3fff::1": false, "fc00::1": false, "fd12::1": false,
		"fe80::1": false, "fec0::1": false, "ff02::1": false, "5f00::1": false,
	} {
		if got := isPublic(netip.MustParseAddr(address)); got != public {
			t.Errorf("%s: %v", address, got)
		}
	}
	var s sender
	for _, mapped := range []string{"::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "::ffff:169.254.169.254"} {
		if s.allow(netip.MustParseAddr(mapped)) == nil {
			t.Errorf("%s is allowed", mapped)
		}
	}
}

// Parts are not taken for each other, however they are cut.
func TestMAC(t *testing.T) {
	var s secret
	seen := map[string][]string{}
	for _, parts := range [][]string{{"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {}, {""}, {"", ""}, {"a\x00b"}} {
		sum := string(s.mac(parts...))
		if other, ok := seen[sum]; ok {
			t.Errorf("%q and %q are one", parts, other)
		}
		seen[sum] = parts
	}
}

// No text but a cursor that was given is one.
func FuzzCursor(f *testing.F) {
	s := &Service{secret: secret{1}}
	f.Add("list", s.cursor("list", 7))
	f.Add("list", s.textCursor("list", "x"))
	f.Add("list", "")
	f.Add("other", s.cursor("list", 7))
	f.Fuzz(func(t *testing.T, list, cursor string) {
		position, err := s.textAt(list, cursor)
		if err != nil || cursor == "" {
			return
		}
		if again := s.textCursor(list, position); again != cursor {
			t.Errorf("%q of %q is at %q, whose cursor is %q", cursor, list, position, again)
		}
	})
}
