package zarr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"github.com/terrapin-eo/terrapin/fault"
)

// errTooSmall says that a stream holds more than its place has room for.
var errTooSmall = errors.New("more data than wanted")

// decodeZstd decompresses src into dst, whose bytes up to its capacity may be spoiled.
func decodeZstd(dst, src []byte) (int, error) {
	if zstdRuns(src, len(dst), func(byte, int) bool { return true }) {
		at := 0
		zstdRuns(src, len(dst), func(b byte, n int) bool {
			fill(dst[at:at+n], []byte{b})
			at += n
			return true
		})
		return at, nil
	}
	return expandZstd(dst, src)
}

// encodeZstd is one frame with the size of the data in its header; data of one byte only is a few runs.
func encodeZstd(data []byte, level int, checksum bool) []byte {
	if !checksum && len(data) >= 1024 && isConstant(data, 1) {
		return appendRuns(nil, data[:1], len(data))
	}
	return appendZstd(make([]byte, 0, len(data)/2+64), data, level, checksum)
}

// openZstd decompresses frames that hold at most limit bytes into a buffer of their size.
func openZstd(src []byte, limit int) ([]byte, error) {
	for size := min(limit, 4*len(src)+64<<10); ; size = min(limit, 4*size) {
		dst := make([]byte, size)
		n, err := expandZstd(dst, src)
		if err == nil || !errors.Is(err, errTooSmall) || size == limit {
			return dst[:min(n, size)], err
		}
	}
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

// inflater is a reader of gzip or zlib that is used again and again.
type inflater struct {
	src  bytes.Reader
	gzip *gzip.Reader
	zlib io.ReadCloser
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

func (z *inflater) openGzip(src []byte) (io.Reader, error) {
	z.src.Reset(src)
	if z.gzip == nil {
		z.gzip = new(gzip.Reader)
	}
	return z.gzip, z.gzip.Reset(&z.src)
}

func (z *inflater) openZlib(src []byte) (io.Reader, error) {
	z.src.Reset(src)
	if z.zlib == nil {
		r, err := zlib.NewReader(&z.src)
		if err == nil {
			z.zlib = r
		}
		return r, err
	}
	return z.zlib, z.zlib.(zlib.Resetter).Reset(&z.src, nil)
}

// decodeGzip fills dst from gzip members, one after another.
func decodeGzip(dst, src []byte) (int, error) {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	r, err := z.openGzip(src)
	if err != nil {
		return 0, err
	}
	return readExactly(r, dst)
}

// decodeZlib fills dst from a zlib stream.
func decodeZlib(dst, src []byte) (int, error) {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	r, err := z.openZlib(src)
	if err != nil {
		return 0, err
	}
	return readExactly(r, dst)
}

// readExactly fills dst and demands that the stream, its checksum included, ends there.
func readExactly(r io.Reader, dst []byte) (int, error) {
	n, err := io.ReadFull(r, dst)
	if err != nil && (len(dst) > 0 || !errors.Is(err, io.EOF)) {
		return n, err
	}
	var more [1]byte
	for {
		k, err := r.Read(more[:])
		switch {
		case k > 0:
			return n, errTooSmall
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

// openGzip and openZlib return the data of a stream of at most limit bytes.
func openGzip(src []byte, limit int) ([]byte, error) {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	r, err := z.openGzip(src)
	if err != nil {
		return nil, err
	}
	return readLimited(r, limit)
}

func openZlib(src []byte, limit int) ([]byte, error) {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	r, err := z.openZlib(src)
	if err != nil {
		return nil, err
	}
	return readLimited(r, limit)
}

func readLimited(r io.Reader, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = errTooSmall
	}
	return data, err
}

// encodeChecksum appends the CRC-32C of the data.
func encodeChecksum(data []byte) []byte {
	out := append(make([]byte, 0, len(data)+4), data...)
	return binary.LittleEndian.AppendUint32(out, crc32c(data))
}

// openChecksum returns the data in front of a checksum that agrees with it.
func openChecksum(src []byte) ([]byte, error) {
	n := len(src) - 4
	if n < 0 || binary.LittleEndian.Uint32(src[n:]) != crc32c(src[:n]) {
		return nil, fault.New(fault.Corrupt, "checksum differs")
	}
	return src[:n], nil
}
