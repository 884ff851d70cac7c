package icechunk

import (
	"encoding/binary"
	"math"
)

// The official library migrates a repository of spec version 1 by writing its repo file: snapshots, manifests and
// transaction logs stay as they are. Manifests and logs have the tables of version 2; snapshots differ in two
// places, and what they say of their parents and their metadata stands in the repo file.
const (
	oldSpecVersion = 1
	oldMain        = "refs/branch.main/ref.json" // in every repository of version 1 that is not migrated

	oldShape    = 16 // length u64, chunk length u64
	oldManifest = 32 // id, 4 unused bytes, size u64, references u32, 4 unused bytes
)

// decodeOldShape reads the shape of an array in a snapshot of version 1. The chunk length stands for the number of
// chunks only: zarr.json has the true one.
func decodeOldShape(array table, info *ArrayInfo, path string) {
	v := array.mustVec(0, oldShape)
	info.allot(v.n, path)
	for i := range v.n {
		d := v.buf[v.start+oldShape*i:]
		length, chunk := binary.LittleEndian.Uint64(d), binary.LittleEndian.Uint64(d[8:])
		info.Shape[i] = length
		if length == 0 {
			continue
		}
		if chunk == 0 || (length-1)/chunk >= math.MaxUint32 {
			broken("array %q has chunks of %d along %d", path, chunk, length)
		}
		info.NumChunks[i] = uint32((length-1)/chunk) + 1
	}
}

// decodeOldManifests reads the manifest files that a snapshot of version 1 lists.
func decodeOldManifests(snapshot table) []manifestInfo {
	v := snapshot.mustVec(6, oldManifest)
	list := make([]manifestInfo, v.n)
	for i := range list {
		f := v.buf[v.start+oldManifest*i:]
		copy(list[i].id[:], f)
		list[i].size, list[i].refs = binary.LittleEndian.Uint64(f[16:]), binary.LittleEndian.Uint32(f[24:])
	}
	return list
}
