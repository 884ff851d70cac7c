package gdal

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/fault"
)

const sample = "../demo/data/s2_20201101.tif"

func python(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	exe := os.Getenv("TERRAPIN_PYTHON")
	if exe == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official rasterio")
	}
	cmd := exec.Command(exe, append([]string{"-c", program}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	return out
}

func TestOpenDescribes(t *testing.T) {
	r, err := Open(sample)
	require.NoError(t, err)
	defer r.Close()
	g, err := r.Grid()
	require.NoError(t, err)
	require.Equal(t, cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 664000, 0, -10, 5612120}, Width: 100, Height: 100}, g)
	require.Len(t, r.Bands, 9)
	require.Equal(t, "B02", r.Bands[0].Name)
	require.Equal(t, cube.Uint16, r.Bands[0].DType)
	require.Equal(t, 65535.0, *r.Bands[0].Nodata)
	require.Equal(t, 1.0, r.Bands[0].Scale)
	require.Contains(t, r.WKT(), "UTM zone 31N")
}

// Every pixel that Read gives is the one rasterio gives, whatever the window and the order of bands.
func TestReadEqualsRasterio(t *testing.T) {
	r, err := Open(sample)
	require.NoError(t, err)
	defer r.Close()
	w := cube.Window{Row: 3, Col: 7, Height: 50, Width: 41}
	buf := make([]byte, 1+w.Height*w.Width*3*2)
	for _, shift := range []int{0, 1} { // an odd address needs a detour
		got := buf[shift : shift+w.Height*w.Width*3*2]
		require.NoError(t, r.Read(w, []int{8, 0, 3}, cube.Uint16, got))
		want := python(t, `
import sys, rasterio
from rasterio.windows import Window
with rasterio.open(sys.argv[1]) as ds:
    sys.stdout.buffer.write(ds.read([9, 1, 4], window=Window(7, 3, 41, 50)).tobytes())`, sample)
		require.Equal(t, want, got)
	}
	err = r.Read(w, []int{0}, cube.Int16, buf[:w.Height*w.Width*2])
	require.True(t, fault.Is(err, fault.Invalid), "values are never converted: %v", err)
}

func TestRefusesWhatIsNotOneLocalFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.tif")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	empty := filepath.Join(dir, "empty.tif")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	abs, err := filepath.Abs(sample)
	require.NoError(t, err)
	vrt := filepath.Join(dir, "other.vrt")
	require.NoError(t, os.WriteFile(vrt, []byte(`<VRTDataset rasterXSize="10" rasterYSize="10"><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename>`+abs+`</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>`), 0o600))
	disguised := filepath.Join(dir, "disguised.tif")
	data, err := os.ReadFile(vrt)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(disguised, data, 0o600))
	for path, kind := range map[string]fault.Kind{
		"/vsicurl/http://127.0.0.1:1/x.tif": fault.Invalid,
		"/vsimem/x.tif":                     fault.Invalid,
		"https://127.0.0.1:1/x.tif":         fault.Unsupported,
		"GTIFF_DIR:1:" + abs:                fault.NotFound,
		"NETCDF:\"x.nc\":var":               fault.NotFound,
		"nul\x00.tif":                       fault.Invalid,
		dir:                                 fault.Invalid,
		pipe:                                fault.Invalid,
		empty:                               fault.Corrupt,
		filepath.Join(dir, "absent.tif"):    fault.NotFound,
		vrt:                                 fault.Unsupported,
		disguised:                           fault.Corrupt,
	} {
		r, err := Open(path)
		if err == nil {
			r.Close()
		}
		require.True(t, fault.Is(err, kind), "%s: %v", path, err)
		require.NotEmpty(t, fault.CureOf(err), path)
		require.NotContains(t, err.Error(), "\n")
	}
}

// A truncated file opens, and only its last blocks fail.
func TestTruncatedFileFailsWhenRead(t *testing.T) {
	data, err := os.ReadFile(sample)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cut.tif")
	require.NoError(t, os.WriteFile(path, data[:len(data)*6/10], 0o600))
	r, err := Open(path)
	if err != nil {
		require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
		return
	}
	defer r.Close()
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8}
	err = r.Read(r.grid.All(), all, cube.Uint16, make([]byte, 100*100*9*2))
	require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
	require.NotEmpty(t, fault.CureOf(err))
}

// Each damaged file is refused, or read whole, as the list beside them says of GDAL; none crashes, hangs
// or asks for absurd memory.
func TestDamagedFiles(t *testing.T) {
	root := cubetest.Real(t, "corrupt")
	list, err := os.ReadFile(filepath.Join(root, "EXPECTED.tsv"))
	require.NoError(t, err)
	files := 0
	for _, line := range strings.Split(strings.TrimSpace(string(list)), "\n")[1:] {
		fields := strings.Split(line, "\t")
		path := filepath.Join(root, "..", filepath.FromSlash(fields[0]))
		readable := strings.HasPrefix(fields[1], "READS_")
		err := readAll(path)
		require.Equal(t, readable, err == nil, "%s: %v", path, err)
		if err != nil {
			require.NotEmpty(t, fault.CureOf(err), "%s: %v", path, err)
			require.NotEqual(t, fault.Internal, fault.KindOf(err), "%s: %v", path, err)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "breaks the GDAL binding")
		}
		files++
	}
	require.Greater(t, files, 150)
	require.Zero(t, open.Load(), "every handle is closed")
}

func readAll(path string) error {
	r, err := Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	w, h := r.Size()
	for i, b := range r.Bands {
		if b.DType == "" {
			continue
		}
		if err := r.Read(cube.Window{Height: h, Width: w}, []int{i}, b.DType, make([]byte, w*h*b.DType.Size())); err != nil {
			return err
		}
	}
	return nil
}

// The code of a CRS is the one rasterio finds, or none.
func TestAuthorityCode(t *testing.T) {
	var files []string
	for _, folder := range []string{"cogs/rasterio", "cogs/rio-tiler", "scenes/naip-virginia-rasterframes", "scenes/s2-60m-rasterframes"} {
		found, err := filepath.Glob(filepath.Join(cubetest.Real(t, folder), "*.tif*"))
		require.NoError(t, err)
		require.NotEmpty(t, found)
		files = append(files, found...)
	}
	var want []string
	require.NoError(t, json.Unmarshal(python(t, `
import json, sys, warnings, rasterio
warnings.simplefilter("ignore")
out = []
for path in sys.argv[1:]:
    with rasterio.open(path) as ds:
        code = ds.crs.to_epsg() if ds.crs else None
        out.append(f"EPSG:{code}" if code else "")
print(json.dumps(out))`, files...), &want))
	for i, f := range files {
		r, err := Open(f)
		require.NoError(t, err, f)
		code := r.grid.CRS
		r.Close()
		require.Equal(t, want[i], code, f)
	}
}
