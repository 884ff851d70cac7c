package layout_test

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
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
)

// A stranger with the spec page, icechunk, zarr and xarray finds every pixel of every scene in tiled and
// grouped cubes where a naive mosaic has it, nothing elsewhere, and recomputes every digest and id.
func TestAStrangerReadsTiledCubes(t *testing.T) {
	type expected struct {
		Cube   string
		Frames string
		Groups []string
		Scenes map[string]string // file prefix by slice id
	}
	var all []expected
	for round := range 4 {
		rng := rand.New(rand.NewPCG(uint64(round), 11))
		s := randomSpec(t, rng)
		if round == 0 {
			s = tiled(t)
		}
		c, dir := onDisk(t, s)
		byName := fill(t, rng, c, 4)
		_, err := c.CommitWith(t.Context(), nil, "", layout.CommitOptions{})
		require.NoError(t, err)
		corrected := byName["s1"]
		again := layouttest.RandomIn(s, 99, "s1", corrected.Meta.Time, randomWindow(rng, s.Grid))
		_, err = c.CommitWith(t.Context(), []*layout.Staged{layouttest.Stage(t, c, again)}, "corrected", layout.CommitOptions{Supersede: true})
		require.NoError(t, err)
		byName["s1"] = again
		e := expected{Cube: dir, Frames: t.TempDir(), Scenes: map[string]string{}}
		for _, g := range s.Groups() {
			e.Groups = append(e.Groups, g.Name)
		}
		for _, sl := range head(t, c).Slices() {
			e.Scenes[string(sl.ID)] = sl.Source
			sc := byName[sl.Source]
			write := func(name string, data []byte) {
				require.NoError(t, os.WriteFile(filepath.Join(e.Frames, sl.Source+name), data, 0o644))
			}
			for i, g := range s.Groups() {
				write(fmt.Sprintf(".%s.image", g.Name), sc.Of(i).Image)
				write(fmt.Sprintf(".%s.valid", g.Name), sc.Of(i).Valid)
			}
			if len(s.Flags) > 0 {
				write(".flags", sc.Flags)
			}
		}
		all = append(all, e)
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	cubetest.Python(t, `
import sys, json, warnings, numpy as np, icechunk, zarr, xarray as xr
warnings.simplefilter("ignore")
`+recompute(t)+`
def check(e):
    repo = icechunk.Repository.open(icechunk.local_filesystem_storage(e["Cube"]))
    store = repo.readonly_session("main").store
    root = zarr.open_group(store, mode="r")
    d = root.attrs["terrapin"]
    plain = d["format"] == 1
    assert plain == (not d.get("further") and not d.get("cell_size") and not d.get("flags"))
    first = {k: d[k] for k in ("grid", "bands", "dtype", "nodata", "chunk")}
    groups = dict(zip(e["Groups"], [first] + d.get("further", [])))
    assert all(g.get("name", name) == name for name, g in groups.items())
    records = root["r0c0/" + e["Groups"][0] + "/records/slice"] if plain else root["records/slice"]
    slices = [json.loads(bytes(records[i])) for i in range(records.shape[0])]
    assert {s["id"] for s in slices} == set(e["Scenes"])
    assert [s["id"] for s in slices] == [s["id"] for s in sorted(slices, key=lambda s: (s["time"], s["id"]))]
    want = {}
    for s in slices:
        for cell in touched(d, s["footprint"]):
            want.setdefault(cell, []).append(s)
    there = {tuple(map(int, k[1:].split("c"))) for k, _ in root.groups() if k != "records"}
    assert set(want) <= there and (d.get("cell_size") or there == {(0, 0)}), (want.keys(), there)
    frames, seen = {}, {s["id"]: {} for s in slices}
    for row, col in there:
        for name, g in groups.items():
            path = f"r{row}c{col}/{name}"
            ds = xr.open_zarr(store, group=path, consolidated=False, mask_and_scale=False)
            cell = root[path]
            own = [json.loads(bytes(cell["records/slice"][i])) for i in range(cell["records/slice"].shape[0])]
            assert own == want.get((row, col), []), path
            times = [np.datetime64(s["time"].rstrip("Z"), "us") for s in own]
            assert ds.time.values.astype("datetime64[us]").tolist() == [t.astype(object) for t in times]
            a, _, c, _, ee, f = g["grid"]["transform"]
            x0, y0 = round((float(ds.x[0]) - c) / a - 0.5), round((float(ds.y[0]) - f) / ee - 0.5)
            assert ds.band.values.tolist() == [b["name"] for b in g["bands"]]
            assert not any("_FillValue" in ds[v].attrs for v in ds.data_vars)
            layers = [("image", ds.image.values, g["dtype"]), ("valid", ds.valid.values, "u1")]
            if d.get("flags") and name == e["Groups"][0]:
                layers.append(("flags", ds.flags.values, "<u2"))
                assert ds.flags.attrs["flag_masks"] == [v["mask"] for v in d["flags"]]
                assert ds.flags.attrs["flag_meanings"].split() == [v["name"] for v in d["flags"]]
            else:
                assert "flags" not in ds
            h, w = len(ds.y), len(ds.x)
            for i, s in enumerate(own):
                part = []
                for layer, values, dtype in layers:
                    key = (s["id"], name, layer)
                    if key not in frames:
                        file = f"{e['Frames']}/{e['Scenes'][s['id']]}" + (".flags" if layer == "flags" else f".{name}.{layer}")
                        frames[key] = np.fromfile(file, dtype=dtype).reshape((-1, g["grid"]["height"], g["grid"]["width"]))
                    block = values[i] if values.ndim == 4 else values[i][None]
                    expect = frames[key][:, y0:y0+h, x0:x0+w]
                    assert block.tobytes() == np.ascontiguousarray(expect).tobytes(), (path, s["id"], layer)
                    frames[key][:, y0:y0+h, x0:x0+w] = 7 if layer == "image" else 0  # taken
                    stored, sums = cell[f"records/{layer}_sha256"][i], b""
                    for cy in range(stored.shape[0]):
                        for cx in range(stored.shape[1]):
                            n = g["chunk"]
                            digest = hashlib.sha256(np.ascontiguousarray(block[:, cy*n:(cy+1)*n, cx*n:(cx+1)*n]).tobytes()).digest()
                            assert digest == stored[cy, cx].tobytes(), (path, layer, cy, cx)
                            sums += digest
                    part.append(sums)
                seen[s["id"]][row, col, e["Groups"].index(name)] = (path, part[0], part[1], part[2] if len(part) > 2 else b"")
    for (id, name, layer), left in frames.items():
        assert layer == "image" or not left.any(), "a scene has pixels that no cell holds"
    for s in slices:
        cells = [seen[s["id"]][k] for k in sorted(seen[s["id"]])]
        assert [(k[0], k[1]) for k in sorted(seen[s["id"]])][:: len(groups)] == touched(d, s["footprint"])
        content = content_digest(cells[0][1], cells[0][2], s["contract"]) if plain else content_digest_of_cells(cells, s["contract"])
        assert content == s["content"], (s, cells[0][0])
        stamp = int(np.datetime64(s["time"].rstrip("Z"), "us").astype("i8"))
        assert slice_id(content, s["source"], stamp) == s["id"]
for e in json.loads(sys.argv[1]):
    check(e)
`, string(text))
}
