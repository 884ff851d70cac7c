//go:build cgo_codecs && cgo

package zarr

/*
#cgo LDFLAGS: -lzstd
#cgo noescape ZSTD_decompressDCtx
#cgo nocallback ZSTD_decompressDCtx
#cgo noescape ZSTD_compress2
#cgo nocallback ZSTD_compress2
#include <zstd.h>
#include <zstd_errors.h>
*/
import "C"

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"
)

// Backend names what decompresses zstd in this build: "go", or "libzstd" with the build tag cgo_codecs.
const Backend = "libzstd"

// Contexts keep their tables between calls; the collector frees those that the pool drops.
type zstdReader struct{ ctx *C.ZSTD_DCtx }

var zstdReaders = sync.Pool{New: func() any {
	r := &zstdReader{C.ZSTD_createDCtx()}
	runtime.AddCleanup(r, func(ctx *C.ZSTD_DCtx) { C.ZSTD_freeDCtx(ctx) }, r.ctx)
	return r
}}

type zstdWriter struct{ ctx *C.ZSTD_CCtx }

var zstdWriters = sync.Pool{New: func() any {
	w := &zstdWriter{C.ZSTD_createCCtx()}
	runtime.AddCleanup(w, func(ctx *C.ZSTD_CCtx) { C.ZSTD_freeCCtx(ctx) }, w.ctx)
	return w
}}

// expandZstd decompresses whole frames into dst and returns their size; bytes up to the capacity of
// dst may be spoiled. errTooSmall says that there is more than dst has room for.
func expandZstd(dst, src []byte) (int, error) {
	if len(src) == 0 {
		return 0, errors.New("no zstd frame")
	}
	dst = dst[:cap(dst)]
	r := zstdReaders.Get().(*zstdReader)
	n := C.ZSTD_decompressDCtx(r.ctx, unsafe.Pointer(unsafe.SliceData(dst)), C.size_t(len(dst)), unsafe.Pointer(&src[0]), C.size_t(len(src)))
	zstdReaders.Put(r)
	if C.ZSTD_isError(n) == 0 {
		return int(n), nil
	}
	if C.ZSTD_getErrorCode(n) == C.ZSTD_error_dstSize_tooSmall {
		return 0, errTooSmall
	}
	return 0, errors.New(C.GoString(C.ZSTD_getErrorName(n)))
}

func appendZstd(out, data []byte, level int, checksum bool) []byte {
	at := len(out)
	most := int(C.ZSTD_compressBound(C.size_t(len(data))))
	tmp := borrow(most)
	defer scratch.Put(tmp)
	w := zstdWriters.Get().(*zstdWriter)
	defer zstdWriters.Put(w)
	check := C.int(0)
	if checksum {
		check = 1
	}
	C.ZSTD_CCtx_setParameter(w.ctx, C.ZSTD_c_compressionLevel, C.int(level))
	C.ZSTD_CCtx_setParameter(w.ctx, C.ZSTD_c_checksumFlag, check)
	n := C.ZSTD_compress2(w.ctx, unsafe.Pointer(unsafe.SliceData(*tmp)), C.size_t(most), unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)))
	if C.ZSTD_isError(n) != 0 {
		panic("libzstd: " + C.GoString(C.ZSTD_getErrorName(n))) // a buffer of the bound suffices; only memory is missing then
	}
	return append(out[:at], (*tmp)[:n]...)
}
