package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
)

// Names of the arrays of a cell, and of those in its group of records.
const (
	Image = "image"
	Valid = "valid"
	Flags = "flags"

	timeArray   = "time"
	recordArray = "records/slice"
	imageDigest = "records/image_sha256"
	validDigest = "records/valid_sha256"
	flagsDigest = "records/flags_sha256"

	// timeChunk is the number of times in one chunk of the time coordinate.
	timeChunk = 4096
	// recordBytes is the room for one slice record; the blanks at its end compress to nothing.
	recordBytes = 16384
	digestBytes = 32
)

// arrays is the metadata of every array of a cell with n slices, by path below the cell.
func (s Spec) arrays(t tile, n int) map[string]zarr.Array {
	g := t.group
	h, w, c, b := t.grid.Height, t.grid.Width, g.ChunkSize(), len(g.Bands)
	data := []string{"time", "band", "y", "x"}
	image := zarr.Array{
		Shape: []int{n, b, h, w}, Chunks: []int{1, b, c, c}, DType: g.DType, Fill: g.Fill(), Dims: data, Codecs: s.Codec.chain(g.DType),
		Attrs: map[string]any{"long_name": "stored numbers of the source", "grid_mapping": "spatial_ref", "coordinates": "spatial_ref", "ancillary_variables": Valid},
	}
	if g.Nodata != nil {
		image.Attrs["nodata"] = cube.Number(*g.Nodata)
	}
	valid := zarr.Array{
		Shape: image.Shape, Chunks: image.Chunks, DType: cube.Uint8, Dims: data, Codecs: s.Codec.flat(cube.Uint8),
		Attrs: map[string]any{
			"long_name": "observed by the source", "flag_values": []int{0, 1}, "flag_meanings": "not_observed observed",
			"grid_mapping": "spatial_ref", "coordinates": "spatial_ref",
		},
	}
	arrays := map[string]zarr.Array{
		Image: image,
		Valid: valid,
		timeArray: {
			Shape: []int{n}, Chunks: []int{timeChunk}, DType: cube.Int64, Dims: []string{"time"}, Codecs: zarr.Small(),
			Attrs: map[string]any{"long_name": "acquisition time", "standard_name": "time", "axis": "T", "units": "microseconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian"},
		},
		"band":        {Shape: []int{b}, Chunks: []int{b}, DType: zarr.String, Dims: []string{"band"}, Attrs: map[string]any{"long_name": "band name"}},
		"y":           s.axis("y", h),
		"x":           s.axis("x", w),
		"spatial_ref": {Shape: []int{}, Chunks: []int{}, DType: cube.Int64, Dims: []string{}, Codecs: zarr.Small(), Attrs: s.gridMapping(t.grid)},
		recordArray:   recordsOf(n),
		imageDigest:   t.digestArray(Image, n),
		validDigest:   t.digestArray(Valid, n),
	}
	if s.flagged(t) {
		arrays[Flags] = s.flagsArray(t, n)
		arrays[flagsDigest] = t.digestArray(Flags, n)
		image.Attrs["ancillary_variables"] = Valid + " " + Flags
	}
	return arrays
}

// recordsOf is the metadata of the records of n slices.
func recordsOf(n int) zarr.Array {
	return zarr.Array{
		Shape: []int{n, recordBytes}, Chunks: []int{1, recordBytes}, DType: cube.Uint8, Fill: ' ', Dims: []string{"time", "byte"}, Codecs: zarr.Small(),
		Attrs: map[string]any{"long_name": "slice records, JSON padded with blanks"},
	}
}

func (t tile) digestArray(of string, n int) zarr.Array {
	ny, nx := t.chunkRows(), t.chunkCols()
	return zarr.Array{
		Shape: []int{n, ny, nx, digestBytes}, Chunks: []int{1, ny, nx, digestBytes}, DType: cube.Uint8,
		Dims: []string{"time", "y_chunk", "x_chunk", "digest_byte"}, Codecs: zarr.Small(),
		Attrs: map[string]any{"long_name": "SHA-256 of the decoded values of each chunk of " + of + ", cropped to the array"},
	}
}

// flagged reports whether a cell has a flags array: those of the first group have, where the cube has flags.
func (s Spec) flagged(t tile) bool { return len(s.Flags) > 0 && t.index == 0 }

func (s Spec) flagsArray(t tile, n int) zarr.Array {
	edge := t.group.ChunkSize()
	names, masks := make([]string, len(s.Flags)), make([]uint16, len(s.Flags))
	for i, f := range s.Flags {
		names[i], masks[i] = f.Name, f.Mask
	}
	return zarr.Array{
		Shape: []int{n, t.grid.Height, t.grid.Width}, Chunks: []int{1, edge, edge}, DType: cube.Uint16, Dims: []string{"time", "y", "x"}, Codecs: s.Codec.flat(cube.Uint16),
		Attrs: map[string]any{
			"long_name": "flags of the source", "standard_name": "status_flag", "flag_masks": masks, "flag_meanings": strings.Join(names, " "),
			"grid_mapping": "spatial_ref", "coordinates": "spatial_ref",
		},
	}
}

func chunks(n, edge int) int { return (n + edge - 1) / edge }

// sliced names the arrays of a cell that have one chunk row per slice, which a late scene moves.
func (s Spec) sliced(t tile) []string {
	names := []string{Image, Valid, recordArray, imageDigest, validDigest}
	if s.flagged(t) {
		names = append(names, Flags, flagsDigest)
	}
	return names
}

// recordPath is the array of the records of the whole cube: in format 1 that of its one cell.
func (s Spec) recordPath() string {
	if s.plain() {
		return "/" + s.tile(place{}, 0, s.Groups()[0]).path + "/" + recordArray
	}
	return "/" + recordArray
}

// putArray creates or updates one array of a transaction.
func putArray(tx *icechunk.Tx, path string, a zarr.Array) error {
	text, err := a.JSON()
	if err != nil {
		return err
	}
	meta, err := compact(text)
	if err != nil {
		return err
	}
	info := icechunk.ArrayInfo{Shape: make([]uint64, len(a.Shape)), NumChunks: make([]uint32, len(a.Shape)), Dims: a.Dims}
	for i, n := range a.NumChunks() {
		info.Shape[i], info.NumChunks[i] = uint64(a.Shape[i]), uint32(n)
	}
	return tx.PutArray(path, meta, info)
}

// putRoot writes the description of an empty cube, the records of its slices, and the cells that are
// there from the beginning: all of them where the cube is not tiled.
func putRoot(ctx context.Context, tx *icechunk.Tx, pack *icechunk.Pack, s Spec) error {
	text, err := zarr.GroupJSON(map[string]any{"terrapin": s.doc()})
	if err != nil {
		return err
	}
	if err := tx.PutGroup("/", text); err != nil {
		return err
	}
	if !s.plain() {
		if err := putGroup(tx, "/records", map[string]any{"description": "what each slice of the cube is; see docs/spec/cube-layout.md"}); err != nil {
			return err
		}
		if err := putArray(tx, s.recordPath(), recordsOf(0)); err != nil {
			return err
		}
	}
	if s.CellSize > 0 {
		return nil
	}
	return putCell(ctx, tx, pack, s, place{})
}

func putGroup(tx *icechunk.Tx, path string, attrs map[string]any) error {
	text, err := zarr.GroupJSON(attrs)
	if err != nil {
		return err
	}
	meta, err := compact(text)
	if err != nil {
		return err
	}
	return tx.PutGroup(path, meta)
}

// compact leaves the blanks out of a document: every snapshot holds those of all cells.
func compact(text []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// putCell writes the groups and arrays of an empty cell, and its coordinates.
func putCell(ctx context.Context, tx *icechunk.Tx, pack *icechunk.Pack, s Spec, p place) error {
	for i, g := range s.Groups() {
		t := s.tile(p, i, g)
		cell := "/" + t.path
		if i == 0 {
			if err := putGroup(tx, cell[:strings.LastIndexByte(cell, '/')], nil); err != nil {
				return err
			}
		}
		if err := putGroup(tx, cell, geoAttrs(t.grid)); err != nil {
			return err
		}
		if err := putGroup(tx, cell+"/records", map[string]any{"description": "what each slice is and the digests that prove it; see docs/spec/cube-layout.md"}); err != nil {
			return err
		}
		if err := putArrays(ctx, tx, pack, t, s.arrays(t, 0)); err != nil {
			return err
		}
	}
	return nil
}

func putArrays(ctx context.Context, tx *icechunk.Tx, pack *icechunk.Pack, t tile, arrays map[string]zarr.Array) error {
	cell := "/" + t.path
	for name, a := range arrays {
		if err := putArray(tx, cell+"/"+name, a); err != nil {
			return err
		}
	}
	coords := map[string][]byte{"band": zarr.EncodeStrings(t.group.BandNames())}
	for _, name := range []string{"y", "x"} {
		encoded, err := arrays[name].Encode(centres(t.grid, name, arrays[name].Shape[0]))
		if err != nil {
			return err
		}
		coords[name] = encoded
	}
	for name, encoded := range coords {
		ref, err := pack.Add(ctx, encoded)
		if err != nil {
			return err
		}
		if err := tx.SetRef(cell+"/"+name, []uint32{0}, ref); err != nil {
			return err
		}
	}
	return nil
}
