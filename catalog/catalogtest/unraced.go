//go:build !race

package catalogtest

// raced says that the race detector is on.
const raced = false
