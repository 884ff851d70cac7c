package zarr

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// Codec is one step of a chain, by its registered name. Only the fields of that codec count.
type Codec struct {
	Name string
	// Big is set where "bytes" stores the most significant byte first.
	Big bool
	// CName is blosc's inner compressor; Shuffle is "noshuffle", "shuffle" or "bitshuffle".
	CName, Shuffle string
	TypeSize       int
	BlockSize      int
	// Level is that of blosc, zstd and gzip.
	Level int
	// Checksum appends zstd's own check.
	Checksum bool
}

// Compressed is the default chain of a data type: little-endian bytes through blosc(zstd, level 5,
// byte shuffle).
func Compressed(d cube.DType) []Codec {
	if d == String {
		return []Codec{{Name: "vlen-utf8"}}
	}
	shuffle := "shuffle"
	if d.Size() == 1 {
		shuffle = "noshuffle"
	}
	return []Codec{{Name: "bytes"}, {Name: "blosc", CName: "zstd", Level: 5, Shuffle: shuffle, TypeSize: d.Size()}}
}

// Small is the chain of coordinates and records: little-endian bytes through zstd.
func Small() []Codec { return []Codec{{Name: "bytes"}, {Name: "zstd", Level: 3}} }

func (a Array) chain() []Codec {
	if a.Codecs == nil {
		return Compressed(a.DType)
	}
	return a.Codecs
}

// checkChain demands one serialiser first and compressors after it.
func checkChain(chain []Codec, d cube.DType) error {
	if len(chain) == 0 {
		return fault.New(fault.Invalid, "zarr array: no codecs")
	}
	want := "bytes"
	if d == String {
		want = "vlen-utf8"
	}
	for i, c := range chain {
		switch {
		case i == 0 && c.Name != want:
			return fault.New(fault.Unsupported, "zarr array: codec %q first, wanted %q for %s", c.Name, want, d)
		case i > 0 && (c.Name == "bytes" || c.Name == "vlen-utf8"):
			return fault.New(fault.Invalid, "zarr array: codec %q comes after %q", c.Name, chain[i-1].Name)
		}
	}
	return nil
}

func (c Codec) doc() named {
	var config any
	switch c.Name {
	case "bytes":
		config = map[string]any{"endian": map[bool]string{true: "big", false: "little"}[c.Big]}
	case "blosc":
		config = map[string]any{"cname": c.CName, "clevel": c.Level, "shuffle": c.Shuffle, "typesize": max(1, c.TypeSize), "blocksize": c.BlockSize}
	case "zstd":
		config = map[string]any{"level": c.Level, "checksum": c.Checksum}
	case "gzip":
		config = map[string]any{"level": c.Level}
	default:
		return named{Name: c.Name}
	}
	raw, err := json.Marshal(config)
	if err != nil {
		panic(err) // maps of strings, numbers and bools always marshal
	}
	return named{c.Name, raw}
}

func parseCodec(n named) (Codec, error) {
	config := struct {
		Endian    string `json:"endian"`
		CName     string `json:"cname"`
		Level     *int   `json:"level"`
		CLevel    int    `json:"clevel"`
		Shuffle   string `json:"shuffle"`
		TypeSize  int    `json:"typesize"`
		BlockSize int    `json:"blocksize"`
		Checksum  bool   `json:"checksum"`
	}{}
	if len(n.Config) > 0 {
		if err := json.Unmarshal(n.Config, &config); err != nil {
			return Codec{}, fault.New(fault.Corrupt, "zarr.json: codec %q: %w", n.Name, err)
		}
	}
	c := Codec{Name: n.Name}
	switch n.Name {
	case "bytes":
		c.Big = config.Endian == "big"
	case "blosc":
		c.CName, c.Level, c.Shuffle, c.TypeSize, c.BlockSize = config.CName, config.CLevel, config.Shuffle, config.TypeSize, config.BlockSize
	case "zstd", "gzip":
		if config.Level != nil {
			c.Level = *config.Level
		}
		c.Checksum = config.Checksum
	case "crc32c", "vlen-utf8":
	default:
		return Codec{}, fault.New(fault.Unsupported, "zarr.json: codec %q", n.Name).
			WithCure("this release reads bytes, blosc, zstd, gzip, crc32c and vlen-utf8")
	}
	return c, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode passes a whole chunk of values, in C order and little-endian, through the codecs. The
// result never shares memory with the chunk.
func (a Array) Encode(chunk []byte) ([]byte, error) {
	if len(chunk) != a.ChunkBytes() {
		return nil, fault.New(fault.Internal, "encode: a chunk of %d bytes, wanted %d", len(chunk), a.ChunkBytes())
	}
	data := chunk
	for _, c := range a.chain() {
		var err error
		if data, err = c.encode(data, a.DType); err != nil {
			return nil, fault.New(fault.KindOf(err), "encode %s: %w", c.Name, err)
		}
	}
	if len(data) > 0 && len(chunk) > 0 && &data[0] == &chunk[0] {
		data = append([]byte(nil), data...)
	}
	return data, nil
}

func (c Codec) encode(data []byte, d cube.DType) ([]byte, error) {
	switch c.Name {
	case "bytes":
		if c.Big {
			return swapped(data, d.Size()), nil
		}
		return data, nil
	case "blosc":
		return encodeBlosc(data, c)
	case "zstd":
		return encodeZstd(data, c.Level, c.Checksum), nil
	case "gzip":
		return encodeGzip(data, c.Level)
	case "crc32c":
		out := append(make([]byte, 0, len(data)+4), data...)
		return binary.LittleEndian.AppendUint32(out, crc32.Checksum(data, castagnoli)), nil
	}
	return nil, fault.New(fault.Unsupported, "codec %q", c.Name)
}

// Decode undoes Encode into dst, whose length must be ChunkBytes.
func (a Array) Decode(dst, src []byte) error {
	if len(dst) != a.ChunkBytes() {
		return fault.New(fault.Internal, "decode: a buffer of %d bytes, wanted %d", len(dst), a.ChunkBytes())
	}
	chain := a.chain()
	for i := len(chain) - 1; i > 0; i-- {
		// The codec next to "bytes" writes straight into dst; those outside of it make what it reads.
		var into []byte
		if i == 1 {
			into = dst
		}
		var err error
		if src, err = chain[i].decode(into, src, len(dst)); err != nil {
			return fault.New(fault.Corrupt, "decode %s: %w", chain[i].Name, err)
		}
	}
	if len(src) != len(dst) {
		return fault.New(fault.Corrupt, "decode: %d bytes, wanted %d", len(src), len(dst))
	}
	if len(dst) > 0 && &src[0] != &dst[0] {
		copy(dst, src)
	}
	if chain[0].Big {
		copy(dst, swapped(dst, a.DType.Size()))
	}
	return nil
}

// decode undoes one codec. into, if not nil, is where the result should lie, of exactly that size;
// chunk is the size of the decoded chunk, from which the most an intermediate result may have follows.
func (c Codec) decode(into, src []byte, chunk int) ([]byte, error) {
	limit := len(into)
	if into == nil {
		limit = chunk + chunk/8 + 4096 // no compressor grows its input by more
	}
	switch c.Name {
	case "blosc":
		if into == nil {
			n, err := bloscSize(src)
			if err != nil || n > limit {
				return nil, fault.New(fault.Corrupt, "blosc buffer of %d bytes inside another codec", n)
			}
			into = make([]byte, n)
		}
		return into, decodeBlosc(into, src)
	case "zstd":
		return decodeZstd(into, src, limit)
	case "gzip":
		return decodeGzip(src, limit)
	case "crc32c":
		n := len(src) - 4
		if n < 0 || binary.LittleEndian.Uint32(src[n:]) != crc32.Checksum(src[:n], castagnoli) {
			return nil, fault.New(fault.Corrupt, "checksum differs")
		}
		return src[:n], nil
	}
	return nil, fault.New(fault.Unsupported, "codec %q", c.Name)
}

func swapped(data []byte, size int) []byte {
	out := make([]byte, len(data))
	for i := 0; i+size <= len(data); i += size {
		for j := range size {
			out[i+j] = data[i+size-1-j]
		}
	}
	return out
}
