package gdal

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
)

// rasterio sees the mask, the names and the layout of what WriteCOG writes, and Read gives the numbers
// back.
func TestWriteCOG(t *testing.T) {
	dir := t.TempDir()
	const h, w = 700, 900
	grid := cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 600000, 0, -10, 5600000}, Width: w, Height: h}
	for _, d := range []cube.DType{cube.Uint8, cube.Int16, cube.Float32, cube.Float64} {
		c := COG{Grid: grid, DType: d, Bands: []string{"water", "land"}, Data: make([]byte, 2*h*w*d.Size()), Mask: make([]byte, h*w)}
		for i := range 2 * h * w {
			d.Put(c.Data[i*d.Size():], float64(i%97))
		}
		for i := range c.Mask {
			if i%3 != 0 {
				c.Mask[i] = 1
			}
		}
		c.Metadata = map[string]string{"TERRAPIN_RUN": "r-1"}
		path := filepath.Join(dir, string(d)+".tif")
		require.NoError(t, WriteCOG(context.Background(), path, c))

		r, err := Open(path)
		require.NoError(t, err)
		g, err := r.Grid()
		require.NoError(t, err)
		require.Equal(t, grid, g)
		require.Equal(t, "r-1", r.Metadata("")["TERRAPIN_RUN"])
		got := make([]byte, len(c.Data))
		require.NoError(t, r.Read(g.All(), []int{0, 1}, d, got))
		require.Equal(t, c.Data, got)
		mask := make([]byte, h*w)
		require.True(t, r.Bands[1].Mask)
		require.NoError(t, r.ReadMask(g.All(), 1, mask))
		r.Close()
		for i := range mask {
			require.Equal(t, c.Mask[i] != 0, mask[i] != 0)
		}
		_, err = os.Stat(path + ".aux.xml")
		require.True(t, os.IsNotExist(err), "no sidecar")

		var seen struct {
			Valid, First int
			Names        []string
			Overviews    []int
			Layout       string
			Compression  string
		}
		require.NoError(t, json.Unmarshal(python(t, `
import sys, json, rasterio
with rasterio.open(sys.argv[1]) as ds:
    m = ds.dataset_mask()
    print(json.dumps({"valid": int((m > 0).sum()), "first": int(m[0, 0]), "names": ds.descriptions,
        "overviews": ds.overviews(1), "layout": ds.tags(ns="IMAGE_STRUCTURE").get("LAYOUT"), "compression": ds.compression.value}))`, path), &seen))
		require.Equal(t, h*w-(h*w+2)/3, seen.Valid)
		require.Zero(t, seen.First)
		require.Equal(t, []string{"water", "land"}, seen.Names)
		require.Equal(t, []int{2}, seen.Overviews)
		require.Equal(t, "COG", seen.Layout)
		require.Equal(t, "DEFLATE", seen.Compression)
	}
}

// With a nodata value beside the mask, both are seen.
func TestWriteCOGNodata(t *testing.T) {
	nodata := 255.0
	c := COG{
		Grid:  cube.Grid{CRS: "EPSG:3035", Transform: cube.Affine{10, 0, 4e6, 0, -10, 3e6}, Width: 4, Height: 1},
		DType: cube.Uint8, Bands: []string{"class"}, Data: []byte{1, 255, 3, 4}, Mask: []byte{1, 0, 0, 1}, Nodata: &nodata,
	}
	path := filepath.Join(t.TempDir(), "x.tif")
	require.NoError(t, WriteCOG(context.Background(), path, c))
	require.Equal(t, "255.0 [255, 0, 0, 255]\n", string(python(t, `
import sys, rasterio
with rasterio.open(sys.argv[1]) as ds:
    print(ds.nodata, ds.dataset_mask()[0].tolist())`, path)))
}

func TestWriteCOGRefuses(t *testing.T) {
	dir := t.TempDir()
	grid := cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 0, 0, -10, 0}, Width: 4, Height: 4}
	good := COG{Grid: grid, DType: cube.Uint8, Bands: []string{"a"}, Data: make([]byte, 16)}
	require.NoError(t, WriteCOG(context.Background(), filepath.Join(dir, "good.tif"), good))
	for name, spoil := range map[string]func(*COG){
		"type":  func(c *COG) { c.DType = cube.Int64; c.Data = make([]byte, 128) },
		"crs":   func(c *COG) { c.Grid.CRS = "EPSG:999999" },
		"short": func(c *COG) { c.Data = c.Data[:15] },
		"mask":  func(c *COG) { c.Mask = make([]byte, 3) },
	} {
		c := good
		spoil(&c)
		path := filepath.Join(dir, name+".tif")
		require.Error(t, WriteCOG(context.Background(), path, c), name)
		_, err := os.Stat(path)
		require.True(t, os.IsNotExist(err), name)
	}
	require.Error(t, WriteCOG(context.Background(), filepath.Join(dir, "no", "such", "folder.tif"), good))
}

// TestACOGIsWrittenPartByPart writes one file from memory and one through a scratch file, in parts that
// cross tiles, and wants the same pixels.
func TestACOGIsWrittenPartByPart(t *testing.T) {
	const height, width = 700, 1100
	c := COG{
		Grid:  cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 500000, 0, -10, 5600000}, Width: width, Height: height},
		DType: cube.Uint16, Bands: []string{"B02", "B03"}, Scale: 0.0001, Offset: -0.1,
	}
	data, mask := make([]byte, 2*2*height*width), make([]byte, height*width)
	for i := range mask {
		mask[i] = byte(i / 7 % 2)
		binary.LittleEndian.PutUint16(data[2*i:], uint16(i))
		binary.LittleEndian.PutUint16(data[2*(i+height*width):], uint16(3*i))
	}
	for _, scratch := range []string{"", "scratch.tif"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out.tif")
		if scratch != "" {
			scratch = filepath.Join(dir, scratch)
		}
		w, err := newCOGWriter(path, scratch, c, true)
		require.NoError(t, err)
		for row := 0; row < height; row += 300 {
			for col := 0; col < width; col += 512 {
				part := cube.Window{Row: row, Col: col, Height: 300, Width: 512}.Intersect(c.Grid.All())
				n := part.Height * part.Width
				piece, shown := make([]byte, 4*n), make([]byte, n)
				for b := range 2 {
					cube.CopyWindow(piece[2*n*b:2*n*(b+1)], part, data[2*height*width*b:2*height*width*(b+1)], c.Grid.All(), 2)
				}
				cube.CopyWindow(shown, part, mask, c.Grid.All(), 1)
				require.NoError(t, w.Write(part, piece, shown))
			}
		}
		require.Error(t, w.Write(cube.Window{Row: 600, Height: 200, Width: 10}, make([]byte, 8000), make([]byte, 2000)), "over the edge")
		require.NoError(t, w.Finish(t.Context()))
		w.Abort()
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1, "no scratch file and no sidecar stay")

		r, err := Open(path)
		require.NoError(t, err)
		defer r.Close()
		got, shown := make([]byte, len(data)), make([]byte, len(mask))
		require.NoError(t, r.Read(c.Grid.All(), []int{0, 1}, cube.Uint16, got))
		require.NoError(t, r.ReadMask(c.Grid.All(), 0, shown))
		require.Equal(t, data, got)
		for i := range mask {
			require.Equal(t, mask[i] != 0, shown[i] != 0)
		}
		require.InDelta(t, 0.0001, r.Bands[1].Scale, 1e-12)
		require.InDelta(t, -0.1, r.Bands[1].Offset, 1e-12)
	}
}
