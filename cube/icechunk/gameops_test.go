package icechunk_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// op is one step of a program, for either player.
type op struct {
	Op       string         `json:"op"`
	Path     string         `json:"path,omitempty"`
	Attrs    map[string]any `json:"attrs,omitempty"`
	Shape    []int          `json:"shape,omitempty"`
	Chunks   []int          `json:"chunks,omitempty"`
	DType    string         `json:"dtype,omitempty"`
	Codec    string         `json:"codec,omitempty"`
	Shards   []int          `json:"shards,omitempty"`
	Dims     []string       `json:"dims,omitempty"`
	Seed     uint64         `json:"seed,omitempty"`
	Window   [][2]int       `json:"window,omitempty"`
	Index    []int          `json:"index,omitempty"`
	By       []int          `json:"by,omitempty"`
	Location string         `json:"location,omitempty"`
	Offset   int            `json:"offset"`
	Length   int            `json:"length,omitempty"`
	Modified int64          `json:"modified,omitempty"`
	Edges    [][]int        `json:"edges,omitempty"`
}

// MarshalJSON keeps empty shapes: an array of no dimensions is one too.
func (o op) MarshalJSON() ([]byte, error) {
	type bare op
	text, err := json.Marshal(bare(o))
	if err != nil || o.Op != "array" && o.Op != "resize" && o.Op != "chunk_away" && o.Op != "virtual" {
		return text, err
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	for name, list := range map[string][]int{"shape": o.Shape, "chunks": o.Chunks, "index": o.Index} {
		m[name] = append([]int{}, list...)
	}
	return json.Marshal(m)
}

// arraySketch is what the author of a program must know of an array.
type arraySketch struct {
	shape, grid []int // grid: sizes of the stored chunks
	dtype       string
	raw         bool // one chunk is its values and nothing else
	odd         bool // no regular grid
	touched     bool // has got its share in this program
}

// author writes random programs for a tree of nodes.
type author struct {
	*rand.Rand
	arrays map[string]*arraySketch
	groups []string
	source source // "" location = no virtual references
	ours   bool   // for the Go player, which writes whole chunks
}

// source is a foreign file both players may refer to.
type source struct {
	location string
	data     []byte
	modified int64
}

func sketch(nodes map[string]node) (map[string]*arraySketch, []string) {
	arrays, groups := map[string]*arraySketch{}, []string{}
	for _, path := range slices.Sorted(maps.Keys(nodes)) {
		if n := nodes[path]; n.Kind == "group" {
			groups = append(groups, path)
		} else {
			arrays[path] = sketchArray(n.Meta)
		}
	}
	return arrays, groups
}

func sketchArray(meta any) *arraySketch {
	text, _ := json.Marshal(meta)
	var doc struct {
		Shape []int
		DType any `json:"data_type"`
		Grid  struct {
			Name          string
			Configuration struct {
				Chunks json.RawMessage `json:"chunk_shape"`
			}
		} `json:"chunk_grid"`
		Codecs []struct{ Name string }
	}
	a := &arraySketch{}
	if json.Unmarshal(text, &doc) != nil || doc.Grid.Name != "regular" || json.Unmarshal(doc.Grid.Configuration.Chunks, &a.grid) != nil {
		return &arraySketch{odd: true}
	}
	a.shape, a.raw = doc.Shape, len(doc.Codecs) == 1 && doc.Codecs[0].Name == "bytes"
	a.dtype, _ = doc.DType.(string)
	return a
}

var dtypes = []string{"bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "complex64"}

// program is a random list of operations that make sense one after the other; it may be empty, and is a list
// then too, not null.
func (w *author) program(n int) []op {
	list := []op{}
	if len(w.groups) == 0 {
		list = append(list, op{Op: "group", Path: "/", Attrs: map[string]any{"by": fmt.Sprint(w.Uint32())}})
		w.groups = []string{"/"}
	}
	for range n {
		if o, ok := w.step(); ok {
			list = append(list, o)
		}
	}
	return list
}

func (w *author) step() (op, bool) {
	free := []string{}
	for _, path := range slices.Sorted(maps.Keys(w.arrays)) {
		if a := w.arrays[path]; !a.touched && !a.odd {
			free = append(free, path)
		}
	}
	switch k := w.IntN(16); {
	case k < 2:
		path := w.newPath("g")
		w.groups = append(w.groups, path)
		return op{Op: "group", Path: path, Attrs: map[string]any{}}, true
	case k < 5 || len(free) == 0:
		return w.array(), true
	case (k == 5 || k == 15) && len(w.arrays)+len(w.groups) > 3:
		return w.remove()
	case k == 6 && !w.ours:
		path := w.newPath("r")
		w.arrays[path] = &arraySketch{odd: true}
		return op{Op: "rectilinear", Path: path, Edges: [][]int{{1 + w.IntN(4), 2, 1 + w.IntN(3)}, {4, 1 + w.IntN(3)}}, Seed: w.Uint64() >> 1}, true
	default:
		path := free[w.IntN(len(free))]
		a := w.arrays[path]
		a.touched = true
		return w.edit(path, a, k)
	}
}

func (w *author) newPath(prefix string) string {
	parent := strings.TrimSuffix(w.groups[w.IntN(len(w.groups))], "/")
	return fmt.Sprintf("%s/%s%s%d", parent, prefix, []string{"", "-", "é"}[w.IntN(3)], w.Uint32N(100_000))
}

func (w *author) array() op {
	o := op{Op: "array", Path: w.newPath("a"), DType: dtypes[w.IntN(len(dtypes))], Codec: []string{"raw", "raw", "zstd", "gzip", "blosc", "crc", "big"}[w.IntN(7)]}
	for d := range w.IntN(4) {
		o.Shape, o.Chunks = append(o.Shape, w.IntN(9)), append(o.Chunks, 1+w.IntN(3))
		o.Dims = append(o.Dims, []string{"time", "y", "x"}[d])
	}
	if w.IntN(3) == 0 {
		o.Dims = nil
	}
	if !w.ours && w.IntN(6) == 0 && len(o.Shape) > 0 {
		for _, c := range o.Chunks {
			o.Shards = append(o.Shards, 2*c)
		}
	}
	grid := o.Chunks
	if o.Shards != nil {
		grid = o.Shards
	}
	w.arrays[o.Path] = &arraySketch{shape: o.Shape, grid: grid, dtype: o.DType, raw: o.Codec == "raw" && o.Shards == nil}
	return o
}

func (w *author) remove() (op, bool) {
	paths := append(slices.Sorted(maps.Keys(w.arrays)), w.groups...)
	path := paths[w.IntN(len(paths))]
	if path == "/" {
		return op{}, false
	}
	gone := func(p string) bool { return p == path || strings.HasPrefix(p, path+"/") }
	maps.DeleteFunc(w.arrays, func(p string, _ *arraySketch) bool { return gone(p) })
	w.groups = slices.DeleteFunc(w.groups, gone)
	return op{Op: "delete", Path: path}, true
}

func (w *author) edit(path string, a *arraySketch, k int) (op, bool) {
	o := op{Path: path, Seed: w.Uint64() >> 1}
	index := make([]int, len(a.shape))
	for d, n := range a.shape {
		if n == 0 {
			o.Op = "resize"
		} else {
			index[d] = w.IntN((n + a.grid[d] - 1) / a.grid[d])
		}
	}
	switch {
	case len(a.shape) > 0 && (o.Op == "resize" || k < 8):
		o.Op, o.Shape = "resize", slices.Clone(a.shape)
		o.Shape[w.IntN(len(o.Shape))] = w.IntN(11)
		a.shape = o.Shape
	case k == 8 && len(a.shape) > 0:
		o.Op = "shift"
		for range a.shape {
			o.By = append(o.By, w.IntN(3)-1)
		}
	case k == 9:
		o.Op, o.Index = "chunk_away", index
	case k == 10 && a.raw && w.source.location != "":
		return w.virtual(o, a, index)
	case k == 11 && len(a.shape) > 0:
		o.Op, o.Index = "part", index
		for d, n := range a.shape {
			from := index[d] * a.grid[d]
			o.Window = append(o.Window, [2]int{from, min(from+a.grid[d], n)})
		}
	default:
		o.Op = "fill"
	}
	return o, true
}

func (w *author) virtual(o op, a *arraySketch, index []int) (op, bool) {
	size := map[string]int{"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "int32": 4, "uint32": 4, "float32": 4}[a.dtype]
	if size == 0 {
		size = 8
	}
	for _, c := range a.grid {
		size *= c
	}
	o.Op, o.Index, o.Location, o.Length = "virtual", index, w.source.location, size
	o.Offset = w.IntN(len(w.source.data) - size)
	if w.IntN(2) == 0 {
		o.Modified = w.source.modified
	}
	return o, a.dtype != "bool"
}
