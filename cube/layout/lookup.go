package layout

import (
	"context"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// digestArrays names the array of the digests of Image, Valid and Flags.
var digestArrays = map[string]string{Image: imageDigest, Valid: validDigest, Flags: flagsDigest}

// Digests returns the recorded SHA-256 of every chunk of Image, Valid or Flags of a slice of one cell, row
// by row, 32 bytes each. slice is its index on the cell's axis. They are not to be changed.
func (v *View) Digests(ctx context.Context, cell, name string, slice int) ([]byte, error) {
	t, err := v.tile(cell)
	if err != nil {
		return nil, err
	}
	array, ok := digestArrays[name]
	if !ok || name == Flags && !v.cube.spec.flagged(t) {
		return nil, fault.New(fault.NotFound, "cell %s of cube %q has no digests of %q", cell, v.cube.spec.Name, name)
	}
	return v.digests(ctx, t, array, uint32(slice))
}

// LookUp is Ref for many chunks of one array of a cell: index holds (slice, 0, chunk row, chunk column)
// of each. What cannot be said of one chunk stands in its entry of out.
func (v *View) LookUp(ctx context.Context, cell, name string, index []uint32, out []icechunk.Found) error {
	return v.snapshot.LookUp(ctx, "/"+cell+"/"+name, index, out)
}
