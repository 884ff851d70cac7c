package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/fault"
)

// filled is a catalog of two posted collections and one of the bucket, of 1,200, 3 and 1 items.
func filled(t testing.TB) *catalogtest.Memory {
	t.Helper()
	c := catalogtest.NewMemory()
	var lines []string
	for i := range 1200 {
		lines = append(lines, itemDoc("a", fmt.Sprint(i), 1+i%28, float64(i%180)))
	}
	for i := range 3 {
		lines = append(lines, itemDoc("b", fmt.Sprint(i), 1+i, 1))
	}
	_, err := Load{Target: Into(c)}.Run(t.Context(), []Source{fileOf(t, append(lines, collectionDoc("a"))...)})
	require.NoError(t, err)
	item := strings.Replace(itemDoc("s2", "x", 1, 1), "./x.tif", "/cubes/s2/x", 1)
	_, err = c.Apply(t.Context(), catalog.Changes{Origin: catalog.FromBucket, Collections: []json.RawMessage{json.RawMessage(collectionDoc("s2"))}, Items: []json.RawMessage{json.RawMessage(item)}})
	require.NoError(t, err)
	return c
}

func withoutBucket(all map[catalog.ItemRef]string) map[catalog.ItemRef]string {
	for ref := range all {
		if ref.Collection == "s2" {
			delete(all, ref)
		}
	}
	return all
}

func TestABackupIsRestored(t *testing.T) {
	c := filled(t)
	for _, name := range []string{"x.ndjson", "x.ndjson.gz", "x.zst"} {
		var out bytes.Buffer
		packed, err := Compressed(&out, name)
		require.NoError(t, err)
		kept, err := Backup(t.Context(), c, packed, nil)
		require.NoError(t, err)
		require.NoError(t, packed.Close())
		require.Equal(t, Kept{2, 1203}, kept)
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
		s, err := OpenBackup(path)
		require.NoError(t, err)
		other := catalogtest.NewMemory()
		done, err := Load{Target: Into(other)}.Run(t.Context(), []Source{s})
		require.NoError(t, err)
		require.Zero(t, done.Rejected)
		require.Equal(t, withoutBucket(held(t, c)), held(t, other))
		for _, id := range []string{"a", "b"} {
			want, err := c.Collection(t.Context(), catalog.Everything(), id)
			require.NoError(t, err)
			got, err := other.Collection(t.Context(), catalog.Everything(), id)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
		if name != "x.ndjson" {
			continue
		}
		var again bytes.Buffer
		kept, err = CopyBackup(&again, bytes.NewReader(out.Bytes()), nil)
		require.NoError(t, err)
		require.Equal(t, Kept{2, 1203}, kept)
		require.Equal(t, out.String(), again.String())
		for _, cut := range []int{0, 10, out.Len() / 2, out.Len() - 3} {
			_, err = CopyBackup(&again, bytes.NewReader(out.Bytes()[:cut]), nil)
			require.True(t, fault.Is(err, fault.Unavailable), "%d: %v", cut, err)
		}
		lines := strings.SplitAfter(out.String(), "\n")
		for what, content := range map[string]string{"cut": out.String()[:out.Len()/2], "a line less": strings.Join(append(lines[:5:5], lines[6:]...), "")} {
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			_, err = Load{Target: Into(catalogtest.NewMemory())}.Run(t.Context(), []Source{s})
			require.True(t, fault.Is(err, fault.Corrupt), "%s: %v", what, err)
		}
		require.NoError(t, os.WriteFile(path, []byte(lines[1]), 0o600))
		_, err = Load{Target: Into(catalogtest.NewMemory())}.Run(t.Context(), []Source{s})
		require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	}
	other := catalogtest.NewMemory()
	_, err := Load{Target: Into(other)}.Run(t.Context(), []Source{FromPages(Of(c), "c")})
	require.NoError(t, err)
	require.Equal(t, withoutBucket(held(t, c)), held(t, other))
}

func TestAnExportIsLoaded(t *testing.T) {
	c := filled(t)
	var lines, table bytes.Buffer
	done, err := ExportLines(t.Context(), Of(c), &lines, Wanted{}, "https://example.com", nil)
	require.NoError(t, err)
	require.Equal(t, Exported{Collections: 3, Items: 1204}, done)
	require.Contains(t, lines.String(), `"href":"https://example.com/cubes/s2/x"`)
	done, err = ExportTable(t.Context(), Of(c), &table, Wanted{Collections: []string{"b", "a"}}, "", t.TempDir())
	require.NoError(t, err)
	require.Equal(t, Exported{Collections: 2, Items: 1203}, done)
	for name, content := range map[string][]byte{"x.ndjson": lines.Bytes(), "x.parquet": table.Bytes()} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		s, err := Open(t.Context(), path, Crawl{})
		require.NoError(t, err)
		other := catalogtest.NewMemory()
		done, err := Load{Target: Into(other)}.Run(t.Context(), []Source{s})
		require.NoError(t, err)
		require.Zero(t, done.Rejected)
		want, got := withoutBucket(held(t, c)), withoutBucket(held(t, other))
		require.Len(t, got, len(want))
		for ref := range want {
			if name == "x.ndjson" {
				require.Equal(t, want[ref], got[ref])
			}
			samePlain(t, want[ref], got[ref])
		}
		for _, id := range []string{"a", "b"} {
			want, err := c.Collection(t.Context(), catalog.Everything(), id)
			require.NoError(t, err)
			got, err := other.Collection(t.Context(), catalog.Everything(), id)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
	}
	_, err = ExportLines(t.Context(), Of(c), &lines, Wanted{Collections: []string{"no"}}, "", nil)
	require.ErrorIs(t, err, catalog.ErrNotFound)
}
