package shuffle

// inPlainGo runs f as on a machine without AVX2.
func inPlainGo(f func()) {
	have := useAVX2
	defer func() { useAVX2 = have }()
	useAVX2 = false
	f()
}
