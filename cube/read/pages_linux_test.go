package read

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The kernel is told that large memory may lie on huge pages, and small memory is left alone.
func TestLargeMemoryLiesOnHugePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("this kernel has no huge pages:", err)
	}
	for _, size := range []int{hugeFrom, 13 << 17, 8 << 20} {
		b := fresh(size)
		require.Len(t, b, size)
		require.Equal(t, -1, bytes.IndexFunc(b, func(r rune) bool { return r != 0 }))
		maps, err := os.ReadFile("/proc/self/smaps")
		require.NoError(t, err)
		first := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		for _, at := range []uintptr{first, first + uintptr(size) - 1} {
			require.Contains(t, flagsAt(t, string(maps), at), "hg", size)
		}
		runtime.KeepAlive(b)
	}
}

// flagsAt are the flags of the mapping that an address lies in.
func flagsAt(t *testing.T, maps string, at uintptr) []string {
	found := false
	for line := range strings.Lines(maps) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			found = from <= at && at < to
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && found {
			return strings.Fields(flags)
		}
	}
	require.Fail(t, "no mapping", "%x", at)
	return nil
}
