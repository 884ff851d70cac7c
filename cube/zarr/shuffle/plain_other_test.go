//go:build !amd64

package shuffle

func inPlainGo(f func()) { f() }
