package file_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
	"github.com/terrapin-eo/terrapin/store/storetest"
	"golang.org/x/sys/unix"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Config{New: func(t *testing.T) store.Driver { return open(t, t.TempDir()) }})
}

func open(t *testing.T, dir string) *file.Driver {
	t.Helper()
	d, err := file.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func bucket(t *testing.T, dir string) *store.Bucket { return store.New(open(t, dir), "file://"+dir) }

func write(b *store.Bucket, t *testing.T, key string) error {
	_, err := b.Write(t.Context(), key, []byte("x"), store.Condition{})
	return err
}

func TestSymbolicLinksDoNotLeave(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("s"), 0o644))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "way")))
	b := bucket(t, dir)
	_, _, err := b.Read(t.Context(), "way/secret", store.Range{})
	assert.Error(t, err)
	assert.Error(t, write(b, t, "way/new"))
	assert.NoFileExists(t, filepath.Join(outside, "new"))
}

func TestUnfinishedWritesHaveNoKey(t *testing.T) {
	dir := t.TempDir()
	b := bucket(t, dir)
	assert.Equal(t, fault.Invalid, fault.KindOf(write(b, t, ".tmp/x")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".tmp", "half"), []byte("half"), 0o644))
	for info, err := range b.List(t.Context(), "") {
		t.Fatal("listed", info, err)
	}
}

func TestOldRestsAreSwept(t *testing.T) {
	dir := t.TempDir()
	bucket(t, dir)
	old, fresh := filepath.Join(dir, ".tmp", "old"), filepath.Join(dir, ".tmp", "fresh")
	for _, name := range []string{old, fresh} {
		require.NoError(t, os.WriteFile(name, []byte("half"), 0o644))
	}
	long := time.Now().Add(-25 * time.Hour)
	require.NoError(t, os.Chtimes(old, long, long))
	bucket(t, dir)
	assert.NoFileExists(t, old)
	assert.FileExists(t, fresh, "another process may be writing it")
}

func TestNothingIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	b := bucket(t, dir)
	require.NoError(t, write(b, t, "a/b"))
	_, err := b.Write(t.Context(), "a/b", []byte("y"), store.Condition{IfAbsent: true})
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = b.Write(t.Context(), "a/b", []byte("y"), store.Condition{IfMatch: "no"})
	require.ErrorIs(t, err, store.ErrConflict)
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, "lock", entries[0].Name())
}

func TestKeysThatDoNotFit(t *testing.T) {
	b := bucket(t, t.TempDir())
	require.NoError(t, write(b, t, "a/b"))
	for _, key := range []string{"a", "a/b/c", "n/" + longName()} {
		assert.Equal(t, fault.Invalid, fault.KindOf(write(b, t, key)), key)
	}
}

func longName() string {
	b := make([]byte, 300)
	for i := range b {
		b[i] = 'n'
	}
	return string(b)
}

func TestFullDiskHasACure(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full: a full disk cannot be played here")
	}
	err := file.Explain("write", writeFull(t))
	assert.Equal(t, fault.Unavailable, fault.KindOf(err))
	assert.Contains(t, fault.CureOf(err), "free space")
}

// A disk that fills up in the middle of a write costs that write only: a clear error, nothing left behind,
// every older object whole, and room for the next once space is freed.
func TestDiskFillsUp(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no right to mount a small disk here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	b := bucket(t, dir)
	half := bytes.Repeat([]byte("h"), 600<<10)
	_, err := b.Write(t.Context(), "a/half", half, store.Condition{})
	require.NoError(t, err)
	for _, c := range []store.Condition{{}, {IfAbsent: true}} {
		_, err = b.Write(t.Context(), "b/other", half, c)
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
		assert.Contains(t, err.Error(), "disk is full")
		assert.Contains(t, fault.CureOf(err), "free space")
	}
	_, err = b.Write(t.Context(), "a/half", append(half, 'x'), store.Condition{})
	require.Error(t, err)
	data, _, err := b.Read(t.Context(), "a/half", store.Range{})
	require.NoError(t, err)
	assert.Equal(t, half, data, "the old object stays")
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "only the lock")
	require.NoError(t, b.Delete(t.Context(), "a/half"))
	_, err = b.Write(t.Context(), "b/other", half, store.Condition{IfAbsent: true})
	require.NoError(t, err)
}

func writeFull(t *testing.T) error {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Write(make([]byte, 10))
	require.Error(t, err)
	return err
}

func TestForbiddenDirectoryHasACure(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o555))
	_, err := file.New(filepath.Join(dir, "data"))
	assert.Equal(t, fault.Precondition, fault.KindOf(err))
	assert.NotEmpty(t, fault.CureOf(err))
}

func TestTwoDriversOnOneDirectory(t *testing.T) {
	dir := t.TempDir()
	a, b := bucket(t, dir), bucket(t, dir)
	_, err := a.Write(t.Context(), "n", []byte("000"), store.Condition{})
	require.NoError(t, err)
	done := make(chan error, 2)
	add := func(s *store.Bucket) {
		for added := 0; added < 50; {
			data, info, err := s.Read(t.Context(), "n", store.Range{})
			if err != nil {
				done <- err
				return
			}
			n, _ := strconv.Atoi(string(data))
			if _, err := s.Write(t.Context(), "n", []byte(strconv.Itoa(1001 + n))[1:], store.Condition{IfMatch: info.ETag}); err == nil {
				added++
			}
		}
		done <- nil
	}
	go add(a)
	go add(b)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	data, _, err := b.Read(t.Context(), "n", store.Range{})
	require.NoError(t, err)
	assert.Equal(t, "100", string(data))
}
