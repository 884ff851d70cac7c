//go:build !cgo_codecs || !cgo

package zarr

import (
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Backend names what decompresses zstd in this build: "go", or "libzstd" with the build tag cgo_codecs.
const Backend = "go"

// One decoder and one encoder per level serve all goroutines: EncodeAll and DecodeAll are safe for
// concurrent use, start none and reuse their state.
var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // only bad options fail
	}
	return d
})

var zstdEncoders sync.Map // zstdKey → *zstd.Encoder

type zstdKey struct {
	level    zstd.EncoderLevel
	checksum bool
}

// expandZstd decompresses whole frames into dst and returns their size; bytes up to the capacity of
// dst may be spoiled. errTooSmall says that there is more than dst has room for.
func expandZstd(dst, src []byte) (int, error) {
	out, err := zstdDecoder().DecodeAll(src, dst[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = errTooSmall
	}
	return len(out), err
}

func appendZstd(out, data []byte, level int, checksum bool) []byte {
	key := zstdKey{zstd.EncoderLevelFromZstd(level), checksum}
	e, ok := zstdEncoders.Load(key)
	if !ok {
		fresh, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(key.level), zstd.WithEncoderCRC(checksum), zstd.WithZeroFrames(true))
		if err != nil {
			panic(err) // only bad options fail
		}
		e, _ = zstdEncoders.LoadOrStore(key, fresh)
	}
	return e.(*zstd.Encoder).EncodeAll(data, out)
}
