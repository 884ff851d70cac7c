package icechunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// StoreFetcher reads containers in buckets (s3://, gs:// and the like): the function opens the driver of a
// bucket by name, with the credentials meant for it. The path of a location, decoded, is the key, verbatim.
type StoreFetcher func(ctx context.Context, bucket string) (store.Driver, error)

// Fetch reads a range of an object.
func (open StoreFetcher) Fetch(ctx context.Context, at Source) ([]byte, error) {
	driver, err := open(ctx, at.URL.Host)
	if err != nil {
		return nil, fmt.Errorf("open bucket %q: %w", at.URL.Host, err)
	}
	key := strings.TrimPrefix(at.URL.Path, "/")
	body, info, err := driver.Get(ctx, key, store.Range{Offset: int64(at.Offset), Length: int64(at.Length)})
	if errors.Is(err, store.ErrRange) {
		return nil, fault.New(fault.Corrupt, "the object ends before byte %d", at.Offset)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// The ETag and the time belong to this very answer, so no condition has to be sent.
	if err := at.unchanged(info.ETag, info.Modified); err != nil {
		return nil, err
	}
	data := make([]byte, at.Length)
	if _, err := io.ReadFull(body, data); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Corrupt, "the object ends before byte %d", at.Offset+at.Length)
	} else if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	return data, nil
}
