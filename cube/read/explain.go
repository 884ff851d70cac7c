package read

import (
	"errors"
	"fmt"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// failUnit fails the windows that need a chunk, and says which chunk and which object.
func (b *batch) failUnit(j job, err error) {
	u := b.units[j.unit]
	err = b.explain(b.parts[u.from], j.layer, b.found[j.layer][j.unit].Ref, err)
	for _, p := range b.parts[u.from:u.to] {
		b.fail(int(p.window), err)
	}
}

func (b *batch) explain(p part, layer int8, ref icechunk.Ref, err error) error {
	where := "object chunks/" + ref.Object.String()
	switch {
	case ref.Location != "":
		where = ref.Location
	case ref.Inline != nil:
		where = "inline in the manifest"
	case ref.Object.IsZero():
		where = "its reference"
	}
	if ref.Length > 0 {
		where += fmt.Sprintf(", bytes %d+%d", ref.Offset, ref.Length)
	}
	at := fmt.Sprintf("[%d %d %d]", p.slice, p.cy, p.cx)
	if b.places[p.place].arrays[layer].banded() {
		at = fmt.Sprintf("[%d 0 %d %d]", p.slice, p.cy, p.cx)
	}
	kind := fault.KindOf(err)
	if kind == fault.NotFound { // the cube says that it is there
		kind = fault.Corrupt
	}
	out := fault.New(kind, "read chunk %s of %s/%s in %s (%s): %w", at, b.places[p.place].Path, b.layers[layer].name, b.view.Cube().URL(), where, err)
	if around := (around{}); kind != fault.Corrupt || errors.As(err, &around) {
		return out
	}
	return damage{out}
}

// Damaged reports whether an error of a window says that one of its chunks is missing, or is not what the cube recorded. A
// store that cannot be reached is no damage, nor is what is wrong with the cube's account of its chunks.
func Damaged(err error) bool {
	var d damage
	return errors.As(err, &d)
}

// damage is an error of a chunk itself.
type damage struct{ error }

func (d damage) Unwrap() error { return d.error }

// around is an error of what the cube tells about a chunk: where it is, and its digest.
type around struct{ error }

func (a around) Unwrap() error { return a.error }
