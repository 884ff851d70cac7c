//go:build !linux

package read

// fresh is new memory.
func fresh(size int) []byte { return make([]byte, size) }
