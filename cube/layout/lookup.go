package layout

import (
	"context"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

// LookUp is Ref for many chunks of one array of a cell: index holds (slice, 0, chunk row, chunk column)
// of each. What cannot be said of one chunk stands in its entry of out.
func (v *View) LookUp(ctx context.Context, cell, name string, index []uint32, out []icechunk.Found) error {
	return v.snapshot.LookUp(ctx, "/"+cell+"/"+name, index, out)
}
