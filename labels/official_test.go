package labels_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/gdal"
	"github.com/terrapin-eo/terrapin/labels"
	"github.com/terrapin-eo/terrapin/store"
)

// Real polygons must burn as rasterio burns them once it has brought them to the same CRS itself.
func TestRealPolygonsEqualGDAL(t *testing.T) {
	for _, c := range []struct{ name, raster, polygons, property string }{
		{"elkton", "labels/l8-elkton-rasterframes/L8-B4-Elkton-VA.tiff", "labels/l8-elkton-rasterframes/L8-Labels-Elkton-VA.geojson", "id"},
		{"elkton, geographic", "labels/l8-elkton-rasterframes/L8-B4-Elkton-VA-4326.tiff", "labels/l8-elkton-rasterframes/L8-Labels-Elkton-VA.geojson", "id"},
		{"atlanta", "labels/spacenet-atlanta-solaris/sample_geotiff.tif", "labels/spacenet-atlanta-solaris/geotiff_labels.geojson", "value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raster, polygons := cubetest.Real(t, c.raster), cubetest.Real(t, c.polygons)
			dir := t.TempDir()
			lonLat, want := filepath.Join(dir, "labels.geojson"), filepath.Join(dir, "want.bin")
			rasterio(t, `
from rasterio.features import rasterize
from rasterio.warp import transform_geom
doc=json.load(open(sys.argv[2])); crs=doc.pop("crs")["properties"]["name"].replace("urn:ogc:def:crs:","").replace("::",":").replace("OGC:1.3:","OGC:")
for i,f in enumerate(doc["features"]):
    f["geometry"]=transform_geom(crs,"OGC:CRS84",f["geometry"],precision=-1)
    f["properties"]={"value":i%200+1,"id":f["properties"].get("id",0)}; f["id"]=i
json.dump(doc,open(sys.argv[3],"w"))
shapes=[(transform_geom("OGC:CRS84",s.crs,f["geometry"],precision=-1),f["properties"][sys.argv[5]]) for f in doc["features"]]
rasterize(shapes,out_shape=s.shape,transform=s.transform,fill=255,dtype="uint8").tofile(sys.argv[4])`, raster, polygons, lonLat, want, c.property)
			r, err := gdal.Open(raster)
			require.NoError(t, err)
			defer r.Close()
			g, err := r.Grid()
			require.NoError(t, err)
			cfg := newConfig(t, "scenes", g)
			report := imported(t, cfg, labels.ImportRequest{Files: []string{lonLat}, ClassProperty: c.property})
			for _, bad := range report.Rejected {
				require.Contains(t, bad.Reason, "wholly outside")
			}
			require.NotZero(t, report.Accepted)
			expected, err := os.ReadFile(want)
			require.NoError(t, err)
			rev, err := labels.Open(context.Background(), cfg.Root, "crops", "")
			require.NoError(t, err)
			got := make([]byte, g.Width*g.Height)
			require.NoError(t, rev.Read(context.Background(), g.All(), got))
			require.True(t, bytes.Equal(expected, got), "the rasters differ")
			require.NotEqual(t, len(got), bytes.Count(got, []byte{255}), "something was burned")
		})
	}
}

// A revision must be readable without us: the raster by zarr, the features as GeoJSON, the documents
// by the published STAC schemas.
func TestRevisionIsOpen(t *testing.T) {
	cfg := newConfig(t, "s2", flanders)
	fields := writeFile(t, "fields.geojson", collection(feat("a", polygon(box(t, 10, 10, 4, 4)), object{"class": 5, "by": "Ada"})))
	imported(t, cfg, labels.ImportRequest{Files: []string{sampleMask, fields}, Tool: "QGIS 3.22"})
	dir := t.TempDir()
	commit, _, err := cfg.Root.Read(context.Background(), "labels/crops/r1/commit.json", store.Range{})
	require.NoError(t, err)
	var rec struct {
		Kind, Data string
		STAC       struct{ Collections, Items []json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(commit, &rec))
	require.Equal(t, "labels", rec.Kind)
	for info, err := range cfg.Root.List(context.Background(), rec.Data+"/") {
		require.NoError(t, err)
		data, _, err := cfg.Root.Read(context.Background(), info.Key, store.Range{})
		require.NoError(t, err)
		path := filepath.Join(dir, strings.TrimPrefix(info.Key, rec.Data))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}

	rasterio(t, `
import zarr
a=zarr.open_array(sys.argv[2]+"/raster",mode="r")
want=s.read(1); want[10:14,10:14]=5
assert (a[:]==want).all() and a.metadata.dimension_names==("y","x") and a.attrs["proj:code"]=="EPSG:32631", a
doc=json.load(open(sys.argv[2]+"/features.geojson"))
p=[f["properties"] for f in doc["features"]]
assert [x["source"] for x in p]==["labels_cropland.tif","fields.geojson"], p
assert p[1]["feature"]=="a" and p[1]["class"]==5 and p[1]["attributes"]["by"]=="Ada" and p[1]["tool"]=="QGIS 3.22" and p[1]["actor"]=="tester" and len(p[1]["sha256"])==64, p[1]
`, sampleMask, dir)
	require.Empty(t, validate(t, append(rec.STAC.Collections, rec.STAC.Items...)...))
}

// validate runs the published schemas over documents and returns what they object to.
func validate(t *testing.T, docs ...json.RawMessage) string {
	t.Helper()
	in, err := json.Marshal(docs)
	require.NoError(t, err)
	const folder = "../catalog/stac/testdata/"
	cmd := exec.Command(os.Getenv("TERRAPIN_PYTHON"), folder+"validate.py", folder+"schemas")
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if cmd.Run() != nil && out.Len() == 0 {
		t.Fatalf("validate.py: %s", errs.String())
	}
	return out.String()
}

// The digest is a promise: it may not move with a release, an actor or the hour.
func TestDigestHolds(t *testing.T) {
	cfg := newConfig(t, "s2", flanders)
	ring := [][2]float64{{5.32, 50.631}, {5.325, 50.631}, {5.325, 50.635}, {5.32, 50.631}}
	path := writeFile(t, "f.geojson", collection(feat("a", polygon(ring), object{"class": "wheat"})))
	r := imported(t, cfg, labels.ImportRequest{Files: []string{path}})
	require.Empty(t, r.Rejected)
	require.Equal(t, "sha256:1a7935ee713fb69f8026d763af6fec30fc72685188692da697b5642f5de5ffa5", r.Digest)
	rev, err := labels.Open(context.Background(), cfg.Root, "crops", "")
	require.NoError(t, err)
	digests, err := rev.ChunkDigests(context.Background(), cube.Window{Height: 100, Width: 100})
	require.NoError(t, err)
	require.Len(t, digests, 1)
}
