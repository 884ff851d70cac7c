package zarr

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/terrapin-eo/terrapin/fault"
)

// One decoder and one encoder per level serve all goroutines: EncodeAll and DecodeAll are safe for
// concurrent use and reuse their state.
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

func encodeZstd(data []byte, level int, checksum bool) []byte {
	return appendZstd(make([]byte, 0, len(data)/2+64), data, zstd.EncoderLevelFromZstd(level), checksum)
}

func appendZstd(out, data []byte, level zstd.EncoderLevel, checksum bool) []byte {
	key := zstdKey{level, checksum}
	e, ok := zstdEncoders.Load(key)
	if !ok {
		fresh, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(checksum), zstd.WithZeroFrames(true))
		if err != nil {
			panic(err) // only bad options fail
		}
		e, _ = zstdEncoders.LoadOrStore(key, fresh)
	}
	return e.(*zstd.Encoder).EncodeAll(data, out)
}

// decodeZstd fills into, or makes a buffer of at most limit bytes.
func decodeZstd(into, src []byte, limit int) ([]byte, error) {
	if into == nil {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return nil, err
		}
		size := limit
		if h.HasFCS && h.FrameContentSize <= uint64(limit) {
			size = int(h.FrameContentSize)
		}
		into = make([]byte, size)
	}
	return zstdDecoder().DecodeAll(src, into[:0:len(into)])
}

func encodeGzip(data []byte, level int) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		return nil, fault.New(fault.Invalid, "level %d: %w", level, err)
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decodeGzip(src []byte, limit int) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	return readLimited(r, limit)
}

// decodeZlib fills into from a zlib stream, as blosc keeps them.
func decodeZlib(into, src []byte) error {
	r, err := zlib.NewReader(bytes.NewReader(src))
	if err != nil {
		return err
	}
	data, err := readLimited(r, len(into))
	if err == nil && len(data) != len(into) {
		err = fault.New(fault.Corrupt, "%d bytes, wanted %d", len(data), len(into))
	}
	copy(into, data)
	return err
}

func readLimited(r io.Reader, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = fault.New(fault.Corrupt, "more than %d bytes", limit)
	}
	return data, err
}
