package catalog

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkParseItem(b *testing.B) {
	docs, err := filepath.Glob("../../shared/data/stac/landsat-items/*/*/*.json")
	require.NoError(b, err)
	if len(docs) == 0 {
		b.Skip("no items in ../shared/data")
	}
	var all [][]byte
	size := 0
	for _, path := range docs {
		text, err := os.ReadFile(path)
		require.NoError(b, err)
		var flat bytes.Buffer
		require.NoError(b, json.Compact(&flat, text))
		if _, err := ParseItem(flat.Bytes()); err == nil {
			all = append(all, flat.Bytes())
			size += flat.Len()
		}
	}
	b.ReportAllocs()
	b.SetBytes(int64(size / len(all)))
	for i := range b.N {
		if _, err := ParseItem(all[i%len(all)]); err != nil {
			b.Fatal(err)
		}
	}
}
