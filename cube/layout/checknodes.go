package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

const foreignCure = "another program changed this cube; go back to a snapshot that Terrapin wrote"

// CheckArrays demands that the arrays and attributes of a cell are those that the cube's description asks for, and
// that its coordinates say where its pixels are and which bands they have. Another program can change all of that without
// touching a pixel; other readers would then see other shapes, fill values or places. What others added is theirs.
func (v *View) CheckArrays(ctx context.Context, cell string) error {
	known, ok := v.cube.find(cell)
	if !ok {
		return fault.New(fault.NotFound, "no cell %q", cell)
	}
	t := known.tile
	group, _ := v.snapshot.Node("/" + t.path)
	have, err := zarr.ParseGroup(group.Meta)
	if err != nil {
		return err
	}
	want, err := plainJSON(geoAttrs(t.grid))
	if err == nil {
		err = compareAttrs("/"+t.path, have, want)
	}
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(known.arrays)) {
		want := known.arrays[name]
		if len(want.Dims) > 0 && want.Dims[0] == "time" {
			want = known.array(name, v.counts[t.place])
		}
		if err := v.checkArray("/"+t.path+"/"+name, want); err != nil {
			return err
		}
	}
	return v.checkCoordinates(ctx, known)
}

func (v *View) checkArray(path string, want zarr.Array) error {
	node, _ := v.snapshot.Node(path)
	have, err := compareArray(path, node.Meta, want, "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs", "dimension_names")
	if err != nil {
		return err
	}
	attrs, err := plainJSON(want.Attrs)
	if err != nil {
		return err
	}
	return compareAttrs(path, have.Attrs, attrs)
}

// compareArray parses an array's zarr.json and demands that some members are those this package writes.
func compareArray(path string, meta []byte, want zarr.Array, members ...string) (zarr.Array, error) {
	have, err := zarr.ParseArray(meta)
	if err != nil {
		return have, fault.New(fault.Corrupt, "%s: %w", path, err).WithCure(foreignCure)
	}
	docs := make([]map[string]any, 2)
	for i, a := range []zarr.Array{have, want} { // written by the same hand, so that spellings do not differ
		a.Attrs = nil
		text, err := a.JSON()
		if err == nil {
			err = json.Unmarshal(text, &docs[i])
		}
		if err != nil {
			return have, fault.New(fault.Corrupt, "%s: %w", path, err).WithCure(foreignCure)
		}
	}
	for _, member := range members {
		if !reflect.DeepEqual(docs[0][member], docs[1][member]) {
			return have, fault.New(fault.Corrupt, "%s: its %s is %v, and the cube's description makes it %v", path, member, docs[0][member], docs[1][member]).WithCure(foreignCure)
		}
	}
	return have, nil
}

// compareAttrs demands the attributes that this package writes; others may be there.
func compareAttrs(path string, have, want map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(have[name], want[name]) {
			return fault.New(fault.Corrupt, "%s: its attribute %s is %v, and the cube's description makes it %v", path, name, have[name], want[name]).WithCure(foreignCure)
		}
	}
	return nil
}

// plainJSON is attributes as they come back from a file.
func plainJSON(attrs map[string]any) (out map[string]any, err error) {
	text, err := json.Marshal(attrs)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	return out, err
}

func (v *View) checkCoordinates(ctx context.Context, known *knownTile) error {
	t := known.tile
	for _, name := range []string{"band", "y", "x"} {
		path := "/" + t.path + "/" + name
		ref, ok, err := v.snapshot.Ref(ctx, path, []uint32{0})
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(fault.Corrupt, "chunk [0] of %s is missing", path)
		}
		encoded, err := v.cube.repo.ReadChunk(ctx, ref)
		if err != nil {
			return fault.New(fault.KindOf(err), "read chunk [0] of %s in %s: %w", path, v.cube.url, err)
		}
		same := false
		if name == "band" {
			var bands []string
			bands, err = known.arrays[name].DecodeText(encoded)
			same = slices.Equal(bands, t.group.BandNames())
		} else {
			a := known.arrays[name]
			data := make([]byte, a.ChunkBytes())
			err = a.Decode(data, encoded)
			same = bytes.Equal(data, centres(t.grid, name, a.Shape[0]))
		}
		if err != nil {
			return fault.New(fault.Corrupt, "read chunk [0] of %s in %s: %w", path, v.cube.url, err)
		}
		if !same {
			return fault.New(fault.Corrupt, "%s: its values are not those of the cube's grid and bands", path).WithCure(foreignCure)
		}
	}
	return nil
}
