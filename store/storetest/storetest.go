// Package storetest holds the conformance suite that every store driver passes. It owns the meaning
// of the contract in package store, stated as tests; a back end that fails one is wrong, not special.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Config says how to make a fresh, empty driver.
type Config struct {
	New func(t *testing.T) store.Driver
	// WriteIDs: the back end keeps Condition.WriteID with the object.
	WriteIDs bool
	// Racy leaves out the races between readers and writers of one object, on a store that is known to mix
	// them up: the doctor refuses it, and nothing may commit to it.
	Racy bool
}

// Run runs the whole suite.
func Run(t *testing.T, cfg Config) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, b *store.Bucket)
		off  bool
	}{
		{name: "write and read back", test: readBack},
		{name: "missing objects", test: missingObjects},
		{name: "ranges", test: ranges},
		{name: "etags", test: etags},
		{name: "conditions", test: conditions},
		{name: "listing in byte order", test: listing},
		{name: "bad keys", test: badKeys},
		{name: "failing body changes nothing", test: failingBody},
		{name: "cancelled context", test: cancelled},
		{name: "create race has one winner", test: createRace},
		{name: "compare and swap loses nothing", test: counter, off: cfg.Racy},
		{name: "write ids", test: writeIDs, off: !cfg.WriteIDs},
		{name: "folders", test: folders},
		{name: "long listing", test: longListing},
		{name: "readers see whole objects", test: wholeObjects, off: cfg.Racy},
	} {
		if c.off {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			c.test(t, store.New(cfg.New(t), "test://bucket"))
		})
	}
}

func put(t *testing.T, b *store.Bucket, key, value string) store.Info {
	t.Helper()
	info, err := b.Write(t.Context(), key, []byte(value), store.Condition{})
	require.NoError(t, err)
	return info
}

func get(t *testing.T, b *store.Bucket, key string) string {
	t.Helper()
	data, _, err := b.Read(t.Context(), key, store.Range{})
	require.NoError(t, err)
	return string(data)
}

func readBack(t *testing.T, b *store.Bucket) {
	for _, value := range []string{"", "x", strings.Repeat("0123456789", 200_000)} {
		info := put(t, b, "a/b/c", value)
		assert.Equal(t, "a/b/c", info.Key)
		assert.EqualValues(t, len(value), info.Size)
		assert.NotEmpty(t, info.ETag)
		assert.Equal(t, value, get(t, b, "a/b/c"))
	}
	sub := b.Sub("a/b")
	assert.Equal(t, get(t, b, "a/b/c"), get(t, sub, "c"))
	put(t, sub, "d e+ü%20", "odd name")
	assert.Equal(t, "odd name", get(t, b, "a/b/d e+ü%20"))
}

func missingObjects(t *testing.T, b *store.Bucket) {
	put(t, b, "there/x", "1")
	for _, key := range []string{"nothing", "there", "there/x/y", "there/y"} {
		_, _, err := b.Read(t.Context(), key, store.Range{})
		assert.ErrorIs(t, err, store.ErrNotFound, key)
		_, err = b.Stat(t.Context(), key)
		assert.ErrorIs(t, err, store.ErrNotFound, key)
		assert.True(t, fault.Is(err, fault.NotFound), key)
		assert.NoError(t, b.Delete(t.Context(), key), "deleting what is not there")
	}
	assert.Equal(t, "1", get(t, b, "there/x"))
	require.NoError(t, b.Delete(t.Context(), "there/x"))
	_, err := b.Stat(t.Context(), "there/x")
	assert.ErrorIs(t, err, store.ErrNotFound)
}

func ranges(t *testing.T, b *store.Bucket) {
	const value = "0123456789"
	put(t, b, "k", value)
	put(t, b, "empty", "")
	for _, c := range []struct {
		r    store.Range
		want string
	}{
		{store.Range{}, value}, {store.Range{Offset: 3}, value[3:]}, {store.Range{Offset: 3, Length: 4}, value[3:7]},
		{store.Range{Length: 1}, "0"}, {store.Range{Offset: 9, Length: 1}, "9"}, {store.Range{Length: 10}, value},
	} {
		data, info, err := b.Read(t.Context(), "k", c.r)
		require.NoError(t, err, "%+v", c.r)
		assert.Equal(t, c.want, string(data), "%+v", c.r)
		assert.EqualValues(t, 10, info.Size, "Info is that of the whole object")
	}
	rc, _, err := b.Open(t.Context(), "k", store.Range{Offset: 8, Length: 100})
	require.NoError(t, err)
	data, err := io.ReadAll(rc)
	require.NoError(t, err)
	require.NoError(t, rc.Close())
	assert.Equal(t, "89", string(data), "a range over the end yields what is there")
	_, _, err = b.Read(t.Context(), "k", store.Range{Offset: 8, Length: 100})
	assert.Equal(t, fault.Corrupt, fault.KindOf(err), "Read promises the length or an error")
	_, _, err = b.Read(t.Context(), "k", store.Range{Offset: 10, Length: 1})
	assert.Equal(t, fault.Corrupt, fault.KindOf(err), "Read promises the length or an error")
	for _, r := range []store.Range{{Offset: 10}, {Offset: 11, Length: 1}, {Offset: -1, Length: 2}, {Offset: 1, Length: -2}} {
		_, _, err := b.Open(t.Context(), "k", r)
		assert.ErrorIs(t, err, store.ErrRange, "%+v", r)
	}
	assert.Empty(t, get(t, b, "empty"))
}

func etags(t *testing.T, b *store.Bucket) {
	seen := map[string]bool{}
	for i := range 200 {
		info := put(t, b, "k", fmt.Sprintf("%04d", i)) // equal sizes, in quick succession
		assert.False(t, seen[info.ETag], "ETag used twice")
		seen[info.ETag] = true
		stat, err := b.Stat(t.Context(), "k")
		require.NoError(t, err)
		_, read, err := b.Read(t.Context(), "k", store.Range{Length: 1})
		require.NoError(t, err)
		assert.Equal(t, info.ETag, stat.ETag)
		assert.Equal(t, info.ETag, read.ETag)
	}
}

func conditions(t *testing.T, b *store.Bucket) {
	ctx := t.Context()
	_, err := b.Write(ctx, "k", []byte("x"), store.Condition{IfMatch: "abc"})
	assert.ErrorIs(t, err, store.ErrConflict, "match on a missing object")
	_, err = b.Stat(ctx, "k")
	assert.ErrorIs(t, err, store.ErrNotFound)

	first, err := b.Write(ctx, "k", []byte("1"), store.Condition{IfAbsent: true})
	require.NoError(t, err)
	_, err = b.Write(ctx, "k", []byte("2"), store.Condition{IfAbsent: true})
	assert.ErrorIs(t, err, store.ErrConflict)
	assert.True(t, fault.Is(err, fault.Conflict))
	assert.Equal(t, "1", get(t, b, "k"))

	second, err := b.Write(ctx, "k", []byte("2"), store.Condition{IfMatch: first.ETag})
	require.NoError(t, err)
	_, err = b.Write(ctx, "k", []byte("3"), store.Condition{IfMatch: first.ETag})
	assert.ErrorIs(t, err, store.ErrConflict)
	assert.Equal(t, "2", get(t, b, "k"))

	require.NoError(t, b.Delete(ctx, "k"))
	_, err = b.Write(ctx, "k", []byte("3"), store.Condition{IfMatch: second.ETag})
	assert.ErrorIs(t, err, store.ErrConflict, "the object is gone")
	_, err = b.Write(ctx, "k", []byte("4"), store.Condition{IfAbsent: true})
	require.NoError(t, err)
	assert.Equal(t, "4", get(t, b, "k"))
}

func listing(t *testing.T, b *store.Bucket) {
	keys := []string{"a", "a-b", "a.b", "a/b0", "aa", "b/c/d", "b/c-d", "b/c/e", "b/c.e", "b/ü", "z/y/x/w"}
	keys[0] = "a!" // "a" cannot be an object and a folder at once on every back end
	for _, key := range keys {
		put(t, b, key, key)
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a/", "b/c", "b/c/", "b/c/d", "zz", "z/y/", "nothing/at/all"} {
		var got, want []string
		for info, err := range b.List(t.Context(), prefix) {
			require.NoError(t, err)
			assert.EqualValues(t, len(info.Key), info.Size)
			got = append(got, info.Key)
		}
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		assert.Equal(t, want, got, "prefix %q", prefix)
	}
	for range b.List(t.Context(), "") {
		break // stopping early is allowed
	}
	var sub []string
	for info, err := range b.Sub("b/c").List(t.Context(), "") {
		require.NoError(t, err)
		sub = append(sub, info.Key)
	}
	assert.Equal(t, []string{"d", "e"}, sub)
}

// longListing: a listing of several pages leaves nothing out and repeats nothing.
func longListing(t *testing.T, b *store.Bucket) {
	const objects = 2300
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for i := range objects {
		group.Go(func() error {
			_, err := b.Write(ctx, fmt.Sprintf("many/%02d/%04d", i%7, i), nil, store.Condition{})
			return err
		})
	}
	require.NoError(t, group.Wait())
	var keys []string
	for info, err := range b.List(t.Context(), "many/") {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	assert.Len(t, keys, objects)
	assert.True(t, slices.IsSorted(keys))
	assert.Len(t, slices.Compact(keys), objects)
}

// folders: one level of names, each once.
func folders(t *testing.T, b *store.Bucket) {
	for _, key := range []string{"cubes/b/repo", "cubes/a/chunks/x", "cubes/a/repo", "cubes/a-b/repo", "cubes/note", "labels/c/r1/commit.json"} {
		put(t, b, key, "x")
	}
	for folder, want := range map[string][]string{
		"": {"cubes", "labels"}, "cubes": {"a", "a-b", "b"}, "cubes/a": {"chunks"}, "cubes/b": nil, "nothing/here": nil,
	} {
		got, err := b.Folders(t.Context(), folder)
		require.NoError(t, err)
		assert.Equal(t, want, got, "folder %q", folder)
	}
}

// writeIDs: what a write was stamped with is found again, and goes with the object.
func writeIDs(t *testing.T, b *store.Bucket) {
	ctx := t.Context()
	first, err := b.Write(ctx, "k", []byte("1"), store.Condition{IfAbsent: true, WriteID: "one"})
	require.NoError(t, err)
	for range 2 { // an answer that was lost, and the same write sent again
		again, err := b.Write(ctx, "k", []byte("1"), store.Condition{IfAbsent: true, WriteID: "one"})
		require.NoError(t, err, "its own write is no conflict")
		assert.Equal(t, first.ETag, again.ETag)
	}
	stat, err := b.Stat(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, "one", stat.WriteID)
	_, read, err := b.Read(ctx, "k", store.Range{Length: 1})
	require.NoError(t, err)
	assert.Equal(t, "one", read.WriteID)
	_, err = b.Write(ctx, "k", []byte("2"), store.Condition{IfMatch: first.ETag, WriteID: "two"})
	require.NoError(t, err)
	_, err = b.Write(ctx, "k", []byte("3"), store.Condition{IfMatch: first.ETag, WriteID: "three"})
	assert.ErrorIs(t, err, store.ErrConflict)
	_, err = b.Write(ctx, "k", []byte("3"), store.Condition{})
	require.NoError(t, err)
	stat, err = b.Stat(ctx, "k")
	require.NoError(t, err)
	assert.Empty(t, stat.WriteID)
}

func badKeys(t *testing.T, b *store.Bucket) {
	for _, key := range []string{"", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".", "..", "a\x00b", `a\b`, strings.Repeat("k", 1001)} {
		_, err := b.Write(t.Context(), key, nil, store.Condition{})
		assert.Equal(t, fault.Invalid, fault.KindOf(err), "%q", key)
		_, _, err = b.Read(t.Context(), key, store.Range{})
		assert.Equal(t, fault.Invalid, fault.KindOf(err), "%q", key)
		assert.Error(t, b.Delete(t.Context(), key), "%q", key)
	}
}

var errBody = errors.New("the body broke off")

func failingBody(t *testing.T, b *store.Bucket) {
	put(t, b, "k", "old")
	broken := func() io.Reader {
		return io.MultiReader(bytes.NewReader(make([]byte, 100_000)), &failing{})
	}
	_, err := b.WriteFrom(t.Context(), "k", broken(), store.Condition{})
	assert.ErrorIs(t, err, errBody)
	_, err = b.WriteFrom(t.Context(), "new", broken(), store.Condition{IfAbsent: true})
	assert.ErrorIs(t, err, errBody)
	assert.Equal(t, "old", get(t, b, "k"))
	var keys []string
	for info, err := range b.List(t.Context(), "") {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	assert.Equal(t, []string{"k"}, keys)
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errBody }

func cancelled(t *testing.T, b *store.Bucket) {
	put(t, b, "k", "old")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Write(ctx, "k", []byte("new"), store.Condition{})
	assert.True(t, fault.Is(err, fault.Canceled), "%v", err)
	_, _, err = b.Read(ctx, "k", store.Range{})
	assert.True(t, fault.Is(err, fault.Canceled), "%v", err)
	assert.Equal(t, "old", get(t, b, "k"))
}
