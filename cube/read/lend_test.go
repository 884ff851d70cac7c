package read_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
)

// What is lent, laid over what was copied, equals the naive model under every budget, and stays so while others push it
// out of the cache and scribble over what was given back.
func TestLoansEqualModel(t *testing.T) {
	read.Scribble()
	w := newTiled(t, nil)
	for i, cfg := range tight {
		r := read.New(cfg)
		r.LendAll()
		rng := rand.New(rand.NewPCG(uint64(i), 5))
		lent := 0
		for range 40 {
			n := rng.IntN(12)
			qs, groups := make([]read.Request, n), make([]int, n)
			image, valid := make([][]byte, n), make([][]byte, n)
			for k := range qs {
				qs[k], groups[k] = w.random(rng)
				image[k], valid[k] = w.buffers(qs[k], groups[k])
			}
			loans, report, err := r.ReadLending(t.Context(), w.view, qs, image, valid)
			require.NoError(t, err)
			require.Nil(t, report.Errs)
			for range 3 { // others
				q, group := w.random(rng)
				other, ok := w.buffers(q, group)
				require.NoError(t, r.Read(t.Context(), w.view, q, other, ok))
			}
			last := read.Loan{}
			for _, l := range loans.All() {
				require.True(t, l.Request > last.Request || l.Request == last.Request && l.At >= last.At+len(last.Bytes))
				require.Equal(t, bytes.Repeat([]byte{0xEE}, len(l.Bytes)), image[l.Request][l.At:][:len(l.Bytes)], "nothing was copied there")
				copy(image[l.Request][l.At:], l.Bytes)
				lent, last = lent+len(l.Bytes), l
			}
			for k, q := range qs {
				wantImage, wantValid, _ := w.want(t, q, groups[k])
				require.True(t, bytes.Equal(wantImage, image[k]), "%+v", q)
				require.True(t, bytes.Equal(wantValid, valid[k]), "%+v", q)
			}
			loans.Release()
			require.Empty(t, r.Idle())
		}
		require.Positive(t, lent)
	}
}

// What was lent before a window failed is given back like the rest.
func TestLoansOfARefusedBatch(t *testing.T) {
	w := newTiled(t, nil)
	r := read.New(read.Config{})
	r.LendAll()
	good := read.Request{Cell: "r0c0/10m", Slices: w.ids[:1]}
	good.Window.Height, good.Window.Width = 16, 16
	bad := good
	bad.Bands = []int{99}
	image, valid := w.buffers(good, 0)
	loans, report, err := r.ReadLending(t.Context(), w.view, []read.Request{good, bad}, [][]byte{image, nil}, [][]byte{valid, nil})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.NoError(t, report.Errs[0])
	require.Len(t, loans.All(), 1)
	loans.Release()
	require.Empty(t, r.Idle())
}
