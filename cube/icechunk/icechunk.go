// Package icechunk reads and writes repositories of Icechunk spec version 2: transactional Zarr in a
// directory or a bucket, with snapshots, branches and tags. It owns the file formats, the commit
// protocol and the placing of many chunks in one object (packs); it knows nothing of what an array
// means. It refuses spec versions, compressions and file types it does not know, references of
// length zero and commits that change nothing. The invariant: `repo` is the only object ever
// overwritten, always by compare-and-swap and always after everything it points to is durable, so a
// reader finds the old state or the new one.
package icechunk

import (
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Sentinels that callers branch on with errors.Is.
var (
	// ErrMoved: the branch got another commit since the transaction began.
	ErrMoved = fault.New(fault.Conflict, "the branch moved since the transaction began").WithCure("begin again from the new tip and plan the change anew")
	// ErrNoChange: the transaction would make a snapshot equal to its parent.
	ErrNoChange = fault.New(fault.Invalid, "the transaction changes nothing").WithCure("commit only when something was put, set or moved")
)

// Config tunes a repository. The zero value is useful.
type Config struct {
	// Writer stands in the header of each file, at most 24 bytes; "terrapin" if empty.
	Writer string
	// InlineMax is the largest chunk, in bytes, kept inside the manifest; 512 if zero, none if negative.
	InlineMax int
	// PackBytes is the size at which a pack is written out; 32 MiB if zero.
	PackBytes int64
	// ManifestRefs bounds the references of one manifest, which covers a window of the first axis; 50 000 if zero.
	ManifestRefs int
	// CacheBytes bounds the decoded snapshots and manifests kept in memory; 256 MiB if zero.
	CacheBytes int64
	// Fetch reads virtual references, by prefix of the container: only containers that stand in the
	// repository's configuration and here are read. None by default.
	Fetch map[string]Fetcher
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Writer == "" {
		c.Writer = "terrapin"
	}
	if c.InlineMax == 0 {
		c.InlineMax = 512
	}
	if c.PackBytes <= 0 {
		c.PackBytes = 32 << 20
	}
	if c.ManifestRefs <= 0 {
		c.ManifestRefs = 50_000
	}
	if c.CacheBytes <= 0 {
		c.CacheBytes = 256 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// SnapshotInfo is one entry of a log.
type SnapshotInfo struct {
	ID       ID
	Parent   *ID
	Time     time.Time
	Message  string
	Metadata map[string]any
}

// ArrayInfo is what the format itself knows of an array; the rest is in its zarr.json.
type ArrayInfo struct {
	Shape     []uint64
	NumChunks []uint32
	Dims      []string // "" = unnamed; nil = no names at all
}

// Node is a group (Array nil) or an array of a snapshot.
type Node struct {
	ID    NodeID
	Path  string     // absolute; "/" is the topmost group
	Meta  []byte     // zarr.json verbatim; not to be changed
	Array *ArrayInfo // not to be changed
}

// Ref says where the bytes of one chunk are: in the manifest, in an object of the repository, or at
// a foreign location (virtual).
type Ref struct {
	Inline         []byte // not to be changed
	Object         ID
	Offset, Length uint64
	Location       string // virtual: absolute URL
	ETag           string // virtual: expected ETag, if recorded
	LastModified   uint32 // virtual: seconds since 1970, if recorded

	extra []byte // opaque bytes of a newer writer, carried along
}

// ChunkAt is a reference with its place in the chunk grid.
type ChunkAt struct {
	Index []uint32
	Ref   Ref
}
