package datasets

import (
	"encoding/hex"
	"math"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// placeID is the id of a sample; as text, 32 hex digits.
type placeID [16]byte

func (id placeID) String() string { return hex.EncodeToString(id[:]) }

// parsePlaceID reads what String writes.
func parsePlaceID(text string) (id placeID, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fault.New(fault.Internal, "sample id %q is not 32 hex digits", text)
	}
	return placeID(raw), nil
}

// sample is a window on its way into a version. A commit holds all of them, so that it is small and has no pointers, which the
// collector would have to follow.
type sample struct {
	id placeID
	// The window, in pixels of the frame.
	row, col, height, width int32
	home                    int32 // index among the plan's
	block                   block
	// labels is where the plan's labelCounts have those of the sample; known only at commit.
	labels uint32
	split  uint8 // index in Splits
}

func (s *sample) window() cube.Window {
	return cube.Window{Row: int(s.row), Col: int(s.col), Height: int(s.height), Width: int(s.width)}
}

// lay puts a sample where a window is.
func (s *sample) lay(w cube.Window) {
	s.row, s.col, s.height, s.width = int32(w.Row), int32(w.Col), int32(w.Height), int32(w.Width)
}

// bySplit counts samples by split.
func bySplit(samples []sample) (counts [3]int) {
	for i := range samples {
		counts[samples[i].split]++
	}
	return counts
}

// labelCounts are the labelled pixels of all samples by value: lists one after the other, each behind an entry that says how
// long it is.
type labelCounts struct{ all []classCount }

// put adds a list and says where it is: 0 where it is empty.
func (c *labelCounts) put(counts []classCount) (uint32, error) {
	if len(counts) == 0 {
		return 0, nil
	}
	c.all = append(append(c.all, classCount{value: int64(len(counts))}), counts...)
	at := len(c.all) - len(counts)
	if at > math.MaxUint32 {
		return 0, fault.New(fault.TooLarge, "the classes of all samples are more than %d", uint32(math.MaxUint32)).WithCure("make window.stride larger")
	}
	return uint32(at), nil
}

// of is the list at a place.
func (c *labelCounts) of(at uint32) []classCount {
	if at == 0 {
		return nil
	}
	return c.all[at : int64(at)+c.all[at-1].value]
}
