package order

import (
	"math"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Shuffle says how positions are mixed. The zero value is the base order.
type Shuffle struct {
	kind   string
	window uint64
}

// The shuffles without a figure.
var (
	// Base does not mix: samples stand in the order of their ids.
	Base = Shuffle{}
	// Uniform gives every permutation the same chance.
	Uniform = Shuffle{kind: uniform}
)

const (
	base    = "base"
	uniform = "uniform"
	window  = "window"
)

// DefaultWindow is what versions of windows much smaller than their chunks are mixed in: 2 GiB.
const DefaultWindow = 2 << 30

// Window mixes groups of samples that share a chunk, and then samples within about so many decoded bytes.
func Window(bytes uint64) Shuffle { return Shuffle{kind: window, window: bytes} }

// Windowed reports whether the shuffle goes by storage, and within how many decoded bytes.
func (s Shuffle) Windowed() (bytes uint64, ok bool) { return s.window, s.kind == window }

// String is the canonical name: "base", "uniform" or "window:BYTES" with the bytes in digits.
func (s Shuffle) String() string {
	switch s.kind {
	case "":
		return base
	case window:
		return window + ":" + strconv.FormatUint(s.window, 10)
	}
	return s.kind
}

// units are what a number of bytes may be written in.
var units = []struct {
	name  string
	bytes uint64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// ParseShuffle reads "base", "uniform" or "window:BYTES", where BYTES is a whole number, with KiB, MiB,
// GiB or TiB behind it or alone, from 1 to 2^63-1 bytes.
func ParseShuffle(text string) (Shuffle, error) {
	switch text {
	case base:
		return Base, nil
	case uniform:
		return Uniform, nil
	}
	size, ok := strings.CutPrefix(text, window+":")
	if !ok {
		return Shuffle{}, fault.New(fault.Invalid, "unknown shuffle %q", text).WithCure(`use "uniform", "window:2GiB" or "base"`)
	}
	scale := uint64(1)
	for _, u := range units {
		if digits, ok := strings.CutSuffix(size, u.name); ok {
			size, scale = digits, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(size, 10, 64)
	if err != nil || n == 0 || n > math.MaxInt64/scale || size[0] == '+' {
		return Shuffle{}, fault.New(fault.Invalid, "shuffle %q: no number of bytes", text).WithCure(`write it as in "window:2GiB" or "window:2147483648"`)
	}
	return Window(n * scale), nil
}
