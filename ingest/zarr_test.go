package ingest

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/export"
)

func zarrCube(t *testing.T, nodata *float64) *layout.Cube {
	t.Helper()
	made, err := layout.Create(t.Context(), layouttest.Bucket(), layouttest.Spec(cube.Uint16, nodata))
	require.NoError(t, err)
	return made
}

func ingestZarr(t *testing.T, c *layout.Cube, req Request) Report {
	t.Helper()
	report, err := Run(t.Context(), Config{Cube: c}, req)
	require.NoError(t, err)
	return report
}

// TestAnExportComesBackAsItWas compares content digests, which cover every pixel, all validity and the contract.
func TestAnExportComesBackAsItWas(t *testing.T) {
	for name, c := range map[string]struct {
		nodata *float64
		shard  int
	}{"with nodata": {layouttest.Value(65535), 0}, "without": {nil, 0}, "sharded": {nil, 32}} {
		t.Run(name, func(t *testing.T) {
			nodata, shard := c.nodata, c.shard
			from := zarrCube(t, nodata)
			var scenes []layouttest.Scene
			for i, day := range []int{3, 8, 8, 13} {
				sc := layouttest.Random(from.Spec(), uint64(i+1), "s"+string(rune('a'+i)), layouttest.Date(6, day, i))
				sc.Meta.Contract = cube.Contract{Scale: 0.0001, Offset: -0.1, Baseline: "05.09"}
				scenes = append(scenes, sc)
			}
			scenes[1].Meta.Available, scenes[1].Meta.AvailableFrom = scenes[1].Meta.Time.Add(3*time.Hour), "published"
			layouttest.Commit(t, from, scenes...)
			out := filepath.Join(t.TempDir(), "back.zarr")
			_, err := export.Run(t.Context(), export.Config{Cube: from, Reader: read.New(read.Config{})}, export.Request{Out: out, Format: export.Zarr, Shard: shard})
			require.NoError(t, err)

			to := zarrCube(t, nodata)
			report := ingestZarr(t, to, Request{Sources: []string{out}})
			require.Empty(t, report.Rejected)
			require.Len(t, report.Accepted, 4)
			require.Equal(t, out+"#2021-06-03T12:00:00Z", report.Accepted[0].Source)
			before, after := slicesOf(t, from), slicesOf(t, to)
			require.Len(t, after, len(before))
			for i, s := range after {
				require.Equal(t, before[i].Content, s.Content)
				require.Equal(t, before[i].Time, s.Time)
				require.Equal(t, before[i].Contract, s.Contract)
				require.Equal(t, before[i].Available, s.Available)
				require.Equal(t, before[i].AvailableFrom, s.AvailableFrom)
				require.True(t, strings.HasPrefix(s.Source, "back_202106"), s.Source)
			}
			require.Len(t, ingestZarr(t, to, Request{Sources: []string{out}}).Skipped, 4, "the same again")
		})
	}
}

// TestFlagsComeBack: those of an export by their names, whatever bits they have in the other cube; a group without a
// flag of the cube is refused, unless scenes are to be without.
func TestFlagsComeBack(t *testing.T) {
	flagged := func(flags ...layout.Flag) *layout.Cube {
		spec := layouttest.Spec(cube.Uint16, nil)
		spec.Flags = flags
		made, err := layout.Create(t.Context(), layouttest.Bucket(), spec)
		require.NoError(t, err)
		return made
	}
	from := flagged(layout.Flag{Name: "cloud", Mask: 1}, layout.Flag{Name: "shadow", Mask: 256})
	whole := from.Spec().Grid.All()
	scenes := []layouttest.Scene{
		layouttest.RandomIn(from.Spec(), 1, "a", layouttest.Date(6, 3, 0), whole), layouttest.RandomIn(from.Spec(), 2, "b", layouttest.Date(6, 8, 0), whole),
	}
	layouttest.Commit(t, from, scenes...)
	out := filepath.Join(t.TempDir(), "back.zarr")
	_, err := export.Run(t.Context(), export.Config{Cube: from, Reader: read.New(read.Config{})}, export.Request{Out: out, Format: export.Zarr})
	require.NoError(t, err)

	same := flagged(from.Spec().Flags...)
	require.Empty(t, ingestZarr(t, same, Request{Sources: []string{out}}).Rejected)
	for i, s := range slicesOf(t, same) {
		require.Equal(t, slicesOf(t, from)[i].Content, s.Content)
	}
	other := flagged(layout.Flag{Name: "shadow", Mask: 2})
	require.Empty(t, ingestZarr(t, other, Request{Sources: []string{out}}).Rejected)
	view, err := other.At(t.Context(), "")
	require.NoError(t, err)
	got := make([]byte, 2*whole.Height*whole.Width)
	require.NoError(t, read.New(read.Config{}).ReadFlags(t.Context(), view, read.Request{Cell: view.Cells()[0].Path, Slices: []cube.SliceID{view.Slices()[1].ID}, Window: whole}, got))
	for i := 0; i < len(got); i += 2 {
		require.Equal(t, []byte{2 * scenes[1].Flags[i+1], 0}, got[i:i+2])
	}
	snow := flagged(layout.Flag{Name: "snow", Mask: 1})
	refused := ingestZarr(t, snow, Request{Sources: []string{out}}).Rejected
	require.Len(t, refused, 2)
	require.Contains(t, refused[0].Reason, "no snow")
	require.Len(t, ingestZarr(t, snow, Request{Sources: []string{out}, FlagsFrom: []string{"none"}}).Accepted, 2)
}

func slicesOf(t *testing.T, c *layout.Cube) []cube.Slice {
	t.Helper()
	v, err := c.At(t.Context(), "")
	require.NoError(t, err)
	return v.Slices()
}

// foreign writes groups as people write them with xarray and zarr-python, each with the same pixels, and each of
// those in bad with a fault.
const foreign = `
import sys, warnings
import numpy as np, xarray, rioxarray, zarr
warnings.simplefilter("ignore")
out = sys.argv[1]
image = (np.arange(2 * 3 * 20 * 16).reshape(2, 3, 20, 16) % 60000).astype("uint16")
image[0, 0, :4, :4] = 7
x, y = 500105 + 10 * np.arange(16), 5599895 - 10.0 * np.arange(20)
times = np.array(["2021-06-03T10:20:30.5", "2021-06-08T10:20:31"], "datetime64[ns]")
base = xarray.Dataset({"image": (("time", "band", "y", "x"), image)}, {"time": times, "band": ["B02", "B03", "B08"], "y": y, "x": x})
base["image"].attrs["_FillValue"] = 7
base = base.rio.write_crs("EPSG:32631")
def save(name, ds, **encoding):
    ds.to_zarr(f"{out}/{name}.zarr", zarr_format=3, consolidated=False, encoding=encoding)
image_chunks = {"chunks": (1, 3, 7, 16)}
save("stacked", base, image=image_chunks)
save("zstd", base, image={"chunks": (2, 1, 8, 8), "compressors": zarr.codecs.ZstdCodec(level=1)})
save("sharded", base, image={"chunks": (1, 3, 4, 4), "shards": (1, 3, 8, 16)})
save("gzip", base, image={"chunks": (1, 3, 20, 16), "compressors": zarr.codecs.GzipCodec(level=1)})
save("blosc", base, image={"chunks": (1, 2, 9, 9), "compressors": zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle")})
save("hours", base, time={"units": "hours since 2021-06-01 00:00:00", "dtype": "float64"})
save("seconds", base.assign_coords(time=times.astype("datetime64[s]")), time={"units": "seconds since 2021-06-01"})
save("transform", base.rio.write_transform().drop_vars(["x", "y"]))
bands = xarray.Dataset({b: base["image"].sel(band=b).drop_vars("band") for b in ("B08", "B02", "B03")}).rio.write_crs("EPSG:32631")
save("perband", bands)
save("named_differently", base.rename(time="t", band="channel", image="reflectance"))
save("numbered", base.assign_coords(band=[1, 2, 3]))
save("one_step", base.isel(time=0, drop=False))
save("step_by_name_20210603T102030", base.isel(time=0).drop_vars("time"))
strings = base.copy(); strings["band"] = np.array(["B02", "B03", "B08"], dtype=np.dtypes.StringDType()); save("strings", strings)

def bad(name, ds, **encoding): save("bad_" + name, ds, **encoding)
bad("crs", base.drop_vars("spatial_ref"))
bad("dtype", base.astype("float32"))
bad("band", base.isel(band=[0, 1]))
bad("order", base.transpose("band", "time", "y", "x"))
bad("flipped", base.sortby("y"))
bad("uneven", base.assign_coords(x=np.where(np.arange(16) > 8, x + 3, x)))
bad("off", base.assign_coords(x=x + 4))
bad("elsewhere", base.assign_coords(x=x + 100000))
bad("coarse", base.assign_coords(x=500105 + 20 * np.arange(16)))
bad("untimed", base.drop_vars("time"))
bad("nowhere", base.drop_vars(["x", "y"]))
bad("empty", base.isel(time=[]))
bad("scaled", xarray.Dataset({b: bands[b].assign_attrs(scale_factor=s) for b, s in (("B02", 1.0), ("B03", 0.5), ("B08", 1.0))}).rio.write_crs("EPSG:32631"))
bad("calendar", base, time={"units": "days since 2021-01-01", "dtype": "float64"})
g = zarr.open_group(f"{out}/bad_calendar.zarr", mode="r+"); g["time"].attrs["calendar"] = "360_day"
bad("contradiction", base.rio.write_transform())
g = zarr.open_group(f"{out}/bad_contradiction.zarr", mode="r+"); g["spatial_ref"].attrs["GeoTransform"] = "500000 10 0 5600000 0 -10"
bad("codec", base, image={"filters": zarr.codecs.numcodecs.Delta(dtype="<u2")} if hasattr(zarr.codecs, "numcodecs") else {})
bad("damaged", base, image=image_chunks)
open(f"{out}/bad_damaged.zarr/image/c/1/0/2/0", "wb").write(b"no chunk")
base.to_zarr(f"{out}/bad_v2.zarr", zarr_format=2)
zarr.open_group(f"{out}/bad_groups.zarr", mode="w").create_group("inner")
bad("json", base)
open(f"{out}/bad_json.zarr/zarr.json", "w").write("{")
`

func TestGroupsOfOtherPeopleAreRead(t *testing.T) {
	dir := t.TempDir()
	cubetest.Python(t, foreign, dir)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	good, bad := 0, 0
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".zarr")
		t.Run(name, func(t *testing.T) {
			c := zarrCube(t, layouttest.Value(65535))
			req := Request{Sources: []string{filepath.Join(dir, e.Name())}, Strict: true}
			switch name {
			case "numbered":
				report := ingestZarr(t, c, req)
				require.Contains(t, report.Rejected[0].Cure, "--bands", "numbers are no names")
				return
			case "step_by_name_20210603T102030":
				req.DatetimePattern = "%Y%m%dT%H%M%S"
			}
			report := ingestZarr(t, c, req)
			if strings.HasPrefix(name, "bad_") {
				bad++
				require.NotEmpty(t, report.Rejected)
				require.Empty(t, report.Accepted)
				require.NotEmpty(t, report.Rejected[0].Cure, report.Rejected[0].Reason)
				require.Empty(t, slicesOf(t, c), "what is bad changes nothing")
				return
			}
			good++
			require.Empty(t, report.Rejected)
			checkForeign(t, c, name)
		})
	}
	require.GreaterOrEqual(t, good, 12)
	require.GreaterOrEqual(t, bad, 18)
}

// checkForeign compares what is in the cube with what the script wrote.
func checkForeign(t *testing.T, c *layout.Cube, name string) {
	t.Helper()
	view, err := c.At(t.Context(), "")
	require.NoError(t, err)
	steps := view.Slices()
	if !strings.Contains(name, "step") {
		require.Len(t, steps, 2)
		require.Equal(t, "2021-06-08T10:20:31Z", stamp(steps[1].Time))
	}
	if name == "stacked" || name == "hours" {
		require.Equal(t, "2021-06-03T10:20:30.5Z", stamp(steps[0].Time))
	}
	window := cube.Window{Row: 10, Col: 10, Height: 20, Width: 16}
	require.Equal(t, window, steps[0].Footprint)
	reader := read.New(read.Config{})
	for at, s := range steps {
		for band := range 3 {
			image, valid := make([]byte, 2*20*16), make([]byte, 20*16)
			require.NoError(t, reader.Read(t.Context(), view, read.Request{Cell: view.Cells()[0].Path, Slices: []cube.SliceID{s.ID}, Window: window, Bands: []int{band}}, image, valid))
			for i := range valid {
				want := uint16(((at*3+band)*20*16 + i) % 60000)
				if at == 0 && band == 0 && i/16 < 4 && i%16 < 4 {
					want = 7
				}
				require.Equal(t, want, binary.LittleEndian.Uint16(image[2*i:]))
				require.Equal(t, want != 7, valid[i] == 1, "band %d, pixel %d", band, i)
			}
		}
	}
}

func TestTimesByCF(t *testing.T) {
	for _, c := range []struct{ units, calendar, epoch string }{
		{"days since 1970-01-01", "", "1970-01-01T00:00:00Z"},
		{"Hours since 2000-1-2 3:04:05.5", "standard", "2000-01-02T03:04:05.5Z"},
		{"microseconds since 1970-01-01 00:00:00", "proleptic_gregorian", "1970-01-01T00:00:00Z"},
		{"seconds since 2015-06-27T10:00:00Z", "gregorian", "2015-06-27T10:00:00Z"},
		{"minutes since 1900-01-01 12:30", "", "1900-01-01T12:30:00Z"},
	} {
		epoch, _, err := parseUnits(c.units, c.calendar)
		require.NoError(t, err, c.units)
		require.Equal(t, c.epoch, stamp(epoch))
	}
	for _, c := range [][2]string{{"months since 2000-01-01", ""}, {"days", ""}, {"days since yesterday", ""}, {"days since 2000-13-01", ""}, {"days since 2000-01-01", "noleap"}, {"hours since 2000-01-01 10:00 +02:00", ""}} {
		_, _, err := parseUnits(c[0], c[1])
		require.Error(t, err, "%v", c)
	}
	number := func(d cube.DType, v float64) []byte {
		b := make([]byte, 8)
		d.Put(b, v)
		return b[:d.Size()]
	}
	epoch := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value []byte
		dtype cube.DType
		step  time.Duration
		want  string
	}{
		{number(cube.Float64, 18781.5), cube.Float64, 24 * time.Hour, "2021-06-03T12:00:00Z"},
		{number(cube.Int32, -1), cube.Int32, time.Second, "1969-12-31T23:59:59Z"},
		{binary.LittleEndian.AppendUint64(nil, 1622722830500000123), cube.Int64, time.Nanosecond, "2021-06-03T12:20:30.5Z"},
		{number(cube.Float64, 1622722830.5), cube.Float64, time.Second, "2021-06-03T12:20:30.5Z"},
	} {
		got, ok := moment(epoch, c.step, c.value, c.dtype)
		require.True(t, ok)
		require.Equal(t, c.want, stamp(got))
	}
	for _, v := range []float64{1e300, -1e300} {
		_, ok := moment(epoch, time.Second, number(cube.Float64, v), cube.Float64)
		require.False(t, ok)
	}
	_, ok := moment(epoch, 24*time.Hour, binary.LittleEndian.AppendUint64(nil, 1<<63), cube.Int64)
	require.False(t, ok, "not a time")
}
