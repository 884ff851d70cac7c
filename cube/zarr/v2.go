package zarr

import (
	"encoding/json"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

type v2Doc struct {
	Format     int             `json:"zarr_format"`
	Shape      []int           `json:"shape"`
	Chunks     []int           `json:"chunks"`
	DType      string          `json:"dtype"`
	Fill       json.RawMessage `json:"fill_value"`
	Order      string          `json:"order"`
	Separator  string          `json:"dimension_separator"`
	Filters    []v2Codec       `json:"filters"`
	Compressor *v2Codec        `json:"compressor"`
}

type v2Codec struct {
	ID        string `json:"id"`
	CName     string `json:"cname"`
	CLevel    int    `json:"clevel"`
	Level     int    `json:"level"`
	Shuffle   int    `json:"shuffle"`
	BlockSize int    `json:"blocksize"`
	Checksum  bool   `json:"checksum"`
}

// v2Types are the kinds of NumPy's type strings.
var v2Types = map[string]cube.DType{
	"b1": Bool, "i1": cube.Int8, "u1": cube.Uint8, "i2": cube.Int16, "u2": cube.Uint16, "i4": cube.Int32, "u4": cube.Uint32,
	"i8": cube.Int64, "u8": cube.Uint64, "f2": Float16, "f4": cube.Float32, "f8": cube.Float64, "c8": Complex64, "c16": Complex128,
}

// ParseV2 reads the .zarray of a Zarr v2 array of numbers, whose chunks are the same bytes as those of a
// v3 array: the Array decodes them and names their keys. Filters and other types are refused. Attributes
// and dimension names are elsewhere (.zattrs). It is for reading; JSON writes version 3.
func ParseV2(text []byte) (Array, error) {
	var doc v2Doc
	if err := json.Unmarshal(text, &doc); err != nil {
		return Array{}, fault.New(fault.Corrupt, ".zarray: %w", err)
	}
	d, known := v2Types[strings.TrimLeft(doc.DType, "<>|")]
	switch {
	case doc.Format != 2:
		return Array{}, fault.New(fault.Unsupported, ".zarray: format %d, wanted 2", doc.Format)
	case !known:
		return Array{}, fault.New(fault.Unsupported, ".zarray: data type %q", doc.DType).WithCure("only numbers are read")
	case len(doc.Filters) > 0:
		return Array{}, fault.New(fault.Unsupported, ".zarray: filter %q", doc.Filters[0].ID).WithCure("write the array again without filters")
	case doc.Order != "C" && doc.Order != "F", len(doc.Chunks) != len(doc.Shape), doc.Separator != "" && doc.Separator != "." && doc.Separator != "/":
		return Array{}, fault.New(fault.Corrupt, ".zarray: order %q, shape %v in chunks %v, separator %q", doc.Order, doc.Shape, doc.Chunks, doc.Separator)
	}
	a := Array{Shape: nonNil(doc.Shape), Chunks: nonNil(doc.Chunks), DType: d, keys: chunkKeys{v2: true, separator: doc.Separator}}
	if len(doc.Fill) > 0 && string(doc.Fill) != "null" { // what is undefined there is zero
		if err := a.setFill(doc.Fill); err != nil {
			return Array{}, err
		}
	}
	if doc.Order == "F" {
		order := make([]int, len(doc.Shape))
		for i := range order {
			order[i] = len(order) - 1 - i
		}
		a.Codecs = append(a.Codecs, Codec{Name: "transpose", Order: order})
	}
	a.Codecs = append(a.Codecs, Codec{Name: "bytes", Big: strings.HasPrefix(doc.DType, ">")})
	if c := doc.Compressor; c != nil {
		codec := Codec{Name: c.ID, Level: c.Level}
		switch c.ID {
		case "blosc":
			shuffles := map[int]string{-1: "shuffle", 0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}
			codec = Codec{Name: "blosc", CName: c.CName, Level: c.CLevel, Shuffle: shuffles[c.Shuffle], TypeSize: a.ElementSize(), BlockSize: c.BlockSize}
			if c.Shuffle == -1 && a.ElementSize() == 1 {
				codec.Shuffle = "bitshuffle"
			}
		case "zstd":
			codec.Checksum = c.Checksum
		case "gzip":
		case "zlib":
			codec.Name = "numcodecs.zlib"
		default:
			return Array{}, fault.New(fault.Unsupported, ".zarray: compressor %q", c.ID).WithCure("blosc, zstd, gzip and zlib are read")
		}
		a.Codecs = append(a.Codecs, codec)
	}
	if err := a.Check(); err != nil {
		return Array{}, err
	}
	return a, nil
}
