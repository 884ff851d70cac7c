package layout

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// CheckSlice demands that what a slice's record says is what its digests say: that the cells it touches are
// there, that the digests of their chunks make its content digest, and that it stands in them with the same record. It
// reads no pixels.
func (v *View) CheckSlice(ctx context.Context, s cube.Slice) error {
	spec := v.cube.spec
	var parts []CellDigests
	for _, p := range spec.touched(s.Footprint) {
		i, _, ok := v.at(p, s.ID)
		for g, group := range spec.Groups() {
			t := spec.tile(p, g, group)
			if _, there := v.snapshot.Node("/" + t.path); !ok || !there {
				return fault.New(fault.Corrupt, "slice %s at %s touches cell %s, which does not hold it", s.ID, s.Time, t.path)
			}
			part, err := v.digestsOf(ctx, t, uint32(i))
			if err != nil {
				return err
			}
			if err := v.checkRecord(ctx, t, uint32(i), s); err != nil {
				return err
			}
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return fault.New(fault.Corrupt, "slice %s at %s touches no cell", s.ID, s.Time)
	}
	content, err := ContentDigestOfCells(parts, s.Contract)
	if spec.plain() {
		content, err = ContentDigest(parts[0].Image, parts[0].Valid, s.Contract)
	}
	if err == nil && content != s.Content {
		err = fault.New(fault.Corrupt, "slice %s at %s: its record says content %s, its digests (%s) and contract make %s", s.ID, s.Time, s.Content, parts[0].Path+"/records/*_sha256", content)
	}
	return err
}

func (v *View) digestsOf(ctx context.Context, t tile, i uint32) (c CellDigests, err error) {
	c.Path = t.path
	if c.Image, err = v.digests(ctx, t, imageDigest, i); err != nil {
		return c, err
	}
	if c.Valid, err = v.digests(ctx, t, validDigest, i); err == nil && v.cube.spec.flagged(t) {
		c.Flags, err = v.digests(ctx, t, flagsDigest, i)
	}
	return c, err
}

// checkRecord demands that a cell holds a slice's record as the cube does.
func (v *View) checkRecord(ctx context.Context, t tile, i uint32, s cube.Slice) error {
	path, index := "/"+t.path+"/"+recordArray, []uint32{i, 0}
	ref, ok, err := v.snapshot.Ref(ctx, path, index)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "chunk %v of %s is missing", index, path)
	}
	if err != nil {
		return err
	}
	text, err := v.decode(ctx, recordsOf(0), path, index, ref)
	if err != nil {
		return err
	}
	want, err := encodeRecord(s)
	if err != nil {
		return err
	}
	there, err := decodeRecord(text)
	if err != nil {
		return fault.New(fault.KindOf(err), "chunk %v of %s: %w", index, path, err)
	}
	have, err := encodeRecord(there)
	if err == nil && !bytes.Equal(have, want) {
		err = fault.New(fault.Corrupt, "record %d of %s is not that of slice %s at %s, which the axis has there", i, path, s.ID, s.Time)
	}
	return err
}

// CheckAxis demands that the time coordinate of a cell is that of its slices.
func (v *View) CheckAxis(ctx context.Context, cell string) error {
	c, err := v.Cell(cell)
	if err != nil {
		return err
	}
	known, _ := v.cube.find(cell)
	a, path := known.array(timeArray, len(c.Slices)), "/"+cell+"/"+timeArray
	for from := 0; from < len(c.Slices); from += timeChunk {
		index := []uint32{uint32(from / timeChunk)}
		ref, ok, err := v.snapshot.Ref(ctx, path, index)
		if err == nil && !ok {
			err = fault.New(fault.Corrupt, "chunk %v of %s is missing", index, path)
		}
		if err != nil {
			return err
		}
		data, err := v.decode(ctx, a, path, index, ref)
		if err != nil {
			return err
		}
		for i, s := range c.Slices[from:min(from+timeChunk, len(c.Slices))] {
			if got := int64(binary.LittleEndian.Uint64(data[8*i:])); got != s.Micros() {
				return fault.New(fault.Corrupt, "%s[%d] is %d, and slice %s is of %d (%s)", path, from+i, got, s.ID, s.Micros(), s.Time)
			}
		}
	}
	return nil
}
