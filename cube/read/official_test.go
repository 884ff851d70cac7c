package read_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// referee reads every cell through icechunk, zarr and xarray, lays the cells side by side in their frame,
// and cuts the windows out of it. It knows of a slice only its time.
const referee = `
import sys, json, os, numpy as np, icechunk, xarray as xr
root, out = sys.argv[1], sys.argv[2]
asked = json.load(open(out + "/asked.json"))
session = icechunk.Repository.open(icechunk.local_filesystem_storage(root)).readonly_session("main")
frames = {}
for group, g in asked["groups"].items():
    n, (h, w) = len(asked["micros"]), g["shape"]
    image = np.full((n, g["bands"], h, w), 65535, "u2")
    valid = np.zeros((n, g["bands"], h, w), "u1")
    flags = np.zeros((n, h, w), "u2")
    for cell, (row, col) in g["cells"].items():
        ds = xr.open_zarr(session.store, group=cell, consolidated=False, mask_and_scale=False)
        at = [asked["micros"].index(t) for t in ds.time.values.astype("datetime64[us]").astype("i8").tolist()]
        y, x = slice(row, row + ds.sizes["y"]), slice(col, col + ds.sizes["x"])
        for i, t in enumerate(at):
            image[t, :, y, x], valid[t, :, y, x] = ds.image[i].values, ds.valid[i].values
            if "flags" in ds:
                flags[t, y, x] = ds.flags[i].values
    frames[group] = image, valid, flags
for i, q in enumerate(asked["windows"]):
    image, valid, flags = frames[q["group"]]
    pad = 300
    def cut(a, fill, t):
        a = np.pad(a[t], [(0, 0)] * (a.ndim - 3) + [(pad, pad)] * 2, constant_values=fill)
        return a[..., q["row"] + pad:q["row"] + pad + q["height"], q["col"] + pad:q["col"] + pad + q["width"]]
    want = [np.stack([cut(image, 65535, t)[q["bands"]] for t in q["times"]]),
            np.stack([cut(valid, 0, t)[q["bands"]].min(0) for t in q["times"]])]
    for got, part in zip((f"{i}.image", f"{i}.valid"), want):
        assert open(f"{out}/{got}", "rb").read() == part.tobytes(), (got, q)
    if q["flags"]:
        want = np.stack([cut(flags, 0, t) for t in q["times"]])
        assert open(f"{out}/{i}.flags", "rb").read() == want.tobytes(), q
print(len(asked["windows"]), sum(len(g["cells"]) for g in asked["groups"].values()))
`

type asked struct {
	Micros  []int64               `json:"micros"`
	Groups  map[string]askedGroup `json:"groups"`
	Windows []askedWindow         `json:"windows"`
}

type askedGroup struct {
	Shape [2]int            `json:"shape"`
	Bands int               `json:"bands"`
	Cells map[string][2]int `json:"cells"`
}

type askedWindow struct {
	Group  string `json:"group"`
	Row    int    `json:"row"`
	Col    int    `json:"col"`
	Height int    `json:"height"`
	Width  int    `json:"width"`
	Bands  []int  `json:"bands"`
	Times  []int  `json:"times"`
	Flags  bool   `json:"flags"`
}

// Random windows of random cells are what the official readers make of the same cube, in every codec.
func TestWindowsEqualTheOfficialReaders(t *testing.T) {
	for _, codec := range codecs {
		t.Run(codec.String(), func(t *testing.T) { windowsEqualTheOfficialReaders(t, codec) })
	}
}

func windowsEqualTheOfficialReaders(t *testing.T, codec layout.Codec) {
	dir, out := t.TempDir(), t.TempDir()
	driver, err := file.New(dir)
	require.NoError(t, err)
	defer driver.Close()
	w := newTiledIn(t, store.New(driver, "file://"+dir).Sub("cubes/s2"), codec)
	doc := asked{Groups: map[string]askedGroup{}}
	for _, g := range w.groups {
		doc.Groups[g.Name] = askedGroup{Shape: [2]int{g.Grid.Height, g.Grid.Width}, Bands: len(g.Bands), Cells: map[string][2]int{}}
	}
	for _, c := range w.view.Cells() {
		doc.Groups[c.Group].Cells[c.Path] = [2]int{c.Window.Row, c.Window.Col}
	}
	at := map[string]int{}
	for i, s := range w.view.Slices() {
		at[string(s.ID)] = i
		doc.Micros = append(doc.Micros, s.Micros())
	}
	r := read.New(read.Config{CacheBytes: 20_000})
	rng := rand.New(rand.NewPCG(21, 21))
	for len(doc.Windows) < 60 {
		q, group := w.random(rng)
		q.Slices = w.ids[:1+rng.IntN(len(w.ids))]
		image, valid := w.buffers(q, group)
		require.NoError(t, r.Read(t.Context(), w.view, q, image, valid))
		c, err := w.view.Cell(q.Cell)
		require.NoError(t, err)
		a := askedWindow{
			Group: c.Group, Row: q.Window.Row + c.Window.Row, Col: q.Window.Col + c.Window.Col,
			Height: q.Window.Height, Width: q.Window.Width, Bands: q.Bands, Flags: group == 0,
		}
		for _, id := range q.Slices {
			a.Times = append(a.Times, at[string(id)])
		}
		if a.Bands == nil {
			for b := range w.groups[group].Bands {
				a.Bands = append(a.Bands, b)
			}
		}
		save := func(name string, data []byte) {
			require.NoError(t, os.WriteFile(filepath.Join(out, fmt.Sprint(len(doc.Windows), name)), data, 0o644))
		}
		save(".image", image)
		save(".valid", valid)
		if a.Flags {
			bits := make([]byte, 2*len(q.Slices)*q.Window.Height*q.Window.Width)
			require.NoError(t, r.ReadFlags(t.Context(), w.view, q, bits))
			save(".flags", bits)
		}
		doc.Windows = append(doc.Windows, a)
	}
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(out, "asked.json"), text, 0o644))
	require.Equal(t, fmt.Sprint(60, " ", len(w.view.Cells())), cubetest.Python(t, referee, filepath.Join(dir, "cubes/s2"), out))
}
