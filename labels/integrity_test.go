package labels_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
	"github.com/terrapin-eo/terrapin/store"
)

// Every object of a revision is named with its checksum, chunks without a label too, and what is lost
// or changed is said: by a check, and by whoever reads it.
func TestALostObjectIsNoticed(t *testing.T) {
	ctx := context.Background()
	g := flanders
	g.Width, g.Height = 300, 300
	cfg := newConfig(t, "s2", g)
	imported(t, cfg, labels.ImportRequest{Files: []string{sampleMask}})
	commit, _, err := cfg.Root.Read(ctx, "labels/crops/r1/commit.json", store.Range{})
	require.NoError(t, err)
	var rec struct {
		Data  string
		Files map[string]string
	}
	require.NoError(t, json.Unmarshal(commit, &rec))
	there := map[string]bool{}
	for info, err := range cfg.Root.List(ctx, rec.Data+"/") {
		require.NoError(t, err)
		key := strings.TrimPrefix(info.Key, "labels/crops/r1/")
		there[key] = true
		require.Len(t, rec.Files[key], 64, key)
	}
	require.Len(t, rec.Files, len(there))
	require.Len(t, there, 1+(1+4)+(1+1), "features, the raster's four chunks, the mask's one")

	check := func(object, problem string) {
		t.Helper()
		report, err := truth.Fsck(ctx, cfg.Root, nil, truth.Options{})
		require.NoError(t, err)
		if object == "" {
			require.True(t, report.OK, "%+v", report.Problems)
			return
		}
		require.Len(t, report.Problems, 1)
		require.Equal(t, object, report.Problems[0].Object)
		require.Contains(t, report.Problems[0].Reason, problem)
	}
	read := func() error {
		r, err := labels.Open(ctx, cfg.Root, "crops", "")
		if err != nil {
			return err
		}
		return r.Read(ctx, g.All(), make([]byte, g.Width*g.Height))
	}
	again := func() error {
		path := writeFile(t, "f.geojson", collection(feat(1, polygon(box(t, 9, 9, 2, 2)), object{"class": 9})))
		_, err := labels.Import(ctx, cfg, labels.ImportRequest{Set: "crops", Files: []string{path}, DryRun: true})
		return err
	}
	check("", "")
	require.NoError(t, read())
	require.NoError(t, again())
	for name, notice := range map[string]func() error{
		"raster/c/0/0": read, "raster/c/1/1": read, "raster/zarr.json": read,
		"masks/0/c/0/0": again, "masks/0/zarr.json": again, "features.geojson": again,
	} {
		key := rec.Data + "/" + name
		old, _, err := cfg.Root.Read(ctx, key, store.Range{})
		require.NoError(t, err)
		require.NoError(t, cfg.Root.Delete(ctx, key))
		err = notice()
		require.True(t, fault.Is(err, fault.Corrupt), "%s: %v", name, err)
		require.ErrorContains(t, err, name+" is missing")
		require.NotEmpty(t, fault.CureOf(err))
		check(key, "")
		_, err = cfg.Root.Write(ctx, key, append([]byte(" "), old...), store.Condition{})
		require.NoError(t, err)
		check(key, "its SHA-256 is")
		_, err = cfg.Root.Write(ctx, key, old, store.Condition{})
		require.NoError(t, err)
	}
	check("", "")
	require.NoError(t, read())
}

// A raster much larger than the cube is read a strip at a time, with its mask and to its last block.
func TestALargeMaskIsReadInStrips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.tif")
	rasterio(t, `
p=dict(driver="GTiff",width=20000,height=20000,count=1,dtype="uint8",nodata=255,crs=s.crs,tiled=True,blockxsize=512,blockysize=512,
    sparse_ok=True,compress="deflate",transform=s.transform*Affine.translation(-15000,-16350))
from rasterio.windows import Window
with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(sys.argv[2],"w",**p) as d:
    a=np.arange(100,dtype="uint8")[:,None].repeat(100,1)
    d.write(a,1,window=Window(15000,16350,100,100))
    m=np.full((100,100),255,dtype="uint8"); m[:,50:]=0
    d.write_mask(m,window=Window(15000,16350,100,100))`, sampleMask, path)
	cfg := newConfig(t, "s2", flanders)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := imported(t, cfg, labels.ImportRequest{Files: []string{path}})
	runtime.ReadMemStats(&after)
	require.Empty(t, r.Rejected)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(96<<20), "not the 400 million pixels")
	for i, got := range pixels(t, cfg, "", cube.Window{Height: 100, Width: 100}) {
		want := i / 100
		if i%100 >= 50 {
			want = 255
		}
		require.Equal(t, want, got, "pixel %d", i)
	}
}

func TestAHugeGeoJSONIsRefused(t *testing.T) {
	path := writeFile(t, "huge.geojson", "{")
	require.NoError(t, os.Truncate(path, 1<<30+1))
	cfg := newConfig(t, "s2", flanders)
	r := imported(t, cfg, labels.ImportRequest{Files: []string{path}})
	require.Len(t, r.Rejected, 1)
	require.Contains(t, r.Rejected[0].Reason, "at most 1024 MiB of GeoJSON")
	require.Contains(t, r.Rejected[0].Cure, "ogr2ogr")
}
