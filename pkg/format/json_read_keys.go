package format

import (
	"bytes"
	"hash/maphash"
)

// keySet finds keys that stand twice in one object of a record. It is reused for every record without being cleared.
type keySet struct {
	seed    maphash.Seed
	slots   []keySlot // open addressing; as many as a power of two
	used    int
	record  uint64 // slots of other records count as empty
	objects int
}

type keySlot struct {
	record uint64
	object int
	key    []byte
}

// begin forgets all keys: a new record.
func (k *keySet) begin() {
	k.record++
	k.used, k.objects = 0, 0
}

// object returns a number for another object of the record, from 1; the record itself is 0.
func (k *keySet) object() int {
	k.objects++
	return k.objects
}

// add reports whether key is new in the numbered object. The key must stay as it is until begin.
func (k *keySet) add(object int, key []byte) bool {
	if 2*k.used >= len(k.slots) {
		k.grow()
	}
	slot := k.find(object, key)
	if slot.record == k.record {
		return false
	}
	*slot = keySlot{record: k.record, object: object, key: key}
	k.used++
	return true
}

// find returns the slot of a key, or the empty one where it belongs.
func (k *keySet) find(object int, key []byte) *keySlot {
	mask := uint64(len(k.slots) - 1)
	at := maphash.Bytes(k.seed, key) + uint64(object)*0x9e3779b97f4a7c15
	for at ^= at >> 29; ; at++ {
		slot := &k.slots[at&mask]
		if slot.record != k.record || slot.object == object && bytes.Equal(slot.key, key) {
			return slot
		}
	}
}

func (k *keySet) grow() {
	if k.slots == nil {
		k.seed = maphash.MakeSeed()
	}
	old := k.slots
	k.slots = make([]keySlot, max(64, 2*len(old)))
	for _, s := range old {
		if s.record == k.record {
			*k.find(s.object, s.key) = s
		}
	}
}
