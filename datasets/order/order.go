// Package order is the order of an epoch as a value: a stateless keyed permutation of a split's
// samples with random access, and the arithmetic that cuts its positions into steps and ranks. It
// does no I/O, holds no state and allocates nothing that grows with the samples. The invariant: the
// sample at a position depends on (algorithm, dataset digest, split, seed, epoch) alone, never on
// batch size, ranks, workers or servers; docs/spec/order.md says it in full, and the Python client
// has an implementation of its own.
package order

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Algorithm is the name of the order that this package computes. A version records it, and a
// released algorithm never changes.
const Algorithm = "terrapin-order-1"

const rounds = 12

// minHalf keeps the domain at 64 values or more: on 16 a Feistel network, whatever its round
// functions, gives only even permutations, and those favour some orders of five or six samples by
// several per cent.
const minHalf = 3

// Order is a permutation of the numbers 0 to n-1. It is a small value, safe to copy and to share.
type Order struct {
	n       uint64
	shuffle bool
	half    uint // bits of one half of the domain
	add     [rounds]uint64
	mul     [rounds]uint64
}

// New returns the order of one epoch of a split with n samples. Without shuffle it is the base order:
// the samples sorted by id.
func New(digest, split string, n, seed, epoch uint64, shuffle bool) Order {
	o := Order{n: n, shuffle: shuffle && n > 1}
	if !o.shuffle {
		return o
	}
	o.half = max(minHalf, (uint(bits.Len64(n-1))+1)/2)
	key := epochKey(digest, split, seed, epoch)
	for i := range rounds {
		mac := hmac.New(sha256.New, key[:])
		mac.Write([]byte{'r', 'o', 'u', 'n', 'd', byte(i)})
		sum := mac.Sum(nil)
		o.add[i] = binary.BigEndian.Uint64(sum)
		o.mul[i] = binary.BigEndian.Uint64(sum[8:]) | 1
	}
	return o
}

// epochKey hashes everything the order depends on. Strings carry their length, so that no two
// different inputs are the same bytes; seed and epoch are separate fields and never added.
func epochKey(digest, split string, seed, epoch uint64) [sha256.Size]byte {
	var buf []byte
	for _, s := range []string{Algorithm, digest, split} {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(s)))
		buf = append(buf, s...)
	}
	buf = binary.BigEndian.AppendUint64(buf, seed)
	buf = binary.BigEndian.AppendUint64(buf, epoch)
	return sha256.Sum256(buf)
}

// Len is the number of samples.
func (o Order) Len() uint64 { return o.n }

// At returns the index, in the base order, of the sample at a position. A position of n or more is a
// defect of the caller and panics, like an index out of range.
func (o Order) At(position uint64) uint64 {
	if position >= o.n {
		panic("order: position out of range")
	}
	if !o.shuffle {
		return position
	}
	// Cycle walking: the Feistel network permutes the whole domain, at most 4n values or 64; following
	// it until it returns below n gives a permutation of [0, n).
	x := o.permute(position)
	for x >= o.n {
		x = o.permute(x)
	}
	return x
}

// permute is a balanced Feistel network over 2*half bits.
func (o *Order) permute(x uint64) uint64 {
	mask := uint64(1)<<o.half - 1
	left, right := x>>o.half, x&mask
	for i := range rounds {
		left, right = right, left^(mix((right^o.add[i])*o.mul[i])>>(64-o.half))
	}
	return left<<o.half | right
}

// mix is the finaliser of SplitMix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
