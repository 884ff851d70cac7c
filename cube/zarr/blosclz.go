package zarr

import "errors"

var errBlosclz = errors.New("damaged blosclz stream")

// decodeBlosclz undoes blosc's own FastLZ-like compressor and returns how many bytes it made. A
// control byte below 32 starts a run of literals; others hold a match's length in three bits and
// the high bits of its distance in five.
func decodeBlosclz(dst, src []byte) (int, error) {
	const near = 8191 // the farthest distance of two bytes; farther ones take four
	if len(src) == 0 {
		return 0, errBlosclz
	}
	at, out := 1, 0
	for control := int(src[0] & 31); ; at++ {
		if control < 32 {
			n := control + 1
			if out+n > len(dst) || at+n > len(src) {
				return 0, errBlosclz
			}
			copy(dst[out:out+n], src[at:at+n])
			out, at = out+n, at+n
		} else {
			length, high := control>>5-1, control&31<<8
			for more := length == 6; more; at++ {
				if at >= len(src) {
					return 0, errBlosclz
				}
				length += int(src[at])
				more = src[at] == 255
			}
			if at >= len(src) {
				return 0, errBlosclz
			}
			length += 3
			distance := high + int(src[at]) + 1
			if at++; src[at-1] == 255 && high == 31<<8 {
				if at+2 > len(src) {
					return 0, errBlosclz
				}
				distance = int(src[at])<<8 + int(src[at+1]) + near + 1
				at += 2
			}
			if distance > out || length > len(dst)-out {
				return 0, errBlosclz
			}
			for end := out + length; out < end; { // a match may overlap what it makes
				out += copy(dst[out:end], dst[out-distance:out])
			}
		}
		if at >= len(src) {
			return out, nil
		}
		control = int(src[at])
	}
}
