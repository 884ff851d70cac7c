package order

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

const rounds = 12

// minHalf keeps the domain at 64 values or more: on 16 a Feistel network, whatever its round
// functions, gives only even permutations, and those favour some orders of five or six samples by
// several per cent.
const minHalf = 3

// golden is the increment of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// keys are those of the rounds of a Feistel network; they give a permutation of 0 to n-1 for every n.
type keys struct {
	add [rounds]uint64
	mul [rounds]uint64
}

// keysOf derives the round keys of a purpose.
func keysOf(key [sha256.Size]byte, label string) keys {
	var k keys
	for i := range rounds {
		sum := macOf(key, append([]byte(label), byte(i)))
		k.add[i] = binary.BigEndian.Uint64(sum)
		k.mul[i] = binary.BigEndian.Uint64(sum[8:]) | 1
	}
	return k
}

func macOf(key [sha256.Size]byte, message []byte) []byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(message)
	return mac.Sum(nil)
}

// block gives the keys of one of many blocks that are permuted each by itself.
func (k *keys) block(number uint64) keys {
	out := *k
	for i := range out.add {
		out.add[i] = mix(k.add[i] + (number+1)*golden)
	}
	return out
}

// permute is a permutation of 0 to n-1. The network permutes its whole domain, at most 4n values or
// 64; following it until it returns below n (cycle walking) permutes what lies below n.
func (k *keys) permute(n, x uint64) uint64 {
	if n < 2 {
		return x
	}
	half := max(minHalf, (uint(bits.Len64(n-1))+1)/2)
	for x = k.network(half, x); x >= n; {
		x = k.network(half, x)
	}
	return x
}

// network is a balanced Feistel network over 2*half bits.
func (k *keys) network(half uint, x uint64) uint64 {
	mask := uint64(1)<<half - 1
	left, right := x>>half, x&mask
	for i := range rounds {
		left, right = right, left^(mix((right^k.add[i])*k.mul[i])>>(64-half))
	}
	return left<<half | right
}

// mix is the finaliser of SplitMix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
