package ingest

import (
	"fmt"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
)

// fileNames are the names of a file's bands, and how many have one. A name that all bands share, as some
// writers give the variable's, tells none of them.
func fileNames(raster *gdal.Raster) (names []string, named int) {
	same := len(raster.Bands) > 1
	for _, b := range raster.Bands {
		names = append(names, b.Name)
		same = same && b.Name == raster.Bands[0].Name
		if b.Name != "" {
			named++
		}
	}
	if same {
		return make([]string, len(names)), 0
	}
	return names, named
}

// fileBands gives each band of a file its name.
func (r *run) fileBands(raster *gdal.Raster) (names []string, note string, err error) {
	want := bandNames(r.spec.Bands)
	names, named := fileNames(raster)
	given := r.req.Bands
	switch {
	case len(given) > 0 && len(given) != len(names):
		return nil, "", fault.New(fault.Invalid, "%s has %d bands, and --bands names %d", raster.Path(), len(names), len(given)).
			WithCure("name every band of the file, in its order")
	case len(given) > 0:
		for i, n := range names {
			if n != "" && n != given[i] {
				return nil, "", fault.New(fault.Invalid, "band %d of %s is named %q, and --bands says %q", i+1, raster.Path(), n, given[i]).
					WithCure("leave out --bands, or correct it")
			}
		}
		if named == 0 {
			note = "bands without names taken as --bands gives them: " + strings.Join(given, ",")
		}
		return given, note, nil
	case named == 0 && len(names) == len(want):
		return want, "bands without names taken in order as " + strings.Join(want, ","), nil
	case named == 0:
		return nil, "", fault.New(fault.Invalid, "%s has %s without names, and the cube has %d: %s", raster.Path(), plural(len(names), "band", "bands"), len(want), strings.Join(want, ",")).
			WithCure("name the file's bands in their order: --bands …")
	}
	return names, "", nil
}

// indexOf finds a band by its name.
func indexOf(names []string, want, path string) (int, error) {
	found := -1
	for i, n := range names {
		if n != want {
			continue
		}
		if found >= 0 {
			return 0, fault.New(fault.Invalid, "%s has two bands named %q (%d and %d)", path, want, found+1, i+1).
				WithCure("name its bands differently")
		}
		found = i
	}
	if found < 0 {
		return 0, fault.New(fault.Invalid, "%s lacks the band %q; it has %s", path, want, list(names)).
			WithCure("give a file with all the cube's bands (gdalbuildvrt -separate, then gdal_translate, puts single files together in the order given), or a STAC item whose assets hold them")
	}
	return found, nil
}

// list writes band names for a person, at most a dozen of them.
func list(names []string) string {
	const most = 12
	var out []string
	for i, n := range names {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		if n == "" {
			n = "(no name)"
		}
		out = append(out, n)
	}
	return strings.Join(out, ", ")
}

// openItem opens the assets of a STAC item that hold the cube's bands.
func (r *run) openItem(sc *scene) error {
	it, err := readItem(sc.path)
	if err != nil {
		return err
	}
	sc.item, sc.source = it, it.ID
	index := map[string]int{} // file → sc.rasters
	for _, g := range r.groups {
		l := layer{group: g}
		for _, b := range g.Bands {
			p, err := r.findAsset(sc, index, b.Name)
			if err != nil {
				return err
			}
			l.bands = append(l.bands, p)
		}
		sc.layers = append(sc.layers, l)
	}
	return r.itemMasks(sc, index)
}

// findAsset looks for a band among the names that assets declare, then among their keys, then in the
// files themselves.
func (r *run) findAsset(sc *scene, index map[string]int, want string) (place, error) {
	it := sc.item
	var undeclared []string
	for _, key := range it.keys() {
		a := it.Assets[key]
		names := a.names()
		if names == nil {
			if a.raster() {
				undeclared = append(undeclared, key)
			}
			continue
		}
		for i, n := range names {
			if n == want {
				return sc.use(index, key, i, len(names))
			}
		}
	}
	if a := it.Assets[want]; a != nil && len(a.names()) <= 1 {
		return sc.use(index, want, 0, 1)
	}
	for _, key := range undeclared {
		p, err := sc.use(index, key, 0, 0)
		if err != nil {
			continue // an asset that is no concern of the cube may be broken
		}
		for i, b := range sc.rasters[p.raster].Bands {
			if b.Name == want {
				p.band = i
				return p, nil
			}
		}
	}
	return place{}, fault.New(fault.Invalid, "no asset of STAC item %s holds the band %q; its assets are %s", sc.path, want, list(it.keys())).
		WithCure("name the band in the asset's bands (or eo:bands), or by the asset's key")
}

// use opens the file of an asset once. count is how many bands it must have; 0 = any number.
func (sc *scene) use(index map[string]int, key string, band, count int) (place, error) {
	file, err := sc.item.file(key)
	if err != nil {
		return place{}, err
	}
	at, isOpen := index[file]
	if !isOpen {
		raster, err := gdal.Open(file)
		if err != nil {
			return place{}, fault.New(fault.KindOf(err), "asset %q: %w", key, err)
		}
		at = len(sc.rasters)
		sc.rasters = append(sc.rasters, raster)
		index[file] = at
	}
	if n := len(sc.rasters[at].Bands); count > 0 && n != count {
		return place{}, fault.New(fault.Invalid, "asset %q of %s declares %d bands, its file has %d", key, sc.path, count, n).
			WithCure("declare every band of the file in the asset's bands")
	}
	return place{raster: at, band: band, key: key, asset: sc.item.Assets[key]}, nil
}
