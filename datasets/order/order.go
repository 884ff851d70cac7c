// Package order is the order of an epoch as a value: a stateless keyed permutation of a split's
// samples with random access, or, where a filter, weights or a window of storage is asked for, a
// keyed draw from a Choice; and the arithmetic that cuts its positions into steps and ranks. It does
// no I/O and knows neither filters nor chunks, only what they make of a split. The invariant: the
// sample at a position depends on (algorithm, dataset digest, split, filter, weights, shuffle, seed,
// epoch) alone, never on batch size, ranks, workers or servers; docs/spec/order.md says it in full, and
// the Python client has an implementation of its own.
package order

import (
	"crypto/sha256"
	"encoding/binary"
)

// Sequence is the order of one epoch: which sample stands at which position. It is safe for concurrent use.
type Sequence interface {
	// Len is the number of positions.
	Len() uint64
	// At returns the index, in the base order, of the sample at a position. A position of Len or more is a
	// defect of the caller and panics, like an index out of range.
	At(position uint64) uint64
}

// Algorithm is the name of the order that this package computes. A version records it, and a
// released algorithm never changes.
const Algorithm = "terrapin-order-1"

// Order is a permutation of the numbers 0 to n-1. It is a small value, safe to copy and to share.
type Order struct {
	n       uint64
	shuffle bool
	keys    keys
}

// New returns the order of one epoch of a split with n samples. Without shuffle it is the base order:
// the samples sorted by id.
func New(digest, split string, n, seed, epoch uint64, shuffle bool) Order {
	o := Order{n: n, shuffle: shuffle && n > 1}
	if o.shuffle {
		o.keys = keysOf(epochKey(seed, epoch, Algorithm, digest, split), "round")
	}
	return o
}

// epochKey hashes everything an order depends on. Strings carry their length, so that no two
// different inputs are the same bytes; seed and epoch are separate fields and never added.
func epochKey(seed, epoch uint64, texts ...string) [sha256.Size]byte {
	var buf []byte
	for _, s := range texts {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(s)))
		buf = append(buf, s...)
	}
	buf = binary.BigEndian.AppendUint64(buf, seed)
	buf = binary.BigEndian.AppendUint64(buf, epoch)
	return sha256.Sum256(buf)
}

// Len is the number of samples.
func (o Order) Len() uint64 { return o.n }

// At returns the index, in the base order, of the sample at a position.
func (o Order) At(position uint64) uint64 {
	if position >= o.n {
		panic("order: position out of range")
	}
	if !o.shuffle {
		return position
	}
	return o.keys.permute(o.n, position)
}
