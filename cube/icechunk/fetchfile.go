package icechunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// FileFetcher reads file:// containers. Symbolic links are followed inside the container's directory
// only. The ETag of a file is the one object_store makes: inode, microseconds of modification, size, in hex.
type FileFetcher struct{}

// Fetch reads a range of a file.
func (FileFetcher) Fetch(_ context.Context, at Source) ([]byte, error) {
	top, err := url.Parse(at.Prefix)
	if err != nil || top.Scheme != "file" || at.URL.Scheme != "file" || (at.URL.Host != "" && at.URL.Host != "localhost") {
		return nil, fault.New(fault.Invalid, "not a file of this machine")
	}
	root, err := os.OpenRoot(top.Path)
	if err != nil {
		return nil, missing(err)
	}
	defer root.Close()
	f, err := root.Open(strings.TrimPrefix(at.URL.Path, top.Path))
	if err != nil {
		return nil, missing(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "not a regular file")
	}
	if err := at.unchanged(fileTag(info), info.ModTime()); err != nil {
		return nil, err
	}
	if at.Offset+at.Length > uint64(info.Size()) {
		return nil, fault.New(fault.Corrupt, "the file has %d bytes, the reference wants %d at %d", info.Size(), at.Length, at.Offset)
	}
	data := make([]byte, at.Length)
	if _, err := io.ReadFull(io.NewSectionReader(f, int64(at.Offset), int64(at.Length)), data); err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	return data, nil
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "%w", err)
	}
	return fault.New(fault.Unavailable, "%w", err)
}

func fileTag(info fs.FileInfo) string {
	var inode uint64
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = s.Ino
	}
	return fmt.Sprintf("%x-%x-%x", inode, info.ModTime().UnixMicro(), info.Size())
}

// unchanged compares what is there with what was recorded.
func (at Source) unchanged(etag string, modified time.Time) error {
	if at.ETag != "" && unquote(etag) != at.ETag {
		return fmt.Errorf("%w: its ETag is %q, recorded %q", ErrSourceChanged, unquote(etag), at.ETag)
	}
	if at.LastModified != 0 && (modified.IsZero() || modified.After(time.Unix(int64(at.LastModified), 0))) {
		return fmt.Errorf("%w: modified %s, recorded %s", ErrSourceChanged, modified.UTC().Format(time.RFC3339Nano), time.Unix(int64(at.LastModified), 0).UTC().Format(time.RFC3339))
	}
	return nil
}
