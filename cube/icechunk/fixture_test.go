package icechunk

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// grid is a small int32 array (time, x) of 1×2 chunks without codecs but "bytes": what the tests write.
type grid struct{ steps, width int }

func (g grid) meta() []byte {
	return fmt.Appendf(nil, `{"zarr_format":3,"node_type":"array","shape":[%d,%d],"data_type":"int32",`+
		`"chunk_grid":{"name":"regular","configuration":{"chunk_shape":[1,2]}},`+
		`"chunk_key_encoding":{"name":"default","configuration":{"separator":"/"}},"fill_value":-1,`+
		`"codecs":[{"name":"bytes","configuration":{"endian":"little"}}],"attributes":{},"dimension_names":["time","x"],"storage_transformers":[]}`,
		g.steps, g.width)
}

func (g grid) info() ArrayInfo {
	return ArrayInfo{
		Shape:     []uint64{uint64(g.steps), uint64(g.width)},
		NumChunks: []uint32{uint32(g.steps), uint32((g.width + 1) / 2)},
		Dims:      []string{"time", "x"},
	}
}

func groupMeta(n int) []byte {
	return fmt.Appendf(nil, `{"zarr_format":3,"node_type":"group","attributes":{"n":%d}}`, n)
}

// chunk is the content of one chunk: two values.
func chunk(a, b int32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(a)), uint32(b))
}

func newBucket() *store.Bucket { return store.New(mem.New(), "mem://repo").Sub("r") }

func create(t *testing.T, b *store.Bucket, cfg Config) *Repo {
	t.Helper()
	r, err := Create(t.Context(), b, cfg)
	require.NoError(t, err)
	return r
}

// writeGrid commits /grid of g with the value 10*step+x everywhere; packs hold all but inline chunks.
func writeGrid(t *testing.T, r *Repo, g grid) ID {
	t.Helper()
	tx, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, tx.PutGroup("/", groupMeta(1)))
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	for step := range g.steps {
		setStep(t, r, tx, g, step, int32(10*step))
	}
	id, err := tx.Commit(t.Context(), "write grid", map[string]any{"steps": g.steps})
	require.NoError(t, err)
	return id
}

// setStep sets the chunks of one step to first, first+1, …
func setStep(t *testing.T, r *Repo, tx *Tx, g grid, step int, first int32) {
	t.Helper()
	p := r.NewPack()
	for x := 0; x < g.width; x += 2 {
		ref, err := p.Add(t.Context(), chunk(first+int32(x), first+int32(x)+1))
		require.NoError(t, err)
		require.NoError(t, tx.SetRef("/grid", []uint32{uint32(step), uint32(x / 2)}, ref))
	}
	require.NoError(t, p.Close(t.Context()))
}

// values reads an int32 (time, x) array as a reader would; absent chunks are -1.
func values(ctx context.Context, r *Repo, id ID, path string) ([][]int32, error) {
	s, err := r.Snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	n, ok := s.Node(path)
	if !ok {
		return nil, fmt.Errorf("no %s", path)
	}
	out := make([][]int32, n.Array.Shape[0])
	for step := range out {
		for x := range n.Array.NumChunks[1] {
			ref, ok, err := s.Ref(ctx, path, []uint32{uint32(step), x})
			if err != nil {
				return nil, err
			}
			width := int(n.Array.Shape[1]) / int(n.Array.NumChunks[1])
			if !ok {
				for range width {
					out[step] = append(out[step], -1)
				}
				continue
			}
			data, err := r.ReadChunk(ctx, ref)
			if err != nil {
				return nil, err
			}
			for i := range width {
				out[step] = append(out[step], int32(binary.LittleEndian.Uint32(data[4*i:])))
			}
		}
	}
	return out, nil
}

func tip(t *testing.T, r *Repo) ID {
	t.Helper()
	id, err := r.Resolve(t.Context(), "main")
	require.NoError(t, err)
	return id
}

func mustValues(t *testing.T, r *Repo, id ID, path string) [][]int32 {
	t.Helper()
	v, err := values(t.Context(), r, id, path)
	require.NoError(t, err)
	return v
}

// rowsOf is what /grid should hold when each step begins at the given value; -1 = absent.
func rowsOf(width int, firsts ...int32) [][]int32 {
	out := make([][]int32, len(firsts))
	for i, f := range firsts {
		for x := range width {
			if f < 0 {
				out[i] = append(out[i], -1)
			} else {
				out[i] = append(out[i], f+int32(x))
			}
		}
	}
	return out
}
