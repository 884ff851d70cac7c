package zarr

import (
	"encoding/binary"

	"github.com/terrapin-eo/terrapin/fault"
)

// DecodeText decodes a chunk of an array of strings, whatever compressors follow vlen-utf8; it must
// hold as many strings as a chunk has elements.
func (a Array) DecodeText(src []byte) ([]string, error) {
	chain := a.chain()
	if a.DType != String || len(chain) == 0 || chain[0].Name != "vlen-utf8" {
		return nil, fault.New(fault.Internal, "decode strings of %s through %v", a.DType, names(chain))
	}
	for i := len(chain) - 1; i > 0; i-- {
		var err error
		if src, err = chain[i].open(src, mostText); err != nil {
			return nil, decodeFault(chain[i].Name, err)
		}
	}
	values, err := DecodeStrings(src)
	if err == nil && len(values) != product(a.Chunks) {
		err = fault.New(fault.Corrupt, "decode vlen-utf8: %d strings, wanted %d", len(values), product(a.Chunks))
	}
	return values, err
}

// mostText is the most bytes that a compressed chunk of strings may have.
const mostText = 64 << 20

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
	if len(src) < 4 {
		return nil, fault.New(fault.Corrupt, "decode vlen-utf8: %d bytes", len(src))
	}
	count, src := binary.LittleEndian.Uint32(src), src[4:]
	if int64(count) > int64(len(src)/4) {
		return nil, fault.New(fault.Corrupt, "decode vlen-utf8: %d strings in %d bytes", count, len(src))
	}
	values := make([]string, 0, count)
	for i := range count {
		if len(src) < 4 || int64(binary.LittleEndian.Uint32(src)) > int64(len(src)-4) {
			return nil, fault.New(fault.Corrupt, "decode vlen-utf8: string %d of %d is cut off", i, count)
		}
		end := 4 + int(binary.LittleEndian.Uint32(src))
		values = append(values, string(src[4:end]))
		src = src[end:]
	}
	return values, nil
}
