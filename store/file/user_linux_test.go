package file_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// A directory that this user may only read is read, and every change of it is refused.
func TestReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	d, err := file.New(dir)
	require.NoError(t, err)
	_, err = d.Put(t.Context(), "a/b", strings.NewReader("x"), store.Condition{})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".tmp")))
	require.NoError(t, os.Chmod(dir, 0o555))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // made for its owner alone
	defer os.Chmod(dir, 0o755)

	runtime.LockOSThread() // root may write everywhere: be nobody on this thread
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		_, err := unix.SetfsuidRetUid(65534)
		require.NoError(t, err)
		defer unix.SetfsuidRetUid(0)
	}
	d, err = file.New(dir)
	require.NoError(t, err)
	defer d.Close()
	body, _, err := d.Get(t.Context(), "a/b", store.Range{})
	require.NoError(t, err)
	defer body.Close()
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Equal(t, "x", string(text))
	_, err = d.Put(t.Context(), "a/c", strings.NewReader("y"), store.Condition{})
	require.Equal(t, fault.Precondition, fault.KindOf(err))
	require.Contains(t, fault.CureOf(err), "right to write")
	require.Equal(t, fault.Precondition, fault.KindOf(d.Delete(t.Context(), "a/b")))
}

// What cannot be read harms no other object: it is listed if it may be one, nobody waits for it, and who asks for it is told.
func TestWhatIsNoObject(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for _, name := range []string{"a", "shut", "z"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("s"), 0o644))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "out")))
	require.NoError(t, os.Symlink("nothing", filepath.Join(dir, "nowhere")))
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	b := bucket(t, dir)
	dark := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dark, "k"), nil, 0o644))
	unlit := bucket(t, dark)
	require.NoError(t, os.Chmod(dark, 0o744))
	defer os.Chmod(dark, 0o755)
	require.NoError(t, os.Chmod(filepath.Join(dir, "shut"), 0))
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))

	runtime.LockOSThread() // root may read everything: be nobody on this thread
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		_, err := unix.SetfsuidRetUid(65534)
		require.NoError(t, err)
		defer unix.SetfsuidRetUid(0)
	}
	var names []string
	for info, err := range b.List(t.Context(), "") {
		require.NoError(t, err)
		names = append(names, info.Key)
	}
	require.Equal(t, []string{"a", "shut", "z"}, names)
	for name, kind := range map[string]fault.Kind{"shut": fault.Precondition, "out": fault.Corrupt, "nowhere": fault.NotFound, "pipe": fault.NotFound} {
		_, _, err := b.Read(t.Context(), name, store.Range{})
		require.Equal(t, kind, fault.KindOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, name)
		_, err = b.Stat(t.Context(), name)
		require.Equal(t, kind, fault.KindOf(err), "%s: %v", name, err)
	}
	_, _, err := b.Read(t.Context(), "shut", store.Range{})
	require.Contains(t, fault.CureOf(err), "right to read")

	// A folder whose names can be read, and nothing of what they name, may hold objects.
	for _, err := range unlit.List(t.Context(), "") {
		require.Equal(t, fault.Precondition, fault.KindOf(err), "%v", err)
		return
	}
	t.Fatal("the listing is silently empty")
}
