package layout

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// writer sets the references of one transaction.
type writer struct {
	ctx    context.Context
	tx     *icechunk.Tx
	pack   *icechunk.Pack
	cell   string
	arrays map[string]zarr.Array
}

// slice sets everything a new slice has: pixels, record, digests.
func (w *writer) slice(i uint32, e *entry) error {
	n := e.staged.rows * e.staged.cols
	for layer, name := range []string{Image, Valid} {
		for at, chunk := range e.staged.chunks[layer*n : (layer+1)*n] {
			if !chunk.present {
				continue
			}
			index := []uint32{i, 0, uint32(at / e.staged.cols), uint32(at % e.staged.cols)}
			if err := w.tx.SetRef("/"+w.cell+"/"+name, index, chunk.ref); err != nil {
				return err
			}
		}
	}
	record, err := encodeRecord(e.slice)
	if err != nil {
		return err
	}
	if err := w.put(recordArray, []uint32{i, 0}, record); err != nil {
		return err
	}
	if err := w.put(imageDigest, []uint32{i, 0, 0, 0}, digests(e.staged.chunks[:n])); err != nil {
		return err
	}
	return w.put(validDigest, []uint32{i, 0, 0, 0}, digests(e.staged.chunks[n:]))
}

// put encodes and sets one whole chunk.
func (w *writer) put(name string, index []uint32, values []byte) error {
	encoded, err := w.arrays[name].Encode(values)
	if err != nil {
		return err
	}
	ref, err := w.pack.Add(w.ctx, encoded)
	if err != nil {
		return err
	}
	return w.tx.SetRef("/"+w.cell+"/"+name, index, ref)
}

func encodeRecord(s cube.Slice) ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fault.New(fault.Invalid, "slice record of %q: %w", s.Source, err)
	}
	if len(text) > recordBytes {
		return nil, fault.New(fault.TooLarge, "slice record of %q has %d bytes, %d fit", s.Source, len(text), recordBytes).
			WithCure("leave some of the source's properties out")
	}
	return append(text, bytes.Repeat([]byte(" "), recordBytes-len(text))...), nil
}

func decodeRecord(text []byte) (cube.Slice, error) {
	var s cube.Slice
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fault.New(fault.Corrupt, "slice record: %w", err)
	}
	id, err := NewSliceID(s.Content, s.Source, s.Micros())
	if err != nil {
		return s, err
	}
	if id != s.ID {
		return s, fault.New(fault.Corrupt, "slice record: id %s is not that of its content, source and time", s.ID)
	}
	s.Time, s.Available, s.Ingested = s.Time.UTC(), s.Available.UTC(), s.Ingested.UTC()
	return s, nil
}
