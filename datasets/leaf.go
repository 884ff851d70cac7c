package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
)

// leaf is what a leaf of the td1 tree is the digest of; docs/spec/digest.md has it in words. What many samples have in
// common is canonical JSON already.
type leaf struct {
	id          placeID
	cell, slots string // as JSON
	window      cube.Window
	split       string
	// label and pixels are the digests of the chunks that the sample touches.
	label, pixels *chunkDigests
}

// chunkDigests are those of some chunks in order: as canonical JSON, and one over all of them.
type chunkDigests struct{ text, sum string }

func newChunkDigests(list []string) (*chunkDigests, error) {
	text, err := cube.Canonical(list)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(strings.Join(list, "\n")))
	return &chunkDigests{text: string(text), sum: hex.EncodeToString(sum[:])}, nil
}

// appendTo appends the canonical JSON of the leaf.
func (l *leaf) appendTo(out []byte) []byte {
	number := func(name string, v int) {
		out = append(out, name...)
		out = strconv.AppendInt(out, int64(v), 10)
	}
	text := func(name, v string) {
		out = append(out, name...)
		out = append(out, v...)
	}
	text(`{"cell":`, l.cell)
	number(`,"col":`, l.window.Col)
	number(`,"height":`, l.window.Height)
	out = append(out, `,"id":"`...)
	out = hex.AppendEncode(out, l.id[:])
	text(`","label":`, l.label.text)
	text(`,"pixels":`, l.pixels.text)
	number(`,"row":`, l.window.Row)
	text(`,"slots":`, l.slots)
	text(`,"split":"`, l.split)
	number(`","width":`, l.window.Width)
	return append(out, '}')
}

// hash is the digest of the leaf; buf is room to write it down, which comes back for the next.
func (l *leaf) hash(buf []byte) (hash, []byte) {
	buf = l.appendTo(append(buf[:0], leafDomain))
	return sha256.Sum256(buf), buf
}
