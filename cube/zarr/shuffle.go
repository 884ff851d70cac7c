package zarr

// shuffle puts the bytes of equal significance together; bytes beyond whole elements stay at the end.
func shuffle(dst, src []byte, typeSize int) {
	n := len(src) / typeSize
	if typeSize == 2 {
		low, high := dst[:n:n], dst[n:2*n:2*n]
		for i := range low {
			e := src[2*i : 2*i+2 : 2*i+2]
			low[i], high[i] = e[0], e[1]
		}
	} else {
		for j := range typeSize {
			plane := dst[j*n : (j+1)*n]
			for i := range plane {
				plane[i] = src[i*typeSize+j]
			}
		}
	}
	copy(dst[n*typeSize:], src[n*typeSize:])
}

// unshuffle undoes shuffle.
func unshuffle(dst, src []byte, typeSize int) {
	n := len(src) / typeSize
	switch typeSize {
	case 2:
		low, high := src[:n:n], src[n:2*n:2*n]
		for i := range low {
			e := dst[2*i : 2*i+2 : 2*i+2]
			e[0], e[1] = low[i], high[i]
		}
	case 4:
		a, b, c, d := src[:n:n], src[n:2*n:2*n], src[2*n:3*n:3*n], src[3*n:4*n:4*n]
		for i := range a {
			e := dst[4*i : 4*i+4 : 4*i+4]
			e[0], e[1], e[2], e[3] = a[i], b[i], c[i], d[i]
		}
	default:
		for j := range typeSize {
			plane := src[j*n : (j+1)*n]
			for i, v := range plane {
				dst[i*typeSize+j] = v
			}
		}
	}
	copy(dst[n*typeSize:], src[n*typeSize:])
}

// bitUnshuffle undoes blosc's bit shuffle: one row of bits per bit of the type. Blocks whose
// elements are not a multiple of eight were left as they are.
func bitUnshuffle(dst, src []byte, typeSize int) {
	n := len(src) / typeSize
	if n%8 != 0 {
		copy(dst, src)
		return
	}
	clear(dst[:n*typeSize])
	row := n / 8
	for bit := range 8 * typeSize {
		at, mask := bit/8, byte(1)<<(bit%8)
		for k, packed := range src[bit*row : (bit+1)*row] {
			for e := 0; packed != 0; e++ {
				if packed&1 != 0 {
					dst[(8*k+e)*typeSize+at] |= mask
				}
				packed >>= 1
			}
		}
	}
	copy(dst[n*typeSize:], src[n*typeSize:])
}
