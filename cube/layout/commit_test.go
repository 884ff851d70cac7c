package layout_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

func tinySpec() layout.Spec {
	s := uint16Spec()
	s.Grid.Width, s.Grid.Height = 5, 4
	return s
}

func TestManyScenesAreCommittedInGroups(t *testing.T) {
	s := tinySpec()
	c, _ := create(t, s)
	var all []layouttest.Scene
	for i := range 130 {
		all = append(all, layouttest.Random(s, uint64(i), fmt.Sprint("s", i), layouttest.Date(1, 1+i%28, i)))
	}
	result := layouttest.Commit(t, c, all...)
	require.Len(t, result.Outcomes, 130)
	for i, o := range result.Outcomes {
		assert.Equal(t, all[i].Meta.Source, o.Slice.Source, "in the order given")
	}
	log, err := c.Log(t.Context(), "")
	require.NoError(t, err)
	assert.Len(t, log, 2+3)
	assert.Len(t, head(t, c).Cells()[0].Slices, 130)
	none, err := c.Commit(t.Context(), nil, "nothing")
	require.NoError(t, err)
	assert.Equal(t, result.Snapshot, none.Snapshot)
}

// Several handles on one repository commit at once; each plans again when another was first.
func TestConcurrentCommits(t *testing.T) {
	s := tinySpec()
	_, b := create(t, s)
	var done sync.WaitGroup
	for w := range 4 {
		c, err := layout.Open(t.Context(), b)
		require.NoError(t, err)
		done.Go(func() {
			for i := range 4 {
				layouttest.Commit(t, c, layouttest.Random(s, uint64(w), fmt.Sprint("s", w), layouttest.Date(1+w, 1, i)))
			}
		})
	}
	done.Wait()
	c, err := layout.Open(t.Context(), b)
	require.NoError(t, err)
	slices := head(t, c).Cells()[0].Slices
	require.Len(t, slices, 16)
	for i := 1; i < len(slices); i++ {
		assert.True(t, slices[i-1].Less(slices[i]))
	}
}

// Insertion moves references only: no chunk object is written for what was there before.
func TestInsertionRewritesNoPixel(t *testing.T) {
	s := uint16Spec()
	c, b := create(t, s)
	layouttest.Commit(t, c, scenes(s)[:4]...)
	before := head(t, c)
	layouttest.Commit(t, c, scenes(s)[4])
	after := head(t, c)
	for _, sl := range before.Cells()[0].Slices {
		i, _, _ := before.Slice("r0c0/10m", sl.ID)
		j, _, ok := after.Slice("r0c0/10m", sl.ID)
		require.True(t, ok)
		assert.Equal(t, i+1, j)
		for _, name := range []string{layout.Image, layout.Valid} {
			for at := range 9 {
				old, was, err := before.Ref(t.Context(), "r0c0/10m", name, i, at/3, at%3)
				require.NoError(t, err)
				now, is, err := after.Ref(t.Context(), "r0c0/10m", name, j, at/3, at%3)
				require.NoError(t, err)
				assert.Equal(t, was, is)
				assert.Equal(t, old, now)
			}
		}
	}
	packs := 0
	for info, err := range b.List(t.Context(), "chunks/") {
		require.NoError(t, err)
		assert.NotZero(t, info.Size)
		packs++
	}
	assert.LessOrEqual(t, packs, 5*2+1, "one pack of pixels a scene, at most one of records a commit")
}

// TestKilledWriter is run again in a process of its own, which dies at a random moment.
func TestKilledWriter(t *testing.T) {
	s := tinySpec()
	const scenesInAll = 6
	if dir := os.Getenv("LAYOUT_TEST_DIR"); dir != "" {
		driver, err := file.New(dir)
		require.NoError(t, err)
		c, err := layout.Open(t.Context(), store.New(driver, "file://"+dir).Sub("cubes/s2"))
		require.NoError(t, err)
		for i := range scenesInAll {
			st := layouttest.Stage(t, c, layouttest.Random(s, uint64(i), fmt.Sprint("s", i), layouttest.Date(12-i, 1, 0)))
			_, err := c.Commit(t.Context(), []*layout.Staged{st}, "scene")
			require.NoError(t, err)
			fmt.Println("committed", i)
		}
		return
	}
	c, cubeDir := onDisk(t, s)
	dir := strings.TrimSuffix(cubeDir, "/cubes/s2")
	for round := range 12 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWriter$", "-test.v")
		cmd.Env = append(os.Environ(), "LAYOUT_TEST_DIR="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		// Kill it after it has said so many bytes: somewhere between opening and the last commit.
		buf := make([]byte, 1+round*12)
		for n := 0; n < len(buf); {
			m, err := out.Read(buf[n:])
			if n += m; err != nil {
				break
			}
		}
		require.NoError(t, cmd.Process.Kill())
		cmd.Wait()

		seen := map[cube.SliceID]bool{}
		v := head(t, c) // every slice that exists is whole
		for _, sl := range v.Cells()[0].Slices {
			assert.False(t, seen[sl.ID])
			seen[sl.ID] = true
			_, err := v.PixelDigests(t.Context(), "r0c0/10m", []cube.SliceID{sl.ID}, s.Grid.All())
			assert.NoError(t, err)
		}
	}
	for i := range scenesInAll { // and doing it all again ends where an undisturbed writer ends
		st := layouttest.Stage(t, c, layouttest.Random(s, uint64(i), fmt.Sprint("s", i), layouttest.Date(12-i, 1, 0)))
		result, err := c.Commit(t.Context(), []*layout.Staged{st}, "scene")
		require.NoError(t, err)
		assert.NotEqual(t, layout.Rejected, result.Outcomes[0].Status)
	}
	undisturbed, _ := create(t, s)
	for i := range scenesInAll {
		layouttest.Commit(t, undisturbed, layouttest.Random(s, uint64(i), fmt.Sprint("s", i), layouttest.Date(12-i, 1, 0)))
	}
	want, got := head(t, undisturbed).Cells()[0].Slices, head(t, c).Cells()[0].Slices
	require.Len(t, got, len(want))
	for i := range want {
		assert.Equal(t, want[i].ID, got[i].ID)
	}
}
