package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// edge is the number of chunks along one side of a scene: 10 980 pixels in chunks of 256.
const edge = 43

// shape is what a repository holds before the measured commits.
type shape struct{ references, history, cells int }

var axes = []struct {
	name  string
	sizes []int
	shape func(size int) shape
}{
	{"references", []int{1_000, 100_000, 1_000_000}, func(n int) shape { return shape{n, 2, 1} }},
	{"history", []int{10, 1_000, 5_000}, func(n int) shape { return shape{100_000, n, 1} }},
	{"cells", []int{1, 100, 1_000}, func(n int) shape { return shape{100_000, 2, n} }},
}

// bench is a repository to commit to.
type bench struct {
	dir   string
	repo  *icechunk.Repo
	first int // scenes of the first cell so far
}

// sliced are the arrays of a cell with a time axis, and the chunks of one step.
var sliced = []struct {
	name string
	grid []uint32
}{
	{"image", []uint32{1, edge, edge}},
	{"valid", []uint32{1, edge, edge}},
	{"records/slice", []uint32{1}},
	{"records/image_sha256", []uint32{1, 1, 1}},
	{"records/valid_sha256", []uint32{1, 1, 1}},
}

// repository makes one in memory and copies it into a directory: the fsyncs of a history nobody
// measures would take longer than everything else.
func repository(ctx context.Context, dir string, s shape) (*bench, error) {
	quick := store.New(forgetful{mem.New()}, "mem://bench")
	repo, err := icechunk.Create(ctx, quick, icechunk.Config{})
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, repo: repo}
	if err := b.found(ctx, s); err != nil {
		return nil, err
	}
	driver, err := file.New(dir)
	if err != nil {
		return nil, err
	}
	slow := store.New(driver, "file://"+dir)
	for info, err := range quick.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		data, _, err := quick.Read(ctx, info.Key, store.Range{})
		if err != nil {
			return nil, err
		}
		if _, err := slow.Write(ctx, info.Key, data, store.Condition{}); err != nil {
			return nil, err
		}
	}
	b.repo, err = icechunk.Open(ctx, slow, icechunk.Config{})
	return b, err
}

// forgetful keeps no copies of the repo file.
type forgetful struct{ store.Driver }

func (f forgetful) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	if strings.HasPrefix(key, "overwritten/") {
		return store.Info{Key: key, Modified: time.Now()}, nil
	}
	return f.Driver.Put(ctx, key, body, c)
}

// found commits the cells with their references, then the rest of the history.
func (b *bench) found(ctx context.Context, s shape) error {
	tx, err := b.repo.Begin(ctx, "main")
	if err != nil {
		return err
	}
	if err := tx.PutGroup("/", group(1)); err != nil {
		return err
	}
	for i := range s.cells {
		if err := cell(tx, i); err != nil {
			return err
		}
	}
	for left := s.references; left > 0; left -= 2 * edge * edge {
		if err := b.scene(tx, min(left/2, edge*edge)); err != nil {
			return err
		}
	}
	if _, err := tx.Commit(ctx, "found", nil); err != nil {
		return err
	}
	for i := 1; i < s.history; i++ {
		tx, err := b.repo.Begin(ctx, "main")
		if err != nil {
			return err
		}
		if err := tx.SetRef("/r0c0/10m/time", []uint32{0}, icechunk.Ref{Inline: binary.LittleEndian.AppendUint64(nil, uint64(i))}); err != nil {
			return err
		}
		if _, err := tx.Commit(ctx, fmt.Sprintf("ingest S2A_MSIL2A_20240101T100000_%d", i), map[string]any{"slices_added": 1}); err != nil {
			return err
		}
	}
	return nil
}

func group(n int) []byte {
	return fmt.Appendf(nil, `{"zarr_format":3,"node_type":"group","attributes":{"n":%d,"spatial:transform":[10,0,399960,0,-10,4900020]%s}}`, n, strings.Repeat(" ", 1200))
}

// cell puts the groups and arrays of a cell; their metadata are as long as those of the layout.
func cell(tx *icechunk.Tx, i int) error {
	at := fmt.Sprintf("/r%dc%d", i/32, i%32)
	for _, path := range []string{at, at + "/10m", at + "/10m/records"} {
		if err := tx.PutGroup(path, group(i)); err != nil {
			return err
		}
	}
	for _, name := range []string{"time", "y", "x", "band", "spatial_ref"} {
		if err := tx.PutArray(at+"/10m/"+name, array([]uint64{4096}, []uint64{4096}), icechunk.ArrayInfo{Shape: []uint64{4096}, NumChunks: []uint32{1}}); err != nil {
			return err
		}
		if err := tx.SetRef(at+"/10m/"+name, []uint32{0}, icechunk.Ref{Inline: []byte{byte(i), 1, 2, 3}}); err != nil {
			return err
		}
	}
	for _, a := range sliced {
		if err := resize(tx, at+"/10m/"+a.name, a.grid, 0); err != nil {
			return err
		}
	}
	return nil
}

func array(shape, chunk []uint64) []byte {
	text := func(list []uint64) string { return strings.ReplaceAll(fmt.Sprint(list), " ", ",") }
	return fmt.Appendf(nil, `{"zarr_format":3,"node_type":"array","shape":%s,"data_type":"uint16","chunk_grid":{"name":"regular","configuration":{"chunk_shape":%s}},`+
		`"chunk_key_encoding":{"name":"default","configuration":{"separator":"/"}},"fill_value":0,"codecs":[{"name":"bytes","configuration":{"endian":"little"}},`+
		`{"name":"blosc","configuration":{"cname":"zstd","clevel":5,"shuffle":"bitshuffle","typesize":2,"blocksize":0}}],"attributes":{%s}}`,
		text(shape), text(chunk), `"grid_mapping":"spatial_ref"`+strings.Repeat(" ", 300))
}

func resize(tx *icechunk.Tx, path string, grid []uint32, steps int) error {
	info := icechunk.ArrayInfo{Shape: []uint64{uint64(steps)}, NumChunks: []uint32{uint32(steps)}}
	chunk := []uint64{1}
	for _, n := range grid {
		info.Shape, info.NumChunks, chunk = append(info.Shape, 256*uint64(n)), append(info.NumChunks, n), append(chunk, 256)
	}
	return tx.PutArray(path, array(info.Shape, chunk), info)
}

// scene appends one scene to the first cell with up to most chunks of image and of validity.
func (b *bench) scene(tx *icechunk.Tx, most int) error {
	const at = "/r0c0/10m/"
	step := uint32(b.first)
	b.first++
	for k, a := range sliced {
		if err := resize(tx, at+a.name, a.grid, b.first); err != nil {
			return err
		}
		index := make([]uint32, 1+len(a.grid))
		index[0] = step
		if k > 1 {
			if err := tx.SetRef(at+a.name, index, icechunk.Ref{Object: pack(step, 99), Offset: uint64(60_000 * k), Length: 59_168}); err != nil {
				return err
			}
			continue
		}
		for i := range most {
			index[2], index[3] = uint32(i/edge), uint32(i%edge)
			ref := icechunk.Ref{Object: pack(step, byte(i/100)), Offset: uint64(i%100) * 327_680, Length: 300_000 + uint64(i*7919%30_000)}
			if k == 1 {
				ref = icechunk.Ref{Object: pack(step, 90), Offset: uint64(i) * 700, Length: 600 + uint64(i%97)}
			}
			if err := tx.SetRef(at+a.name, index, ref); err != nil {
				return err
			}
		}
	}
	return tx.SetRef(at+"time", []uint32{0}, icechunk.Ref{Inline: binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixMicro()))})
}

func pack(step uint32, part byte) (id icechunk.ID) {
	binary.BigEndian.PutUint32(id[:], step*2_654_435_761)
	binary.BigEndian.PutUint32(id[4:], step*40_503+1)
	id[11] = part
	return id
}

// commits appends scenes and returns how long each took from Begin to the end of Commit.
func (b *bench) commits(ctx context.Context, n int) ([]time.Duration, error) {
	var times []time.Duration
	for i := range n + 1 {
		start := time.Now()
		tx, err := b.repo.Begin(ctx, "main")
		if err != nil {
			return nil, err
		}
		if err := b.scene(tx, edge*edge); err != nil {
			return nil, err
		}
		if _, err := tx.Commit(ctx, "ingest one scene", map[string]any{"slices_added": 1}); err != nil {
			return nil, err
		}
		if i > 0 { // the first reads what a running server has in memory
			times = append(times, time.Since(start))
		}
	}
	return times, nil
}

// cold is what a process pays that just started.
type cold struct {
	References   int     `json:"references"`
	Open         float64 `json:"open_ms"`
	PerReference float64 `json:"bytes_per_reference"`
	// Collect is the most memory above the start that a search for garbage had, garbage of its own included.
	Collect float64 `json:"collect_peak_mib"`
}

// coldOpen opens the repository anew and looks a chunk up; then it loads every manifest.
func (b *bench) coldOpen(ctx context.Context, references int) (cold, error) {
	driver, err := file.New(b.dir)
	if err != nil {
		return cold{}, err
	}
	var times []time.Duration
	for range 5 {
		start := time.Now()
		if _, _, err := look(ctx, driver, b.dir); err != nil {
			return cold{}, err
		}
		times = append(times, time.Since(start))
	}
	before := heap()
	repo, snapshot, err := look(ctx, driver, b.dir)
	if err != nil {
		return cold{}, err
	}
	n := 0
	for step := range uint32(b.first) {
		for _, name := range []string{"image", "valid"} {
			if _, ok, err := snapshot.Ref(ctx, "/r0c0/10m/"+name, []uint32{step, 0, 0, 0}); err != nil || !ok {
				return cold{}, fmt.Errorf("reference of step %d: %v %w", step, ok, err)
			}
			n += edge * edge
		}
	}
	used := heap() - before
	runtime.KeepAlive(repo)
	best := times[0]
	for _, t := range times {
		best = min(best, t)
	}
	peak, err := collectPeak(ctx, driver, b.dir)
	return cold{references, float64(best.Microseconds()) / 1000, float64(used) / float64(n), peak}, err
}

// collectPeak searches for garbage, as `store gc --dry-run` and `store du` do, and watches the heap.
func collectPeak(ctx context.Context, driver store.Driver, dir string) (mib float64, err error) {
	repo, err := icechunk.Open(ctx, store.New(driver, "file://"+dir), icechunk.Config{})
	if err != nil {
		return 0, err
	}
	before, done := heap(), make(chan error)
	go func() {
		_, err := repo.Collect(ctx, icechunk.CollectConfig{DryRun: true})
		done <- err
	}()
	var peak uint64
	for tick := time.NewTicker(time.Millisecond); ; {
		select {
		case err := <-done:
			tick.Stop()
			return (float64(peak) - float64(before)) / (1 << 20), err
		case <-tick.C:
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
}

func look(ctx context.Context, driver store.Driver, dir string) (*icechunk.Repo, *icechunk.Snapshot, error) {
	repo, err := icechunk.Open(ctx, store.New(driver, "file://"+dir), icechunk.Config{})
	if err != nil {
		return nil, nil, err
	}
	tip, err := repo.Resolve(ctx, "main")
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := repo.Snapshot(ctx, tip)
	if err != nil {
		return nil, nil, err
	}
	_, _, err = snapshot.Ref(ctx, "/r0c0/10m/image", []uint32{0, 0, 1, 1})
	return repo, snapshot, err
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
