package zarr

import (
	"encoding/binary"

	"github.com/terrapin-eo/terrapin/fault"
)

// EncodeStrings is a chunk of an array of strings in the vlen-utf8 codec: a count, then each string
// after its length. The array must have no further codec.
func EncodeStrings(values []string) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(values)))
	for _, s := range values {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}

// DecodeStrings undoes EncodeStrings.
func DecodeStrings(src []byte) ([]string, error) {
	next := func() (int, bool) {
		if len(src) < 4 {
			return 0, false
		}
		n := binary.LittleEndian.Uint32(src)
		src = src[4:]
		return int(n), int64(n) <= int64(len(src))
	}
	count, ok := next()
	if !ok && count != 0 {
		return nil, fault.New(fault.Corrupt, "decode vlen-utf8: %d strings in %d bytes", count, len(src))
	}
	values := make([]string, 0, min(count, len(src)/4))
	for range count {
		n, ok := next()
		if !ok {
			return nil, fault.New(fault.Corrupt, "decode vlen-utf8: string %d of %d is cut off", len(values), count)
		}
		values = append(values, string(src[:n]))
		src = src[n:]
	}
	return values, nil
}
