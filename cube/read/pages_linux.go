package read

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// hugeFrom is from what size on memory is asked for in huge pages.
	hugeFrom = 256 << 10
	hugePage = 2 << 20
)

// fresh is new memory. To get it in pages of 4 KiB as it is written to takes as long as decoding into it. It shares huge
// pages with what lies beside it, which are other buffers for the most part.
func fresh(size int) []byte {
	b := make([]byte, size)
	if size >= hugeFrom {
		at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		from, to := at&^(hugePage-1), (at+uintptr(size)+hugePage-1)&^(hugePage-1)
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_HUGEPAGE) // where there are none, others do
		runtime.KeepAlive(b)
	}
	return b
}
