//go:build !amd64

package shuffle

func pairFast(_, _, _ []byte, _ bool) bool { return false }

func unshuffleFast(_, _ []byte, _, _, _ int) int { return 0 }

func shuffleFast(_, _ []byte, _, _, _ int) int { return 0 }

func transposeFast([]byte) int { return 0 }
