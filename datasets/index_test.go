package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// someIndex is a samples.idx of n samples; old ones have no digests of blocks.
func someIndex(t *testing.T, n int, old bool) []byte {
	t.Helper()
	var made bytes.Buffer
	require.NoError(t, writeIndex(&made, scattered(rand.New(rand.NewPCG(1, 1)), utm(50), n), &homes{all: []home{{cell: "r0c0/10m", ids: []cube.SliceID{"a", "b"}}}}))
	data := made.Bytes()
	if !old {
		return data
	}
	rows := data[binary.LittleEndian.Uint32(data[8:]):]
	var table indexTable
	require.NoError(t, json.Unmarshal(data[60:60+binary.LittleEndian.Uint32(data[56:])], &table))
	table.Blocks = nil
	text, err := json.Marshal(table)
	require.NoError(t, err)
	begin := (60 + len(text) + 7) / 8 * 8
	out := append(append([]byte(nil), data[:60]...), text...)
	out = append(out, make([]byte, begin-len(out))...)
	binary.LittleEndian.PutUint32(out[8:], uint32(begin))
	binary.LittleEndian.PutUint32(out[56:], uint32(len(text)))
	return append(out, rows...)
}

// readAll reads every row of an index.
func readAll(data []byte) ([]Sample, error) {
	x, err := openIndex(store.Held(data))
	if err != nil {
		return nil, err
	}
	var out []Sample
	for i := range len(x.rows) / indexRow {
		s, err := x.at(i, 3)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func TestADamagedIndexIsRefused(t *testing.T) {
	for _, old := range []bool{false, true} {
		good := someIndex(t, 20, old)
		want, err := readAll(good)
		require.NoError(t, err)
		require.Equal(t, []cube.SliceID{"a", "b", ""}, want[0].Slots)
		rows := len(good) - 20*indexRow
		for i := range good {
			bad := append([]byte(nil), good...)
			bad[i] ^= 0x40
			got, err := readAll(bad)
			if err != nil {
				require.NotEmpty(t, fault.CureOf(err))
				continue
			}
			require.Less(t, i, rows, "byte %d of the rows", i)
			for k := range got { // names in the table may change unseen; dataset verify compares the whole file
				require.Equal(t, want[k].ID, got[k].ID, "byte %d", i)
				require.Equal(t, want[k].Window, got[k].Window, "byte %d", i)
			}
		}
		for _, n := range []int{0, 7, 59, 60, len(good) - 1, len(good) - 40} {
			_, err := readAll(good[:n])
			require.True(t, fault.Is(err, fault.Corrupt), "%d bytes", n)
		}
	}
}

func TestRowsAreCheckedWhenTheyAreWanted(t *testing.T) {
	const n = 3*indexBlock + 17
	data := someIndex(t, n, false)
	at := len(data) - n*indexRow + 2*indexBlock*indexRow // in the third block
	data[at] ^= 1
	x, err := openIndex(store.Held(data))
	require.NoError(t, err, "nobody has looked at the rows")
	for i := range n {
		_, err := x.at(i, 2)
		require.Equal(t, i/indexBlock == 2, fault.Is(err, fault.Corrupt), "row %d: %v", i, err)
	}
	require.True(t, fault.Is(x.check(), fault.Corrupt))

	// Rows that were written wrong, with a digest that is right, are refused as well.
	data = someIndex(t, n, false)
	rows := data[len(data)-n*indexRow:]
	copy(rows[indexBlock*indexRow:], rows[:16])
	digests := len(data) - n*indexRow - 4*sha256.Size
	sum := sha256.Sum256(rows[indexBlock*indexRow : 2*indexBlock*indexRow])
	copy(data[digests+sha256.Size:], sum[:])
	x, err = openIndex(store.Held(data))
	require.NoError(t, err)
	_, err = x.at(indexBlock, 2)
	require.ErrorContains(t, err, "is not in order")
}

// bigIndex writes a real samples.idx of n rows into a folder, its ids ascending.
func bigIndex(t *testing.T, b *store.Bucket, n int) {
	t.Helper()
	rows := make([]byte, n*indexRow)
	for i := range n {
		r := rows[i*indexRow:]
		binary.BigEndian.PutUint64(r, uint64(i)<<20)
		binary.LittleEndian.PutUint32(r[16:], uint32(i%1000*16))
		binary.LittleEndian.PutUint32(r[20:], uint32(i/1000*16))
		binary.LittleEndian.PutUint32(r[24:], 16)
		binary.LittleEndian.PutUint32(r[28:], 16)
	}
	whole, digests := sha256.Sum256(rows), []byte(nil)
	for block := range slices.Chunk(rows, indexBlock*indexRow) {
		sum := sha256.Sum256(block)
		digests = append(digests, sum[:]...)
	}
	head, err := indexHead(indexTable{Splits: []indexSplit{{"train", 0, n}}, Cells: []string{"r0c0/10m"}, Slots: [][]cube.SliceID{{"a"}}}, n, whole[:], digests)
	require.NoError(t, err)
	_, err = b.Write(t.Context(), fmt.Sprint(n), append(head, rows...), store.Condition{})
	require.NoError(t, err)
}

// TestOpeningTakesTheSameForAnyNumberOfSamples measures what is allocated, not time: a real file of a million rows
// against one of ten thousand.
func TestOpeningTakesTheSameForAnyNumberOfSamples(t *testing.T) {
	dir := t.TempDir()
	d, err := file.New(dir)
	require.NoError(t, err)
	b := store.New(d, "file://"+dir)
	allocated := func(n int) uint64 {
		bigIndex(t, b, n)
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		content, _, err := b.Map(t.Context(), fmt.Sprint(n))
		require.NoError(t, err)
		x, err := openIndex(content)
		require.NoError(t, err)
		for i := 0; i < n; i += n / 100 { // all over the file
			s, err := x.at(i, 1)
			require.NoError(t, err)
			require.Equal(t, i%1000*16, s.Window.Row)
		}
		runtime.ReadMemStats(&after)
		require.Zero(t, content.HeapBytes())
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := allocated(10_000), allocated(1_000_000)
	require.Less(t, small, uint64(128<<10))
	require.Less(t, large, small+16<<10)
}

func TestAnIndexThatIsCutOffWhileItIsOpenIsAnError(t *testing.T) {
	dir := t.TempDir()
	d, err := file.New(dir)
	require.NoError(t, err)
	b := store.New(d, "file://"+dir)
	bigIndex(t, b, 100_000)
	content, _, err := b.Map(t.Context(), "100000")
	require.NoError(t, err)
	x, err := openIndex(content)
	require.NoError(t, err)
	_, err = x.at(99_000, 1)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(dir, "100000"), 100_000))
	for _, i := range []int{99_000, 50_000} {
		_, err = x.at(i, 1)
		require.True(t, fault.Is(err, fault.Corrupt), err)
	}
	require.True(t, fault.Is(x.check(), fault.Corrupt))
	_, err = x.at(0, 1)
	require.NoError(t, err)
}

func FuzzOpenIndex(f *testing.F) {
	row := make([]byte, indexRow)
	row[24], row[28] = 1, 1
	sum := sha256.Sum256(row)
	head, err := indexHead(indexTable{Splits: []indexSplit{{"train", 0, 1}}, Cells: []string{"c"}, Slots: [][]cube.SliceID{{}}}, 1, sum[:], sum[:])
	require.NoError(f, err)
	f.Add(append(head, row...))
	f.Add([]byte(indexMagic))
	f.Add(bytes.Repeat([]byte{0}, indexHeader))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = readAll(data) })
}
