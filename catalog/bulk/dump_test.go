package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
		for _, cut := range []int{0, 10, out.Len() / 2, out.Len() - 3, out.Len() - 1} {
			_, err = CopyBackup(&again, bytes.NewReader(out.Bytes()[:cut]), nil)
			require.True(t, fault.Is(err, fault.Unavailable), "%d: %v", cut, err)
		}
		lines := strings.SplitAfter(out.String(), "\n")
		_, err = CopyBackup(&again, strings.NewReader(strings.Join(append(lines[:5:5], lines[6:]...), "")), nil)
		require.True(t, fault.Is(err, fault.Unavailable), "a line less: %v", err)
		for _, bad := range []string{strings.Join(lines[1:], ""), "{}\n", strings.Repeat("x", 3<<20)} {
			again.Reset()
			_, err = CopyBackup(&again, strings.NewReader(bad), nil)
			require.True(t, fault.Is(err, fault.Invalid), "no backup: %v", err)
			require.Zero(t, again.Len())
		}
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

// fullAfter takes so many bytes.
type fullAfter int

func (f *fullAfter) Write(p []byte) (int, error) {
	if *f -= fullAfter(len(p)); *f < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

// countedPager counts the pages that are asked for.
type countedPager struct {
	Pager
	pages int
}

func (c *countedPager) Page(ctx context.Context, a Ask) (Page, error) {
	c.pages++
	return c.Pager.Page(ctx, a)
}

// A disk that is full ends what is written there, and not only after all was read.
func TestAFullDiskEndsABackup(t *testing.T) {
	c := catalogtest.NewMemory()
	ch := catalog.Changes{Collections: []json.RawMessage{json.RawMessage(collectionDoc("a"))}}
	for i := range 5 * pageItems {
		ch.Items = append(ch.Items, catalogtest.Item("a", fmt.Sprint(i), "null", `"datetime":"2021-01-01T00:00:00Z","x":"`+strings.Repeat("x", 2000)+`"`))
	}
	_, err := c.Apply(t.Context(), ch)
	require.NoError(t, err)
	for name, write := range map[string]func(from Pager, w io.Writer) error{
		"backup": func(from Pager, w io.Writer) error { _, err := backupOf(t.Context(), from, w, nil); return err },
		"export": func(from Pager, w io.Writer) error {
			_, err := ExportLines(t.Context(), from, w, Wanted{}, "", nil)
			return err
		},
	} {
		from, disk := &countedPager{Pager: Of(c)}, fullAfter(0)
		err = write(from, &disk)
		require.ErrorIs(t, err, syscall.ENOSPC, name)
		require.True(t, fault.Is(err, fault.Unavailable), name)
		require.LessOrEqual(t, from.pages, 3, name)
	}
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
