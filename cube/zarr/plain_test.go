package zarr

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// A dense array stores every chunk, says what it wrote, and never takes a lost one for fill.
func TestADenseArrayMissesNothing(t *testing.T) {
	b := store.New(mem.New(), "mem://x")
	a := Array{Shape: []int{40, 40}, Chunks: []int{32, 32}, DType: cube.Uint8, Fill: 255.0, Dims: []string{"y", "x"}}
	data := make([]byte, 40*40)
	for i := range data {
		data[i] = 255
	}
	files, err := WriteDense(t.Context(), b, "labels", a, data)
	require.NoError(t, err)
	require.Len(t, files, 5)
	for key, want := range files {
		text, _, err := b.Read(t.Context(), "labels/"+key, store.Range{})
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprintf("%x", sha256.Sum256(text)), key)
	}
	read := func(open func() (*Plain, error)) error {
		p, err := open()
		if err != nil {
			return err
		}
		got := make([]byte, len(data))
		if err := p.ReadWindow(t.Context(), cube.Window{Height: 40, Width: 40}, 0, got); err != nil {
			return err
		}
		require.Equal(t, data, got)
		return nil
	}
	dense := func() (*Plain, error) { return OpenDense(t.Context(), b, "labels") }
	plain := func() (*Plain, error) { return OpenPlain(t.Context(), b, "labels") }
	require.NoError(t, read(dense))
	for _, key := range []string{"c/1/0", "zarr.json"} {
		require.NoError(t, b.Delete(t.Context(), "labels/"+key))
		err := read(dense)
		require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
		require.ErrorContains(t, err, "labels/"+key+" is missing")
		require.NotErrorIs(t, err, store.ErrNotFound)
		require.NotEmpty(t, fault.CureOf(err))
		if key != "zarr.json" {
			require.NoError(t, read(plain), "as Zarr has it")
		}
	}
}
