package icechunk

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/terrapin-eo/terrapin/fault"
)

// fileType is the kind of a file, as its header states it.
type fileType byte

const (
	snapshotFile    fileType = 1
	manifestFile    fileType = 2
	transactionFile fileType = 4
	repoFile        fileType = 6
)

var fileTypeNames = map[fileType]string{
	snapshotFile: "snapshot", manifestFile: "manifest", transactionFile: "transaction log", repoFile: "repo",
}

func (t fileType) String() string {
	if name, ok := fileTypeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("unknown file type %d", byte(t))
}

const (
	specVersion = 2
	headerSize  = 39
	writerSize  = 24

	plain       = 0
	zstdDeflate = 1

	// maxFile bounds a decompressed file; the official verifier stops at 2 GiB.
	maxFile = 1 << 30
)

var magic = []byte("ICE\U0001F9CACHUNK")

var (
	compressor, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	decompressor, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxFile))
)

// seal wraps a FlatBuffer in the header and compresses it.
func seal(t fileType, writer string, flat []byte) []byte {
	out := make([]byte, headerSize, headerSize+len(flat)/2)
	copy(out, magic)
	for i := range writerSize {
		out[len(magic)+i] = ' '
	}
	copy(out[len(magic):len(magic)+writerSize], writer)
	out[36], out[37], out[38] = specVersion, byte(t), zstdDeflate
	return compressor.EncodeAll(flat, out)
}

// unseal checks the header and returns the FlatBuffer. Files of spec version 1 are those of a migrated repository.
func unseal(want fileType, data []byte) ([]byte, error) {
	if len(data) < headerSize || !bytes.Equal(data[:len(magic)], magic) {
		return nil, fault.New(fault.Corrupt, "decode %s: not an Icechunk file", want)
	}
	if v := data[36]; v != specVersion && (v != oldSpecVersion || want == repoFile) {
		return nil, fault.New(fault.Unsupported, "decode %s: Icechunk spec version %d; this release knows version %d", want, v, specVersion).
			WithCure("migrate the repository to spec version %d with the official icechunk library", specVersion)
	}
	if t := fileType(data[37]); t != want {
		return nil, fault.New(fault.Corrupt, "decode %s: the file is a %s", want, t)
	}
	switch c := data[38]; c {
	case plain:
		return data[headerSize:], nil
	case zstdDeflate:
		flat, err := decompressor.DecodeAll(data[headerSize:], nil)
		if err != nil {
			return nil, fault.New(fault.Corrupt, "decode %s: %w", want, err)
		}
		return flat, nil
	default:
		return nil, fault.New(fault.Unsupported, "decode %s: compression %d; this release knows 0 (none) and 1 (zstd)", want, c)
	}
}
