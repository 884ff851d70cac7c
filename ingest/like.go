package ingest

import (
	"fmt"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
)

// LikeRaster makes the specification of a cube after a raster: CRS, transform, size, data type, nodata
// and band names. bands names the bands where the file does not, or chooses among those it names.
// Nodata stays nil where the chosen bands declare none or different ones. The cube's name is left to
// the caller.
func LikeRaster(path string, bands []string) (layout.Spec, error) {
	raster, err := gdal.Open(path)
	if err != nil {
		return layout.Spec{}, err
	}
	defer raster.Close()
	grid, err := raster.Grid()
	if err != nil {
		return layout.Spec{}, err
	}
	chosen, names, err := chooseBands(raster, bands)
	if err != nil {
		return layout.Spec{}, err
	}
	spec := layout.Spec{Grid: grid, WKT: raster.WKT(), Geographic: crs.Geographic(grid.CRS)}
	for i, at := range chosen {
		b := raster.Bands[at]
		switch {
		case b.DType == "":
			return layout.Spec{}, fault.New(fault.Unsupported, "band %d of %s is %s, which a cube does not hold", at+1, path, b.TypeName).
				WithCure("convert it: gdal_translate -ot Float32 %s OUT.tif", gdal.Quote(path))
		case i > 0 && b.DType != spec.DType:
			return layout.Spec{}, fault.New(fault.Invalid, "the bands of %s have different types: %s is %s, %s is %s", path, names[0], spec.DType, names[i], b.DType).
				WithCure("choose bands of one type with --bands, or convert the file: gdal_translate -ot Float32 %s OUT.tif", gdal.Quote(path))
		}
		spec.DType = b.DType
		if i == 0 {
			spec.Nodata = b.Nodata
		} else if !sameNodata(spec.Nodata, b.Nodata) {
			spec.Nodata = nil
		}
		spec.Bands = append(spec.Bands, cube.Band{Name: names[i]})
	}
	if spec.Nodata != nil && !spec.DType.Holds(*spec.Nodata) {
		spec.Nodata = nil // a value that no pixel can have
	}
	return spec, nil
}

// chooseBands finds which bands of the file a cube takes, and what they are called.
func chooseBands(raster *gdal.Raster, want []string) (chosen []int, names []string, err error) {
	have, named := fileNames(raster)
	for i := range have {
		chosen = append(chosen, i)
	}
	seen := map[string]bool{}
	for _, n := range want {
		if n == "" || seen[n] {
			return nil, nil, fault.New(fault.Invalid, "--bands names %q twice or not at all", n).WithCure("give each band one name")
		}
		seen[n] = true
	}
	switch {
	case len(want) == 0 && named < len(have):
		return nil, nil, fault.New(fault.Invalid, "%s has %s without a name of its own", raster.Path(), plural(len(have)-named, "band", "bands")).
			WithCure("name them in their order: --bands %s", strings.Join(placeholders(len(have)), ","))
	case len(want) == 0:
		for i, n := range have {
			if at, err := indexOf(have, n, raster.Path()); err != nil || at != i {
				return nil, nil, err
			}
		}
		return chosen, have, nil
	case named == 0 && len(want) != len(have):
		return nil, nil, fault.New(fault.Invalid, "%s has %d bands without names, and --bands gives %d", raster.Path(), len(have), len(want)).
			WithCure("name every band, in the order of the file")
	case named == 0:
		return chosen, want, nil
	}
	chosen = chosen[:0]
	for _, n := range want {
		at, err := indexOf(have, n, raster.Path())
		if err != nil {
			return nil, nil, err
		}
		chosen = append(chosen, at)
	}
	return chosen, want, nil
}

func placeholders(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("NAME%d", i+1)
	}
	return names
}

func sameNodata(a, b *float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b || *a != *a && *b != *b
}
