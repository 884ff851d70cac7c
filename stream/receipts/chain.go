package receipts

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/terrapin-eo/terrapin/fault"
)

// Hash is a SHA-256. In JSON it is hex.
type Hash [32]byte

// MarshalText writes hex.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fault.New(fault.Invalid, "a chain of %d characters", len(text)).WithCure("give the 64 hex digits of a SHA-256")
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return fault.New(fault.Invalid, "a chain that is not hex").WithCure("give the 64 hex digits of a SHA-256")
	}
	return nil
}

// Mark is the chain after some steps, its first half.
type Mark struct {
	Steps uint64 `json:"steps"`
	Chain Half   `json:"chain"`
}

// Half is the first half of a Hash.
type Half [16]byte

// MarshalText writes hex.
func (h Half) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Half) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fault.New(fault.Invalid, "a mark of %d characters", len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// maxMarks bounds the marks of a session. They stand at the multiples of the least power of two that keeps
// them below that number, so that which there are depends on the number of steps alone.
const maxMarks = 32

// marked adds the mark of a step where one belongs there, and thins the others out.
func marked(marks []Mark, steps uint64, chain Hash) []Mark {
	stride := uint64(1)
	for steps/stride >= maxMarks {
		stride *= 2
	}
	if steps%stride != 0 {
		return marks
	}
	kept := marks[:0]
	for _, m := range marks {
		if m.Steps%stride == 0 {
			kept = append(kept, m)
		}
	}
	return append(kept, Mark{steps, Half(chain[:16])})
}

// Proof is what is known of the first Steps steps of a session; Rows counts their rows without padding.
type Proof struct {
	Steps uint64 `json:"steps"`
	Rows  uint64 `json:"rows"`
	// Chain is H(Steps), where H(0) is 32 zero bytes and H(k+1) the SHA-256 of H(k), the number of rows of step k
	// as 32 bits, their positions as 64 bits each, little-endian, and their ids with line feeds between them.
	Chain Hash `json:"chain"`
	// RowSums and StepSums tell, where the chain is not the expected one, which few rows or steps differ.
	RowSums  Sums `json:"row_sums"`
	StepSums Sums `json:"step_sums"`
}

// step is the rows of one step as they come, part by part.
type step struct {
	rows      uint32
	positions []byte
	ids       []byte
	fold      uint64
}

// add takes some rows; those at position -1 are padding and in no receipt.
func (w *step) add(p *Proof, positions []int64, ids []string) {
	for i, at := range positions {
		if at < 0 {
			continue
		}
		if w.rows > 0 {
			w.ids = append(w.ids, '\n')
		}
		w.rows++
		w.positions = binary.LittleEndian.AppendUint64(w.positions, uint64(at))
		w.ids = append(w.ids, ids[i]...)
		v := valueOf(ids[i])
		p.Rows++
		p.RowSums.add(p.Rows, v)
		w.fold = fold(w.fold, v)
	}
}

// end closes the step.
func (w *step) end(p *Proof) {
	sum := sha256.New()
	var rows [4]byte
	binary.LittleEndian.PutUint32(rows[:], w.rows)
	for _, part := range [][]byte{p.Chain[:], rows[:], w.positions, w.ids} {
		sum.Write(part)
	}
	sum.Sum(p.Chain[:0])
	p.Steps++
	p.StepSums.add(p.Steps, w.fold)
	*w = step{positions: w.positions[:0], ids: w.ids[:0]}
}
