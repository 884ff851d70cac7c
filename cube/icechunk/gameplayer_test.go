package icechunk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// player carries programs out with Go, and keeps a plain account of what must be there afterwards.
type player struct {
	repo  *icechunk.Repo
	tx    *icechunk.Tx
	pack  *icechunk.Pack
	nodes map[string]node // the account: pixels are not in it
	data  []byte          // of the virtual source
}

// play commits a program to a branch.
func (p *player) play(ctx context.Context, branch string, ops []op, message string, metadata map[string]any) (icechunk.ID, error) {
	if err := p.open(ctx, branch, ops); err != nil {
		return icechunk.ID{}, err
	}
	return p.tx.Commit(ctx, message, metadata)
}

// open carries a program out without committing it.
func (p *player) open(ctx context.Context, branch string, ops []op) (err error) {
	if p.tx, err = p.repo.Begin(ctx, branch); err != nil {
		return err
	}
	p.pack = p.repo.NewPack()
	for _, o := range ops {
		if err := p.act(ctx, o); err != nil {
			return fmt.Errorf("%+v: %w", o, err)
		}
	}
	return p.pack.Close(ctx)
}

func (p *player) act(ctx context.Context, o op) error {
	switch o.Op {
	case "group":
		meta := map[string]any{"zarr_format": 3, "node_type": "group", "attributes": o.Attrs}
		p.nodes[o.Path] = node{Kind: "group", Meta: roundTrip(meta)}
		return p.tx.PutGroup(o.Path, text(meta))
	case "array":
		meta := arrayMeta(o)
		p.nodes[o.Path] = node{Kind: "array", Meta: roundTrip(meta), Chunks: map[string]string{}}
		return p.tx.PutArray(o.Path, text(meta), arrayInfo(o.Shape, o.Chunks, o.Dims))
	case "delete":
		for path := range p.nodes {
			if path == o.Path || strings.HasPrefix(path, o.Path+"/") {
				delete(p.nodes, path)
			}
		}
		return p.tx.Delete(o.Path)
	case "resize":
		return p.resize(o)
	case "shift":
		a := sketchArray(p.nodes[o.Path].Meta)
		return p.remap(o.Path, func(index []int) []int {
			for d := range index {
				index[d] += o.By[d]
				if index[d] < 0 || index[d] >= (a.shape[d]+a.grid[d]-1)/a.grid[d] {
					return nil
				}
			}
			return index
		})
	case "chunk_away":
		return p.remap(o.Path, func(index []int) []int {
			if slices.Equal(index, o.Index) {
				return nil
			}
			return index
		})
	case "virtual":
		ref := icechunk.Ref{Location: o.Location, Offset: uint64(o.Offset), Length: uint64(o.Length), LastModified: uint32(o.Modified)}
		p.nodes[o.Path].Chunks[commas(o.Index)] = digest(p.data[o.Offset : o.Offset+o.Length])
		return p.tx.SetRef(o.Path, unsigned(o.Index), ref)
	}
	return p.write(ctx, o)
}

// write sets whole chunks: of the array (fill), or the one of a window (part).
func (p *player) write(ctx context.Context, o op) error {
	a, err := zarr.ParseArray(text(p.nodes[o.Path].Meta))
	if err != nil {
		return nil // a data type or a codec this release only carries along
	}
	random := rand.New(rand.NewPCG(o.Seed, 1))
	for _, index := range indexes(a.NumChunks()) {
		if o.Op == "part" && !slices.Equal(index, o.Index) || o.Op == "fill" && random.IntN(5) == 0 {
			continue
		}
		chunk := make([]byte, a.ChunkBytes())
		for i := range chunk {
			chunk[i] = byte(random.Uint32())
			if a.DType == "bool" {
				chunk[i] &= 1
			}
		}
		data, err := a.Encode(chunk)
		if fault.Is(err, fault.Unsupported) {
			return nil
		}
		if err != nil {
			return err
		}
		ref, err := p.pack.Add(ctx, data)
		if err != nil {
			return err
		}
		if err := p.tx.SetRef(o.Path, unsigned(index), ref); err != nil {
			return err
		}
		p.nodes[o.Path].Chunks[commas(index)] = digest(data)
	}
	return nil
}

func (p *player) resize(o op) error {
	n := p.nodes[o.Path]
	a := sketchArray(n.Meta)
	meta := roundTrip(n.Meta).(map[string]any)
	meta["shape"] = o.Shape
	n.Meta = roundTrip(meta)
	p.nodes[o.Path] = n
	info := arrayInfo(o.Shape, a.grid, nil)
	base, _ := p.tx.Base().Node(o.Path)
	if base.Array != nil {
		info.Dims = base.Array.Dims
	} else if dims, ok := meta["dimension_names"].([]any); ok {
		for _, d := range dims {
			info.Dims = append(info.Dims, d.(string))
		}
	}
	for key := range n.Chunks {
		for d, i := range split(key) {
			if i >= int(info.NumChunks[d]) {
				delete(n.Chunks, key)
			}
		}
	}
	return p.tx.PutArray(o.Path, text(meta), info)
}

func (p *player) remap(path string, move func([]int) []int) error {
	moved := map[string]string{}
	for key, d := range p.nodes[path].Chunks {
		if to := move(split(key)); to != nil {
			moved[commas(to)] = d
		}
	}
	n := p.nodes[path]
	n.Chunks = moved
	p.nodes[path] = n
	return p.tx.Remap(path, func(index []uint32) []uint32 {
		at := make([]int, len(index))
		for d, i := range index {
			at[d] = int(i)
		}
		if at = move(at); at == nil {
			return nil
		}
		return unsigned(at)
	})
}

func unsigned(index []int) []uint32 {
	out := make([]uint32, len(index))
	for d, i := range index {
		out[d] = uint32(i)
	}
	return out
}

func split(key string) (index []int) {
	if key == "" {
		return []int{}
	}
	for _, s := range strings.Split(key, ",") {
		i, _ := strconv.Atoi(s)
		index = append(index, i)
	}
	return index
}

func arrayInfo(shape, grid []int, dims []string) icechunk.ArrayInfo {
	info := icechunk.ArrayInfo{Shape: []uint64{}, NumChunks: []uint32{}, Dims: dims}
	for d, n := range shape {
		info.Shape, info.NumChunks = append(info.Shape, uint64(n)), append(info.NumChunks, uint32((n+grid[d]-1)/grid[d]))
	}
	return info
}

func arrayMeta(o op) map[string]any {
	configured := func(name string, cfg map[string]any) map[string]any {
		return map[string]any{"name": name, "configuration": cfg}
	}
	codecs := []any{configured("bytes", map[string]any{"endian": map[bool]string{false: "little", true: "big"}[o.Codec == "big"]})}
	switch o.Codec {
	case "zstd":
		codecs = append(codecs, configured("zstd", map[string]any{"level": 1, "checksum": false}))
	case "gzip":
		codecs = append(codecs, configured("gzip", map[string]any{"level": 1}))
	case "blosc":
		codecs = append(codecs, configured("blosc", map[string]any{"cname": "zstd", "clevel": 5, "shuffle": "noshuffle", "typesize": 1, "blocksize": 0}))
	case "crc":
		codecs = append(codecs, map[string]any{"name": "crc32c"})
	}
	var fill any = 0
	switch {
	case o.DType == "bool":
		fill = false
	case strings.HasPrefix(o.DType, "complex"):
		fill = []int{0, 0}
	}
	meta := map[string]any{
		"zarr_format": 3, "node_type": "array", "shape": append([]int{}, o.Shape...), "data_type": o.DType,
		"chunk_grid":         configured("regular", map[string]any{"chunk_shape": append([]int{}, o.Chunks...)}),
		"chunk_key_encoding": configured("default", map[string]any{"separator": "/"}),
		"fill_value":         fill, "codecs": codecs, "attributes": map[string]any{}, "storage_transformers": []any{},
	}
	if o.Dims != nil {
		meta["dimension_names"] = o.Dims
	}
	return meta
}

func text(meta any) []byte {
	out, err := json.Marshal(meta)
	if err != nil {
		panic(err)
	}
	return out
}

func roundTrip(v any) (out any) {
	if err := json.Unmarshal(text(v), &out); err != nil {
		panic(err)
	}
	return out
}
