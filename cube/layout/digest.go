package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// ContentDigest names what a slice of a cube of format 1 holds: SHA-256 over the chunk digests of the
// image row by row, then those of the validity, then the canonical JSON of the contract.
func ContentDigest(image, valid []byte, contract cube.Contract) (string, error) {
	return contentOf(contract, image, valid)
}

// CellDigests are the chunk digests of one slice in one cell and group, row by row.
type CellDigests struct {
	// Path of the cell, such as "r3c0/20m".
	Path         string
	Image, Valid []byte
	// Flags is nil where the cell has none.
	Flags []byte
}

// ContentDigestOfCells names what a slice of a cube of format 2 holds: SHA-256 over, for each cell by row,
// column and group, its path, a newline, and the chunk digests of its image, validity and flags; then the
// canonical JSON of the contract.
func ContentDigestOfCells(cells []CellDigests, contract cube.Contract) (string, error) {
	var parts [][]byte
	for _, c := range cells {
		parts = append(parts, []byte(c.Path+"\n"), c.Image, c.Valid, c.Flags)
	}
	return contentOf(contract, parts...)
}

func contentOf(contract cube.Contract, parts ...[]byte) (string, error) {
	text, err := cube.Canonical(contract)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	h.Write(text)
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// contentDigest is the content digest of a staged scene, whose cells come by row, column and group.
func (s Spec) contentDigest(cells []*stagedCell, contract cube.Contract) (string, error) {
	list := make([]CellDigests, len(cells))
	for i, c := range cells {
		list[i] = CellDigests{Path: c.tile.path, Image: digests(c.layers[0].chunks), Valid: digests(c.layers[1].chunks)}
		if len(c.layers) > 2 {
			list[i].Flags = digests(c.layers[2].chunks)
		}
	}
	if s.plain() {
		return ContentDigest(list[0].Image, list[0].Valid, contract)
	}
	return ContentDigestOfCells(list, contract)
}

// NewSliceID names a slice: the first 32 hex digits of SHA-256 over the canonical JSON of content,
// source and acquisition time in microseconds.
func NewSliceID(content, source string, micros int64) (cube.SliceID, error) {
	text, err := cube.Canonical(map[string]any{"content": content, "source": source, "time": micros})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return cube.SliceID(hex.EncodeToString(sum[:16])), nil
}

// DigestChunk is SHA-256 over the part of a chunk that lies inside the array: [band, height, width] of
// a buffer [band, edge, edge] with size bytes per value.
func DigestChunk(chunk []byte, bands, edge, height, width, size int) [digestBytes]byte {
	if height == edge && width == edge {
		return sha256.Sum256(chunk)
	}
	h := sha256.New()
	for b := range bands {
		for row := range height {
			at := (b*edge + row) * edge * size
			h.Write(chunk[at : at+width*size])
		}
	}
	return [digestBytes]byte(h.Sum(nil))
}

// checkContract refuses numbers that no reader could apply; the zero value becomes "as stored".
func checkContract(c cube.Contract) (cube.Contract, error) {
	if c == (cube.Contract{}) {
		return cube.DefaultContract(), nil
	}
	for _, v := range []float64{c.Scale, c.Offset} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return c, fault.New(fault.Invalid, "radiometric contract %+v is not finite", c)
		}
	}
	if c.Scale == 0 {
		return c, fault.New(fault.Invalid, "radiometric contract %+v has scale 0", c).WithCure("correct the source's scale, or leave scale and offset out")
	}
	return c, nil
}

// itemID makes a source's name fit to be one segment of a URL.
func itemID(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x21 || r == 0x7f || strings.ContainsRune(`/\?#%`, r) {
			return '_'
		}
		return r
	}, name)
}
