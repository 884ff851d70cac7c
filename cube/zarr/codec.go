package zarr

import (
	"encoding/json"
	"hash/crc32"
	"slices"

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
	// BlockSize is that of blosc in bytes; 0 takes whole planes of about 64 to 512 KiB.
	BlockSize int
	// Level is that of blosc, zstd and gzip.
	Level int
	// Checksum appends zstd's own check.
	Checksum bool
	// Order is transpose's: dimension i of what follows is dimension Order[i] of what comes in.
	Order []int
	// Sharding is that of sharding_indexed.
	Sharding *Sharding

	unordered bool // "bytes" without an order, which only single bytes may leave out
}

// Sharding cuts a chunk into inner chunks that are encoded one by one, with an index of their places.
type Sharding struct {
	// Chunks is the shape of an inner chunk; it divides the shape of the chunk.
	Chunks []int
	// Codecs is the chain of an inner chunk, IndexCodecs that of the index, whose encoded size never
	// depends on its content.
	Codecs, IndexCodecs []Codec
	// IndexFirst puts the index in front of the inner chunks, not behind.
	IndexFirst bool
}

// Shards is a chain that shards chunks into inner chunks of a shape, each compressed as Compressed
// says, with a checked index at the end.
func Shards(d cube.DType, inner ...int) []Codec {
	return []Codec{{Name: "sharding_indexed", Sharding: &Sharding{
		Chunks: inner, Codecs: Compressed(d), IndexCodecs: []Codec{{Name: "bytes"}, {Name: "crc32c"}},
	}}}
}

// Compressed is the default chain of a data type: little-endian bytes through blosc(zstd, level 5,
// byte shuffle).
func Compressed(d cube.DType) []Codec {
	return slices.Clone(compressed(d))
}

// defaults are the chains of Compressed, made once since every chunk asks for one.
var defaults = func() map[cube.DType][]Codec {
	chains := map[cube.DType][]Codec{String: {{Name: "vlen-utf8"}}}
	for _, d := range append(cube.DTypes(), Bool, Float16, Complex64, Complex128) {
		size := Array{DType: d}.ElementSize()
		shuffle := "shuffle"
		if size == 1 {
			shuffle = "noshuffle"
		}
		chains[d] = []Codec{{Name: "bytes"}, {Name: "blosc", CName: "zstd", Level: 5, Shuffle: shuffle, TypeSize: size}}
	}
	return chains
}()

func compressed(d cube.DType) []Codec {
	if chain, ok := defaults[d]; ok {
		return chain
	}
	return []Codec{{Name: "bytes"}, {Name: "blosc", CName: "zstd", Level: 5, Shuffle: "shuffle", TypeSize: min(rawBytes(d), maxType)}}
}

// Small is the chain of coordinates and records: little-endian bytes through zstd.
func Small() []Codec { return []Codec{{Name: "bytes"}, {Name: "zstd", Level: 3}} }

func (a *Array) chain() []Codec {
	if a.Codecs == nil {
		return compressed(a.DType)
	}
	return a.Codecs
}

// A chain is any number of transpositions, one serialiser, any number of compressors and checks.
const (
	arrayToArray = iota
	arrayToBytes
	bytesToBytes
)

func (c *Codec) stage() int {
	switch c.Name {
	case "transpose":
		return arrayToArray
	case "bytes", "vlen-utf8", "sharding_indexed":
		return arrayToBytes
	}
	return bytesToBytes
}

// serialiser is the place of the one codec that makes bytes of values.
func serialiser(chain []Codec) int {
	for i := range chain {
		if chain[i].stage() == arrayToBytes {
			return i
		}
	}
	return -1
}

// maxNesting bounds shards within shards.
const maxNesting = 4

// checkChain refuses chains that are out of order or do not fit the array.
func (a Array) checkChain(nesting int) error {
	chain := a.chain()
	s := serialiser(chain)
	switch {
	case len(chain) == 0:
		return fault.New(fault.Invalid, "zarr array: no codecs")
	case s < 0:
		return fault.New(fault.Unsupported, "zarr array: no codec of %v makes bytes of values", names(chain))
	case nesting > maxNesting:
		return fault.New(fault.Unsupported, "zarr array: shards nested more than %d deep", maxNesting)
	case a.DType == String && (s > 0 || chain[s].Name != "vlen-utf8"), a.DType != String && chain[s].Name == "vlen-utf8":
		return fault.New(fault.Unsupported, "zarr array: codecs %v for %s", names(chain), a.DType).
			WithCure("arrays of strings take vlen-utf8 and compressors after it, all others bytes or sharding_indexed")
	}
	for i := range chain {
		c := &chain[i]
		if stage := c.stage(); stage == arrayToArray && i > s || stage == arrayToBytes && i != s || stage == bytesToBytes && i < s {
			return fault.New(fault.Invalid, "zarr array: codecs %v are out of order", names(chain))
		}
		var err error
		switch c.Name {
		case "transpose":
			err = checkOrder(c.Order, len(a.Chunks))
		case "blosc":
			err = checkBlosc(c)
		case "bytes":
			if c.unordered && a.wordSize() > 1 {
				err = fault.New(fault.Invalid, "zarr array: bytes without \"endian\" for %s", a.DType).WithCure(`say "little" or "big"`)
			}
		case "sharding_indexed":
			err = a.stored().checkSharding(nesting)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func names(chain []Codec) []string {
	list := make([]string, len(chain))
	for i := range chain {
		list[i] = chain[i].Name
	}
	return list
}

func (c *Codec) doc() named {
	var config any
	switch c.Name {
	case "bytes":
		config = map[string]any{"endian": map[bool]string{true: "big", false: "little"}[c.Big]}
	case "blosc":
		config = map[string]any{"cname": c.CName, "clevel": c.Level, "shuffle": c.Shuffle, "typesize": max(1, c.TypeSize), "blocksize": c.BlockSize}
	case "zstd":
		config = map[string]any{"level": c.Level, "checksum": c.Checksum}
	case "gzip", "numcodecs.zlib":
		config = map[string]any{"level": c.Level}
	case "transpose":
		config = map[string]any{"order": nonNil(c.Order)}
	case "sharding_indexed":
		config = map[string]any{
			"chunk_shape": nonNil(c.Sharding.Chunks), "codecs": docs(c.Sharding.Codecs), "index_codecs": docs(c.Sharding.IndexCodecs),
			"index_location": map[bool]string{true: "start", false: "end"}[c.Sharding.IndexFirst],
		}
	default:
		return named{Name: c.Name}
	}
	raw, err := json.Marshal(config)
	if err != nil {
		panic(err) // maps of strings, numbers and bools always marshal
	}
	return named{c.Name, raw}
}

func docs(chain []Codec) []named {
	list := []named{}
	for i := range chain {
		list = append(list, chain[i].doc())
	}
	return list
}

func parseCodecs(list []named, nesting int) ([]Codec, error) {
	chain := []Codec{}
	for _, n := range list {
		c, err := parseCodec(n, nesting)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// parseCodec reads one codec. Whatever it says of must_understand, a codec that is not known cannot be
// left out: its bytes would be taken for pixels.
func parseCodec(n named, nesting int) (Codec, error) {
	config := struct {
		Endian    *string `json:"endian"`
		CName     string  `json:"cname"`
		Level     int     `json:"level"`
		CLevel    int     `json:"clevel"`
		Shuffle   string  `json:"shuffle"`
		TypeSize  int     `json:"typesize"`
		BlockSize int     `json:"blocksize"`
		Checksum  bool    `json:"checksum"`
		Order     []int   `json:"order"`
		Chunks    []int   `json:"chunk_shape"`
		Codecs    []named `json:"codecs"`
		Index     []named `json:"index_codecs"`
		Location  string  `json:"index_location"`
	}{}
	if len(n.Config) > 0 {
		if err := json.Unmarshal(n.Config, &config); err != nil {
			return Codec{}, fault.New(fault.Corrupt, "zarr.json: codec %q: %w", n.Name, err)
		}
	}
	c := Codec{Name: n.Name}
	switch n.Name {
	case "bytes":
		if config.Endian != nil && *config.Endian != "little" && *config.Endian != "big" {
			return Codec{}, fault.New(fault.Unsupported, "zarr.json: bytes in %q order", *config.Endian).WithCure(`"endian" is "little" or "big"`)
		}
		c.Big = config.Endian != nil && *config.Endian == "big"
		c.unordered = config.Endian == nil
	case "blosc":
		c.CName, c.Level, c.Shuffle, c.TypeSize, c.BlockSize = config.CName, config.CLevel, config.Shuffle, config.TypeSize, config.BlockSize
	case "zstd", "gzip", "numcodecs.zlib":
		c.Level, c.Checksum = config.Level, config.Checksum
	case "transpose":
		if c.Order = config.Order; c.Order == nil {
			return Codec{}, fault.New(fault.Unsupported, "zarr.json: transpose without a list of dimensions")
		}
	case "sharding_indexed":
		if nesting > maxNesting {
			return Codec{}, fault.New(fault.Unsupported, "zarr.json: shards nested more than %d deep", maxNesting)
		}
		if config.Location != "" && config.Location != "start" && config.Location != "end" {
			return Codec{}, fault.New(fault.Unsupported, "zarr.json: shard index at %q", config.Location)
		}
		c.Sharding = &Sharding{Chunks: config.Chunks, IndexFirst: config.Location == "start"}
		var err error
		if c.Sharding.Codecs, err = parseCodecs(config.Codecs, nesting+1); err != nil {
			return Codec{}, err
		}
		if c.Sharding.IndexCodecs, err = parseCodecs(config.Index, nesting+1); err != nil {
			return Codec{}, err
		}
	case "crc32c", "vlen-utf8":
	default:
		return Codec{}, fault.New(fault.Unsupported, "zarr.json: codec %q", n.Name).
			WithCure("this release reads transpose, bytes, sharding_indexed, vlen-utf8, blosc, zstd, gzip, numcodecs.zlib and crc32c: write the array again with these")
	}
	return c, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc32c(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }
