package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// What was just written is had at once, where the file system can tell; what is not there, is not.
func TestNear(t *testing.T) {
	dir := t.TempDir()
	d, err := file.New(dir)
	require.NoError(t, err)
	defer d.Close()
	b := store.New(d, "file://"+dir).Sub("a")
	require.True(t, b.HasNear())
	content := strings.Repeat("0123456789abcdef", 1<<16)
	_, err = b.Write(t.Context(), "k", []byte(content), store.Condition{})
	require.NoError(t, err)

	f, err := os.Open(filepath.Join(dir, "a/k"))
	require.NoError(t, err)
	defer f.Close()
	_, err = unix.Preadv2(int(f.Fd()), [][]byte{make([]byte, 8)}, 0, unix.RWF_NOWAIT)
	tells := err == nil

	n := b.Near("k")
	require.NotNil(t, n)
	defer n.Close()
	part := make([]byte, 300_000)
	require.Equal(t, tells, n.ReadNow(77, part))
	if tells {
		require.Equal(t, content[77:77+len(part)], string(part))
	}
	require.False(t, n.ReadNow(int64(len(content)-10), part))
	require.False(t, n.ReadNow(int64(len(content)), part[:1]))
	require.True(t, n.ReadNow(0, nil))
	require.Nil(t, b.Near("missing"))
	require.Nil(t, b.Near("../k"))
}
