package layout

import (
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// Codec is how the pixels of a cube are stored, by its canonical name: "bytes" as they are, "zstd:3", "gzip:5", "blosc-lz4",
// "blosc-zstd:9"; "" is DefaultCodec.
type Codec string

// DefaultCodec is the name of what pixels are stored with where nothing else was asked for.
const DefaultCodec = "blosc-zstd:5"

// Uncompressed is the codec of pixels that are stored as they are.
const Uncompressed Codec = "bytes"

// levels are those a codec has, with the one that stands for none; a codec without levels has zeros.
var levels = map[string]struct{ usual, most int }{
	"bytes": {}, "blosc-lz4": {}, "blosc-zstd": {5, 9}, "zstd": {3, 22}, "gzip": {5, 9},
}

const codecCure = "use bytes, zstd, gzip, blosc-lz4 or blosc-zstd, of which zstd:1 to zstd:22, gzip:1 to gzip:9 and blosc-zstd:1 to blosc-zstd:9 say a level"

// ParseCodec reads NAME or NAME:LEVEL and returns the canonical name. "blosc" is blosc-zstd.
func ParseCodec(text string) (Codec, error) {
	name, level, leveled := strings.Cut(text, ":")
	if name == "blosc" {
		name = "blosc-zstd"
	}
	known, ok := levels[name]
	if !ok {
		return "", fault.New(fault.Invalid, "no codec %.40q", text).WithCure(codecCure)
	}
	n := known.usual
	if leveled {
		var err error
		if n, err = strconv.Atoi(level); err != nil || n < 1 || n > known.most {
			return "", fault.New(fault.Invalid, "codec %.40q: no such level", text).WithCure(codecCure)
		}
	}
	if known.most > 0 {
		name += ":" + strconv.Itoa(n)
	}
	if name == DefaultCodec {
		return "", nil
	}
	return Codec(name), nil
}

// String is the canonical name, of the default codec too.
func (c Codec) String() string {
	if c == "" {
		return DefaultCodec
	}
	return string(c)
}

// check refuses what is no canonical name.
func (c Codec) check() error {
	if c == "" {
		return nil
	}
	canonical, err := ParseCodec(string(c))
	if err == nil && canonical != c {
		err = fault.New(fault.Invalid, "codec %q is written %q", string(c), canonical.String())
	}
	return err
}

// chain is the chain of Zarr codecs for an array of pixels; nil is that of every array without one of its own.
func (c Codec) chain(d cube.DType) []zarr.Codec {
	name, text, _ := strings.Cut(string(c), ":")
	level, _ := strconv.Atoi(text) // "" has none
	inner, blosc := strings.CutPrefix(name, "blosc-")
	switch {
	case c == "":
		return nil
	case c == Uncompressed:
		return []zarr.Codec{{Name: "bytes"}}
	case !blosc:
		return []zarr.Codec{{Name: "bytes"}, {Name: name, Level: level}}
	}
	chain := zarr.Compressed(d)
	chain[1].CName = inner
	if level > 0 {
		chain[1].Level = level
	}
	return chain
}

// flat is the chain for validity and flags. These are of one value nearly everywhere: they stay compressed where pixels
// are not.
func (c Codec) flat(d cube.DType) []zarr.Codec {
	if c == Uncompressed {
		return nil
	}
	return c.chain(d)
}
