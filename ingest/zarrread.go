package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// chunkStore keeps decoded chunks that the next parts of a scene need as well, within a budget.
type chunkStore struct {
	chunks map[string][]byte // nil: the chunk is absent
	bytes  int
}

// chunkBudget bounds the decoded chunks of one group: a row of them, and more.
const chunkBudget = 256 << 20

// chunk returns a decoded chunk of an array, or nil where it is absent.
func (s *zarrStore) chunk(name string, index []int) ([]byte, error) {
	a := s.arrays[name]
	path := filepath.Join(s.path, name, filepath.FromSlash(a.ChunkKey(index...)))
	if data, ok := s.cached.chunks[path]; ok {
		return data, nil
	}
	encoded, err := os.ReadFile(path)
	var data []byte
	switch {
	case os.IsNotExist(err):
	case err != nil:
		return nil, fault.New(fault.Invalid, "%s cannot be read: %w", path, err).WithCure("check the permissions")
	default:
		data = make([]byte, a.ChunkBytes())
		if err := a.Decode(data, encoded); err != nil {
			return nil, fault.New(fault.Corrupt, "%s does not decode: %w", path, err).WithCure("the store is damaged: copy or write it again")
		}
	}
	if s.cached.chunks == nil || s.cached.bytes+len(data) > chunkBudget {
		s.cached = chunkStore{chunks: map[string][]byte{}}
	}
	s.cached.chunks[path] = data
	s.cached.bytes += len(data)
	return data, nil
}

// plane fills dst with a window of one band at one time; pixels of absent chunks are fill, and 0 in there.
func (s *zarrStore) plane(name string, at, band int, w cube.Window, dst, there []byte) error {
	a := s.arrays[name]
	y, x := dimension(a, "y"), dimension(a, "x")
	size, h, wd := a.DType.Size(), a.Chunks[y], a.Chunks[x]
	index := make([]int, len(a.Shape))
	plane := 0 // of the chunk, in its leading dimensions
	for d := range a.Shape[:y] {
		i := max(0, band)
		if axes[strings.ToLower(a.Dims[d])] == "time" {
			i = at
		}
		index[d] = i / a.Chunks[d]
		plane = plane*a.Chunks[d] + i%a.Chunks[d]
	}
	bounds := cube.Window{Height: a.Shape[y], Width: a.Shape[x]}
	fill := make([]byte, 0)
	for cy := w.Row / h; cy <= (w.Row+w.Height-1)/h; cy++ {
		for cx := w.Col / wd; cx <= (w.Col+w.Width-1)/wd; cx++ {
			index[y], index[x] = cy, cx
			chunk, err := s.chunk(name, index)
			if err != nil {
				return err
			}
			own := cube.Window{Row: cy * h, Col: cx * wd, Height: h, Width: wd}
			part := own.Intersect(bounds)
			if chunk == nil {
				if len(fill) == 0 {
					fill = make([]byte, h*wd*size)
					a.FillChunk(fill)
				}
				cube.CopyPart(dst, w, fill, own, part, size)
				continue
			}
			cube.CopyPart(dst, w, chunk[plane*h*wd*size:(plane+1)*h*wd*size], own, part, size)
			for row := range part.Intersect(w).Height {
				in := part.Intersect(w)
				o := (in.Row+row-w.Row)*w.Width + in.Col - w.Col
				for i := range in.Width {
					there[o+i] = 1
				}
			}
		}
	}
	return nil
}

// readAll reads a scalar or an array of one dimension, absent chunks as fill.
func (s *zarrStore) readAll(name string) ([]byte, error) {
	a := s.arrays[name]
	if len(a.Shape) == 0 {
		data, err := s.chunk(name, nil)
		if err == nil && data == nil {
			data = make([]byte, a.ChunkBytes())
			a.FillChunk(data)
		}
		return data, err
	}
	out := make([]byte, a.Shape[0]*a.DType.Size())
	a.FillChunk(out)
	for i := range a.NumChunks()[0] {
		data, err := s.chunk(name, []int{i})
		if err != nil {
			return nil, err
		}
		copy(out[i*a.Chunks[0]*a.DType.Size():], data)
	}
	return out, nil
}

// readStrings reads a coordinate of names: strings, strings of a fixed length as NumPy keeps them, or whole
// numbers. It returns none where there is no such coordinate.
func (s *zarrStore) readStrings(name string) ([]string, error) {
	if a, ok := s.arrays[name]; ok && len(a.Shape) == 1 {
		if a.DType != zarr.String {
			return s.readNumbers(name)
		}
		var names []string
		for i := range a.NumChunks()[0] {
			encoded, err := os.ReadFile(filepath.Join(s.path, name, filepath.FromSlash(a.ChunkKey(i))))
			if err != nil {
				return nil, fault.New(fault.Corrupt, "the names of the bands in %s cannot be read: %w", s.path, err).WithCure("write the coordinate %s again", name)
			}
			if encoded, err = unpacked(a, encoded); err != nil {
				return nil, fault.New(fault.KindOf(err), "the names of the bands in %s: %w", s.path, err).WithCure("write the coordinate %s again, or give --bands", name)
			}
			part, err := zarr.DecodeStrings(encoded)
			if err != nil {
				return nil, fault.New(fault.Corrupt, "the names of the bands in %s: %w", s.path, err).WithCure("write the coordinate %s again", name)
			}
			names = append(names, part...)
		}
		return names[:min(len(names), a.Shape[0])], nil
	}
	return s.fixedStrings(name)
}

// unpacked undoes the compressors behind the codec of strings; their results have no size known before.
func unpacked(a zarr.Array, data []byte) ([]byte, error) {
	const most = 16 << 20 // of names
	for i := len(a.Codecs) - 1; i > 0; i-- {
		var from io.Reader
		var err error
		switch a.Codecs[i].Name {
		case "zstd":
			from, err = zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(most))
		case "gzip":
			from, err = gzip.NewReader(bytes.NewReader(data))
		default:
			return nil, fault.New(fault.Unsupported, "strings through the codec %q", a.Codecs[i].Name)
		}
		if err == nil {
			data, err = io.ReadAll(io.LimitReader(from, most))
		}
		if err != nil {
			return nil, fault.New(fault.Corrupt, "undo %s: %w", a.Codecs[i].Name, err)
		}
	}
	return data, nil
}

func (s *zarrStore) readNumbers(name string) ([]string, error) {
	a := s.arrays[name]
	if a.DType.Float() {
		return nil, nil
	}
	raw, err := s.readAll(name)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := 0; i < len(raw); i += a.DType.Size() {
		names = append(names, strconv.FormatInt(integer(raw[i:], a.DType), 10))
	}
	return names, nil
}

// fixedStrings reads an array of the data type fixed_length_utf32, which xarray writes for names: as
// four-byte numbers with a further dimension.
func (s *zarrStore) fixedStrings(name string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(s.path, name, zarrMeta))
	if err != nil {
		return nil, nil
	}
	var doc map[string]any
	if json.Unmarshal(text, &doc) != nil {
		return nil, nil
	}
	dtype, _ := doc["data_type"].(map[string]any)
	config, _ := dtype["configuration"].(map[string]any)
	length, _ := config["length_bytes"].(float64)
	grid, _ := doc["chunk_grid"].(map[string]any)
	chunks, _ := grid["configuration"].(map[string]any)
	shape, _ := doc["shape"].([]any)
	edges, _ := chunks["chunk_shape"].([]any)
	if dtype["name"] != "fixed_length_utf32" || length < 4 || length > 1<<16 || len(shape) != 1 || len(edges) != 1 {
		return nil, nil
	}
	runes := int(length) / 4
	doc["data_type"], doc["fill_value"], doc["shape"] = "uint32", 0, append(shape, runes)
	chunks["chunk_shape"] = append(edges, runes)
	delete(doc, "dimension_names")
	if text, err = json.Marshal(doc); err != nil {
		return nil, nil
	}
	a, err := zarr.ParseArray(text)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "the names of the bands in %s: %w", s.path, err).WithCure("write the coordinate %s again, or give --bands", name)
	}
	var names []string
	for i := range a.NumChunks()[0] {
		encoded, err := os.ReadFile(filepath.Join(s.path, name, filepath.FromSlash(a.ChunkKey(i))))
		data := make([]byte, a.ChunkBytes())
		if err == nil {
			err = a.Decode(data, encoded)
		}
		if err != nil {
			return nil, fault.New(fault.Corrupt, "the names of the bands in %s cannot be read: %w", s.path, err).WithCure("write the coordinate %s again", name)
		}
		for ; len(data) > 0; data = data[4*runes:] {
			var word []rune
			for r := range runes {
				if c := rune(binary.LittleEndian.Uint32(data[4*r:])); c != 0 && utf8.ValidRune(c) {
					word = append(word, c)
				}
			}
			names = append(names, string(word))
		}
	}
	return names[:min(len(names), a.Shape[0])], nil
}

// integer is the first value of some bytes, of a type of whole numbers.
func integer(b []byte, d cube.DType) int64 {
	if d.Size() == 8 { // where float64 would lose digits
		return int64(binary.LittleEndian.Uint64(b))
	}
	return int64(d.Get(b))
}
