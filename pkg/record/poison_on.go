//go:build poison

package record

// Poisoned reports whether released arenas are overwritten: the build tag poison.
const Poisoned = true

func (a *Arena) poison() {
	for _, set := range [][][]byte{a.blocks[:a.next], a.large} {
		for _, block := range set {
			for i := range block {
				block[i] = 0xDB
			}
		}
	}
}

func (b *Batch) poison() {
	for i := range b.values {
		b.values[i] = Value{kind: Text, text: "poisoned: this row's batch has been reset"}
	}
}
