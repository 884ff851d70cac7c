package icechunk

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
)

// Metadata reads the metadata of the repository itself, beside that of its snapshots.
func (r *Repo) Metadata(ctx context.Context) (map[string]any, error) {
	st, err := r.state(ctx)
	if err != nil {
		return nil, fmt.Errorf("read repository metadata: %w", err)
	}
	return decodeMetadata(st.info.metadata)
}

// SetMetadata replaces the metadata of the repository; values are JSON-like.
func (r *Repo) SetMetadata(ctx context.Context, m map[string]any) error {
	items, err := encodeMetadata(m)
	if err != nil {
		return fmt.Errorf("set repository metadata: %w", err)
	}
	err = r.update(ctx, func(info *repoInfo) (*update, error) {
		if slices.EqualFunc(info.metadata, items, func(a, b metaItem) bool { return a.name == b.name && bytes.Equal(a.value, b.value) }) {
			return nil, nil
		}
		info.metadata = items
		return &update{kind: metadataChanged}, nil
	})
	if err != nil {
		return fmt.Errorf("set repository metadata: %w", err)
	}
	return nil
}

// metaItem is one entry of metadata, its value a FlexBuffer kept as it is.
type metaItem struct {
	name  string
	value []byte
}

func encodeMetadata(m map[string]any) ([]metaItem, error) {
	items := make([]metaItem, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		value, err := encodeFlex(m[name])
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %w", name, err)
		}
		items = append(items, metaItem{name, value})
	}
	return items, nil
}

func decodeMetadata(items []metaItem) (map[string]any, error) {
	m := make(map[string]any, len(items))
	for _, it := range items {
		v, err := decodeFlex(it.value)
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %w", it.name, err)
		}
		m[it.name] = v
	}
	return m, nil
}
