package statement

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/attestry/attestry/internal/canon"
)

// The short way writes what the long way writes, or leaves it to that.
func TestPublicAppendCanonical(t *testing.T) {
	if n := reflect.TypeFor[Public]().NumField(); n != 7 {
		t.Fatalf("Public has %d members: AppendCanonical knows 7", n)
	}
	plain, other := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		digest := func(name string) Digest { return Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, name)) }
		text := rapid.OneOf(rapid.StringMatching(`[ -~]{0,20}`), rapid.StringMatching(`[a-z/.<>&]{1,20}`), rapid.String())
		p := Public{
			Origin: text.Draw(rt, "origin"), Registry: text.Draw(rt, "registry"),
			Circuit: digest("circuit"), VK: digest("vk"), Schema: digest("schema"), Epoch: digest("epoch"),
		}
		if rapid.Bool().Draw(rt, "pledge") {
			key := ReleaseKey(digest("release key"))
			p.ReleaseKey = &key
		}
		got, ok := p.AppendCanonical(nil)
		if !ok {
			other++
			return
		}
		plain++
		if want, err := canon.Marshal(p); err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("%s\nnot %s, %v", got, want, err)
		}
	})
	if plain == 0 || other == 0 {
		t.Errorf("%d plain ones, %d others", plain, other)
	}
}
