package zarr

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// officialReaders opens a view with zarr-python, xarray and GDAL over HTTP, as strangers would, and compares
// what they see with the pixels that went in. zarr's own HTTP store needs aiohttp; where that is not
// installed, a store of a few lines over urllib stands in for it.
const officialReaders = `
import asyncio, base64, sys, urllib.error, urllib.request, warnings
import numpy as np, rasterio, xarray, zarr
from zarr.abc.store import Store
warnings.simplefilter("ignore")
url, image, valid = sys.argv[1], *(base64.b64decode(a) for a in sys.argv[2:4])
image = np.frombuffer(image, "<u2").reshape(3, 3, 41, 37)
valid = np.frombuffer(valid, "u1").reshape(3, 3, 41, 37)

class Plain(Store):
    supports_writes = supports_deletes = supports_listing = False
    def __init__(self, root): super().__init__(read_only=True); self.root = root
    def __eq__(self, other): return isinstance(other, Plain) and other.root == self.root
    def fetch(self, key, header):
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{self.root}/{key}", headers=header)) as r: return r.read()
        except urllib.error.HTTPError as e:
            if e.code != 404: raise
            return None
    async def get(self, key, prototype, byte_range=None):
        header = {}
        match type(byte_range).__name__:
            case "RangeByteRequest": header = {"Range": f"bytes={byte_range.start}-{byte_range.end - 1}"}
            case "OffsetByteRequest": header = {"Range": f"bytes={byte_range.offset}-"}
            case "SuffixByteRequest": header = {"Range": f"bytes=-{byte_range.suffix}"}
        data = await asyncio.to_thread(self.fetch, key, header)
        return None if data is None else prototype.buffer.from_bytes(data)
    async def get_partial_values(self, prototype, key_ranges): return [await self.get(k, prototype, r) for k, r in key_ranges]
    async def exists(self, key): return await self.get(key, zarr.core.buffer.default_buffer_prototype()) is not None
    async def set(self, *_): raise NotImplementedError
    async def delete(self, *_): raise NotImplementedError
    async def list(self): raise NotImplementedError; yield
    async def list_prefix(self, prefix): raise NotImplementedError; yield
    async def list_dir(self, prefix): raise NotImplementedError; yield

try:
    import aiohttp
    stores = [lambda path="": url + path, lambda path="": Plain(url + path)]
except ImportError:
    stores = [lambda path="": Plain(url + path)]
for store in stores:
    root = zarr.open_group(store(), mode="r", zarr_format=3)
    assert root.metadata.consolidated_metadata is not None
    assert "r0c0/10m/image" in dict(root.members(max_depth=None)), list(root.members(max_depth=None))
    assert np.array_equal(root["r0c0/10m/image"][:], image)
    assert np.array_equal(root["r0c0/10m"]["valid"][:], valid)
    assert np.array_equal(zarr.open_array(store("/r0c0/10m/image"), mode="r")[1, 2], image[1, 2])
    for opened in (xarray.open_zarr(store("/r0c0/10m"), consolidated=True, mask_and_scale=False, chunks=None),
                   xarray.open_zarr(store(), group="r0c0/10m", consolidated=True, mask_and_scale=False, chunks=None)):
        assert opened["image"].dims == ("time", "band", "y", "x")
        assert np.array_equal(opened["image"].values, image) and np.array_equal(opened["valid"].values, valid)
        assert list(opened["band"].values) == ["B02", "B03", "B08"]
        assert (opened["x"].values[0], opened["y"].values[0]) == (500005, 5599995)
        assert str(opened["time"].values[1])[:19] == "2021-06-08T12:00:00"
        assert "EPSG\",\"32631" in opened["spatial_ref"].attrs["crs_wkt"]
with rasterio.open(f'ZARR:"/vsicurl/{url}"') as listed:
    assert any(s.endswith("/r0c0/10m/image") for s in listed.subdatasets), listed.subdatasets
for name in (f'ZARR:"/vsicurl/{url}":/r0c0/10m/image', f'ZARR:"/vsicurl/{url}/r0c0/10m":/image'):
    for t in range(3):
        for b in range(3):
            with rasterio.open(f"{name}:{t}:{b}") as raster:
                assert raster.crs.to_epsg() == 32631 and raster.nodata == 65535
                assert tuple(raster.transform)[:6] == (10, 0, 500000, 0, -10, 5600000), raster.transform
                assert np.array_equal(raster.read(1), image[t, b])
print("ok", len(stores))
`

func TestOfficialReadersOverHTTP(t *testing.T) {
	f := start(t)
	snapshot := f.view(t).Snapshot()
	require.NoError(t, f.cube.Tag(t.Context(), "datasets/crops/v1", snapshot))
	var image, valid []byte
	for _, sc := range f.scenes {
		image, valid = append(image, sc.Image...), append(valid, sc.Valid...)
	}
	for _, ref := range []string{"main", "datasets%2Fcrops%2Fv1", "@" + snapshot} {
		t.Run(ref, func(t *testing.T) {
			said := cubetest.Python(t, officialReaders, f.url+"/s2/"+ref, base64.StdEncoding.EncodeToString(image), base64.StdEncoding.EncodeToString(valid))
			require.Contains(t, said, "ok")
		})
	}
}

func TestGDALDoesNotTakeDamageForFill(t *testing.T) {
	f := start(t)
	for info, err := range f.bucket.List(t.Context(), "chunks/") {
		require.NoError(t, err)
		require.NoError(t, f.bucket.Delete(t.Context(), info.Key))
	}
	cubetest.Python(t, `
import sys, rasterio
with rasterio.open(f'ZARR:"/vsicurl/{sys.argv[1]}/s2/main/r0c0/10m":/image:0:0') as raster:
    try:
        raster.read(1)
    except rasterio.errors.RasterioIOError:
        sys.exit(0)
sys.exit("read without an error")`, f.url)
}
