package registry

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// What a commit asks for beforehand are the nodes that it writes, those above the leaves that
// have another content or link.
func TestReadAheadAsksForWhatIsWritten(t *testing.T) {
	s := newTestStore(t, renameSchema())
	var before, changes [][]string
	for i := range loadRows {
		before = append(before, testRow(fmt.Sprint("LC-", i)))
	}
	mustImport(t, s, renameFile(before...))
	mustCommit(t, s)
	for i := 0; i < loadRows; i += 40 {
		changed := slices.Clone(before[i])
		changed[3] = "7"
		changes = append(changes, put(changed), deletion(before[i+1][0]), put(testRow(fmt.Sprint("NEW-", i))))
	}
	mustChange(t, s, asChanges, changesFile(changes...))
	mustCommit(t, s)
	err := s.read(func(tx state) error {
		changed := make(map[uint32]bool)
		nodes := make(map[string]bool)
		for _, name := range [][]byte{bucketRecords, bucketLinks, bucketNodes} {
			err := tx.Bucket(name).ForEach(func(k, _ []byte) error {
				switch prefix := len(k) - 8; {
				case ^binary.BigEndian.Uint64(k[prefix:]) != 2:
				case prefix == 4:
					changed[binary.BigEndian.Uint32(k)] = true
				default:
					nodes[string(k)] = true
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		asked := make(map[string]bool)
		for key := range nodeKeys(slices.Sorted(maps.Keys(changed)), 2) {
			if asked[string(key)] {
				t.Errorf("asked for %x again", key)
			}
			asked[string(key)] = true
		}
		if len(nodes) < 20 || !maps.Equal(asked, nodes) {
			t.Errorf("asked for %d nodes, and the epoch wrote %d", len(asked), len(nodes))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
