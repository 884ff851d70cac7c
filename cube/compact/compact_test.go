package compact_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/compact"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
	"github.com/terrapin-eo/terrapin/store/mem"
	"github.com/terrapin-eo/terrapin/store/s3"
	"github.com/terrapin-eo/terrapin/store/s3/s3test"
)

// plain is a cube of 3 × 3 chunks whose validity is too large to lie in the manifest.
func plain() layout.Spec {
	s := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	s.Chunk, s.Grid.Width, s.Grid.Height = 64, 150, 180
	return s
}

// tiled has cells, two resolutions and flags.
func tiled(t *testing.T) layout.Spec {
	s := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	s.Grid.Width, s.Grid.Height, s.CellSize = 150, 140, 64
	g, err := s.NewGroup("20m", []cube.Band{{Name: "B05"}, {Name: "B06"}})
	require.NoError(t, err)
	s.Further = []layout.Group{g}
	s.Flags = []layout.Flag{{Name: "cloud", Mask: 1}, {Name: "shadow", Mask: 256}}
	return s
}

func day(n int) time.Time { return layouttest.Date(1, 1, 0).AddDate(0, 0, n) }

// scene covers everything, or a part that differs from date to date.
func scene(s layout.Spec, n int) layouttest.Scene {
	name := fmt.Sprintf("d%03d", n)
	if s.CellSize == 0 {
		return layouttest.Random(s, uint64(n), name, day(n))
	}
	part := cube.Window{Row: n % 3 * 20, Col: n % 5 * 15, Height: 150, Width: 160}
	if n%4 == 1 {
		part.Height, part.Width = 40, 50
	}
	return layouttest.RandomIn(s, uint64(n), name, day(n), part)
}

func fill(t testing.TB, c *layout.Cube, from, to int) {
	t.Helper()
	var scenes []layouttest.Scene
	for n := from; n < to; n++ {
		scenes = append(scenes, scene(c.Spec(), n))
	}
	layouttest.Commit(t, c, scenes...)
}

func create(t testing.TB, b *store.Bucket, s layout.Spec) *layout.Cube {
	t.Helper()
	c, err := layout.Create(t.Context(), b, s)
	require.NoError(t, err)
	return c
}

func onDisk(t testing.TB) (*store.Bucket, string) {
	t.Helper()
	dir := t.TempDir()
	d, err := file.New(dir)
	require.NoError(t, err)
	return store.New(d, "file://"+dir), dir
}

func inMemory() *store.Bucket { return store.New(mem.New(), "mem://data").Sub("cubes/s2") }

func at(t testing.TB, c *layout.Cube, ref string) *layout.View {
	t.Helper()
	v, err := c.At(t.Context(), ref)
	require.NoError(t, err)
	return v
}

// all is everything that readers can see of a view: slices, digests, pixels, validity and flags.
func all(t testing.TB, v *layout.View) string {
	t.Helper()
	var out strings.Builder
	r := read.New(read.Config{CacheBytes: -1})
	for _, cell := range v.Cells() {
		q := read.Request{Cell: cell.Path, Window: cube.Window{Height: cell.Grid.Height, Width: cell.Grid.Width}}
		fmt.Fprintf(&out, "%s %+v\n", cell.Path, cell.Slices)
		frame, err := v.Frame(cell.Group)
		require.NoError(t, err)
		n := q.Window.Height * q.Window.Width
		image, valid, flags := make([]byte, n*len(frame.Bands)*frame.DType.Size()), make([]byte, n), make([]byte, 2*n)
		for _, s := range cell.Slices {
			q.Slices = []cube.SliceID{s.ID}
			require.NoError(t, r.Read(t.Context(), v, q, image, valid))
			out.Write(image)
			out.Write(valid)
			if len(v.Array(cell.Path, layout.Flags).Shape) > 0 {
				require.NoError(t, r.ReadFlags(t.Context(), v, q, flags))
				out.Write(flags)
			}
			for _, name := range []string{layout.Image, layout.Valid} {
				list, err := v.ChunkDigests(t.Context(), cell.Path, name, s.ID)
				require.NoError(t, err)
				out.Write(bytes.Join(list, nil))
			}
		}
	}
	return out.String()
}

func same(t testing.TB, want, got string) {
	t.Helper()
	require.True(t, want == got, "the cube reads otherwise than before")
}

// series counts, by the reader's own counter, the most ranges of 24 dates in a row at one place.
func series(t testing.TB, v *layout.View) (most int64) {
	t.Helper()
	for _, cell := range v.Cells() {
		edge := v.Array(cell.Path, layout.Image).Chunks[3]
		frame, err := v.Frame(cell.Group)
		require.NoError(t, err)
		for row := range cell.ChunkRows {
			for col := range cell.ChunkCols {
				for first := 0; first+compact.SeriesDates <= len(cell.Slices); first += 11 {
					q := read.Request{Cell: cell.Path, Window: cube.Window{Row: row * edge, Col: col * edge, Height: edge, Width: edge}}
					for _, s := range cell.Slices[first : first+compact.SeriesDates] {
						q.Slices = append(q.Slices, s.ID)
					}
					n := len(q.Slices) * edge * edge
					r := read.New(read.Config{})
					require.NoError(t, r.Read(t.Context(), v, q, make([]byte, n*len(frame.Bands)*frame.DType.Size()), make([]byte, n)))
					most = max(most, r.Stats().Ranges)
				}
			}
		}
	}
	return most
}

func run(t testing.TB, cfg compact.Config) compact.Report {
	t.Helper()
	r, err := compact.Run(t.Context(), cfg)
	require.NoError(t, err)
	return r
}

// A series of 24 dates takes 24 ranges before and at most two after; nothing else changes, neither for
// our readers nor for the official ones, of the new snapshot and of the old.
func TestASeriesLiesInTwoRanges(t *testing.T) {
	b, dir := onDisk(t)
	c := create(t, b, plain())
	fill(t, c, 0, 38)
	old := at(t, c, "")
	require.NoError(t, c.Tag(t.Context(), "before", old.Snapshot()))
	was := all(t, old)
	require.EqualValues(t, compact.SeriesDates, series(t, old))

	would := run(t, compact.Config{Cube: c, DryRun: true})
	assert.True(t, would.DryRun)
	assert.Equal(t, old.Snapshot(), would.Snapshot)
	assert.Equal(t, old.Snapshot(), at(t, c, "").Snapshot(), "a dry run commits nothing")
	did := run(t, compact.Config{Cube: c, StepBytes: 1 << 18})
	assert.Equal(t, would.Moved, did.Moved)
	assert.Equal(t, would.Bytes, did.Bytes)
	assert.Equal(t, would.Ranges, did.Ranges)
	assert.EqualValues(t, 2*8*32, did.Moved, "one place has no pixel")
	assert.Greater(t, did.Commits, 1)
	assert.EqualValues(t, 2*8*6, did.Waiting)
	assert.Equal(t, 24, did.Ranges.Before.Most)

	now := at(t, c, "")
	assert.Equal(t, now.Snapshot(), did.Snapshot)
	same(t, was, all(t, now))
	same(t, was, all(t, at(t, c, "before")))
	all := run(t, compact.Config{Cube: c, All: true})
	assert.EqualValues(t, 2*8*6, all.Moved)
	assert.Zero(t, all.Waiting)
	assert.LessOrEqual(t, all.Ranges.After.Most, 2)
	assert.LessOrEqual(t, series(t, at(t, c, "")), int64(2))
	again := run(t, compact.Config{Cube: c, All: true})
	assert.Zero(t, again.Commits)
	assert.Zero(t, again.Moved)
	assert.Equal(t, all.Snapshot, again.Snapshot)
	assert.Equal(t, all.Ranges.After, again.Ranges.Before)

	log, err := c.Log(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, true, log[0].Metadata["compaction"])
	assert.EqualValues(t, 2*8*6, log[0].Metadata["chunks_moved"])
	changes, err := c.Repo().Changes(t.Context(), log[0].ID)
	require.NoError(t, err)
	assert.Len(t, changes.Chunks, 2, "image and valid")
	assert.Empty(t, changes.UpdatedArrays)

	out := cubetest.Python(t, `
import sys, numpy as np, icechunk, zarr
repo = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1]))
old, new = (zarr.open_group(s.store, mode="r") for s in (repo.readonly_session(tag="before"), repo.readonly_session("main")))
for name in ("image", "valid", "time", "records/slice", "records/image_sha256", "records/valid_sha256"):
    a, b = (np.asarray(g["r0c0/10m/" + name][:]) for g in (old, new))
    assert a.dtype == b.dtype and (a == b).all() and a.shape[0] == 38, name
print(int(new["r0c0/10m/image"][:].astype("u8").sum()) > 0)
`, dir)
	require.Equal(t, "True", out)
}

// Cells, resolutions, flags and scenes that cover a part.
func TestCellsAreCompactedEachByItself(t *testing.T) {
	c := create(t, inMemory(), tiled(t))
	fill(t, c, 0, 20)
	v := at(t, c, "")
	was := all(t, v)
	did := run(t, compact.Config{Cube: c, Dates: 8, All: true})
	assert.Equal(t, 1, did.Commits, "a small step takes many cells")
	now := at(t, c, "")
	same(t, was, all(t, now))
	assert.Less(t, 2*did.Ranges.After.Mean, did.Ranges.Before.Mean)
	again := run(t, compact.Config{Cube: c, Dates: 8, All: true})
	assert.Zero(t, again.Moved)
	assert.GreaterOrEqual(t, did.Ranges.After.Most, again.Ranges.Before.Most, "neighbouring windows may come in one range")
	report, err := c.Repo().Collect(t.Context(), icechunk.CollectConfig{OlderThan: time.Nanosecond})
	require.NoError(t, err)
	assert.Zero(t, report.Chunks.Objects, "the history needs the old packs")
	same(t, was, all(t, now))
}

// Scenes that come late, or take another's place, while chunks are copied: their step is planned again, and
// what came stays.
func TestScenesComeMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, c *layout.Cube){
		"late": func(t *testing.T, c *layout.Cube) {
			s := scene(c.Spec(), 500)
			s.Meta.Time = day(3).Add(time.Hour)
			layouttest.Commit(t, c, s)
		},
		"newest": func(t *testing.T, c *layout.Cube) { fill(t, c, 300, 301) },
		"superseding": func(t *testing.T, c *layout.Cube) {
			s := scene(c.Spec(), 501)
			s.Meta.Source, s.Meta.Time = "d005", day(5)
			staged := layouttest.Stage(t, c, s)
			r, err := c.CommitWith(t.Context(), []*layout.Staged{staged}, "again", layout.CommitOptions{Supersede: true})
			require.NoError(t, err)
			require.NotEmpty(t, r.Outcomes[0].Superseded)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := inMemory()
			c := create(t, b, plain())
			fill(t, c, 0, 32)
			other, err := layout.Open(t.Context(), b)
			require.NoError(t, err)
			was := ""
			did := run(t, compact.Config{Cube: c, StepBytes: 100_000, Commit: func(_ context.Context, commit func() error) error {
				if was == "" {
					meanwhile(t, other)
					was = all(t, at(t, other, ""))
				}
				return commit()
			}})
			require.Greater(t, did.Commits, 1)
			same(t, was, all(t, at(t, c, "")))
			run(t, compact.Config{Cube: c, All: true})
			v := at(t, c, "")
			same(t, was, all(t, v))
			require.LessOrEqual(t, series(t, v), int64(2))
			require.Zero(t, run(t, compact.Config{Cube: c, All: true}).Commits)
		})
	}
}

// A late scene costs the window it falls into, not those after it.
func TestALateSceneCostsOneWindow(t *testing.T) {
	c := create(t, inMemory(), plain())
	fill(t, c, 0, 96)
	run(t, compact.Config{Cube: c})
	late := scene(c.Spec(), 500)
	late.Meta.Time = day(40).Add(time.Hour)
	layouttest.Commit(t, c, late)
	did := run(t, compact.Config{Cube: c})
	require.EqualValues(t, 33*2*8, did.Moved)
	require.LessOrEqual(t, series(t, at(t, c, "")), int64(2))
}

// A chunk whose bytes are damaged, or that decodes to other pixels, stops the run with its name.
func TestDamageStopsTheRun(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string, c *layout.Cube) string{
		"flipped": func(t *testing.T, dir string, c *layout.Cube) string {
			ref, _, err := at(t, c, "").Ref(t.Context(), "r0c0/10m", layout.Image, 7, 1, 1)
			require.NoError(t, err)
			path := filepath.Join(dir, "chunks", ref.Object.String())
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			data[ref.Offset+ref.Length/2] ^= 0x40
			require.NoError(t, os.WriteFile(path, data, 0o600))
			return ref.Object.String()
		},
		"cut off": func(t *testing.T, dir string, c *layout.Cube) string {
			ref, _, err := at(t, c, "").Ref(t.Context(), "r0c0/10m", layout.Image, 7, 1, 1)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(filepath.Join(dir, "chunks", ref.Object.String()), int64(ref.Offset)+10))
			return ref.Object.String()
		},
		"lost": func(t *testing.T, dir string, c *layout.Cube) string {
			ref, _, err := at(t, c, "").Ref(t.Context(), "r0c0/10m", layout.Image, 7, 0, 0)
			require.NoError(t, err)
			require.NoError(t, os.Remove(filepath.Join(dir, "chunks", ref.Object.String())))
			return ref.Object.String()
		},
		"swapped": func(t *testing.T, dir string, c *layout.Cube) string {
			v := at(t, c, "")
			tx, err := c.Repo().Begin(t.Context(), "main")
			require.NoError(t, err)
			ref, _, err := v.Ref(t.Context(), "r0c0/10m", layout.Image, 8, 1, 1)
			require.NoError(t, err)
			require.NoError(t, tx.SetRef("/r0c0/10m/image", []uint32{7, 0, 1, 1}, ref))
			_, err = tx.Commit(t.Context(), "a lie", nil)
			require.NoError(t, err)
			return ref.Object.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, dir := onDisk(t)
			c := create(t, b, plain())
			fill(t, c, 0, 32)
			object := damage(t, dir, c)
			before := at(t, c, "").Snapshot()
			_, err := compact.Run(t.Context(), compact.Config{Cube: c})
			require.Equal(t, fault.Corrupt, fault.KindOf(err), "%v", err)
			require.ErrorContains(t, err, "chunk [7 0 ")
			require.ErrorContains(t, err, "r0c0/10m/")
			require.ErrorContains(t, err, object)
			require.NotEmpty(t, fault.CureOf(err))
			require.Equal(t, before, at(t, c, "").Snapshot())
		})
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	c := create(t, inMemory(), plain())
	for _, cfg := range []compact.Config{{Dates: 7}, {Dates: 33}, {BytesPerSecond: -1}} {
		cfg.Cube = c
		_, err := compact.Run(t.Context(), cfg)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		require.NotEmpty(t, fault.CureOf(err))
	}
	r := run(t, compact.Config{Cube: c})
	require.Zero(t, r.Moved, "an empty cube")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := compact.Run(ctx, compact.Config{Cube: c})
	require.Equal(t, fault.Canceled, fault.KindOf(err))
}

// It goes no faster than it may, says how far it is, and stops when it is told to.
func TestThrottledAndCancelled(t *testing.T) {
	c := create(t, inMemory(), plain())
	fill(t, c, 0, 16)
	would := run(t, compact.Config{Cube: c, All: true, DryRun: true})
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := compact.Run(ctx, compact.Config{Cube: c, All: true, BytesPerSecond: 1, Pause: func(ctx context.Context) error {
		time.AfterFunc(50*time.Millisecond, func() { cancel(context.Canceled) })
		return nil
	}})
	require.Equal(t, fault.Canceled, fault.KindOf(err), "%v", err)
	require.Equal(t, would.Snapshot, at(t, c, "").Snapshot())
	began := time.Now()
	last := 0
	run(t, compact.Config{Cube: c, All: true, BytesPerSecond: 2 * would.Bytes, Progress: func(done, total int) {
		require.LessOrEqual(t, done, total)
		last = done
	}})
	require.EqualValues(t, would.Moved, last)
	require.Greater(t, time.Since(began), 100*time.Millisecond)
}

// On a real S3 server.
func TestCompactionOnS3(t *testing.T) {
	server := s3test.MinIO(t)
	server.Setenv(t)
	place, err := s3.ParseLocation(server.Bucket(t, "compact"), os.Getenv)
	require.NoError(t, err)
	d, err := s3.New(t.Context(), place)
	require.NoError(t, err)
	c := create(t, store.New(d, "s3://compact").Sub("cubes/s2"), plain())
	fill(t, c, 0, 32)
	was := all(t, at(t, c, ""))
	require.EqualValues(t, compact.SeriesDates, series(t, at(t, c, "")))
	did := run(t, compact.Config{Cube: c})
	require.Equal(t, 1, did.Commits)
	same(t, was, all(t, at(t, c, "")))
	require.EqualValues(t, 1, series(t, at(t, c, "")))
}
