package receipts

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/terrapin-eo/terrapin/fault"
)

// prime is 2^61-1, the field that sums are in.
const prime = 1<<61 - 1

// Sums are the power sums S_j = Σ v·x^j for j = 0 … 7 in the field of prime, over things numbered x = 1, 2, … with
// values v. The differences from the sums that were expected are the syndromes of a Reed-Solomon code: where up to
// four values differ they tell which and by how much. In JSON they are the hex of eight big-endian numbers.
type Sums [8]uint64

// add takes the thing of a number.
func (s *Sums) add(x, v uint64) {
	x = reduced(x)
	for j := range s {
		s[j] = reduced(s[j] + v)
		v = times(v, x)
	}
}

// reduced brings a number into the field.
func reduced(v uint64) uint64 {
	v = v&prime + v>>61
	if v >= prime {
		v -= prime
	}
	return v
}

func times(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return reduced(lo&prime + (hi<<3 | lo>>61))
}

// valueOf is the value of an id: its length, then the fold of its bytes taken by eight, little-endian, the last with
// zeros behind.
func valueOf(id string) uint64 {
	v := uint64(len(id))
	for ; len(id) > 0; id = id[min(8, len(id)):] {
		var word [8]byte
		copy(word[:], id)
		v = fold(v, reduced(binary.LittleEndian.Uint64(word[:])))
	}
	return v
}

// fold goes on from v with one more value. That of a step begins at 0 and goes over the values of its rows.
func fold(v, next uint64) uint64 { return reduced(times(v, foldBy) + next + 1) }

// foldBy is 2^64 divided by the golden ratio, in the field.
const foldBy = 0x9e3779b97f4a7c15 % prime

// MarshalText writes hex.
func (s Sums) MarshalText() ([]byte, error) {
	var raw [64]byte
	for j, v := range s {
		binary.BigEndian.PutUint64(raw[8*j:], v)
	}
	return hex.AppendEncode(nil, raw[:]), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Sums) UnmarshalText(text []byte) error {
	var raw [64]byte
	if len(text) != 2*len(raw) {
		return fault.New(fault.Invalid, "sums of %d characters", len(text))
	}
	if _, err := hex.Decode(raw[:], text); err != nil {
		return err
	}
	for j := range s {
		if s[j] = binary.BigEndian.Uint64(raw[8*j:]); s[j] >= prime {
			return fault.New(fault.Invalid, "a sum that is not below 2^61-1")
		}
	}
	return nil
}
