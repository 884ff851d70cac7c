package ingest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// item is what ingest reads of a STAC item; the rest of the document passes by.
type item struct {
	Type       string         `json:"type"`
	Version    string         `json:"stac_version"`
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
	Assets     map[string]*asset

	path string
}

// asset is a file of an item. Bands are described as STAC 1.1 does (bands) or as 1.0 did (eo:bands,
// raster:bands).
type asset struct {
	Href        string       `json:"href"`
	Type        string       `json:"type"`
	Scale       *float64     `json:"raster:scale"`
	Offset      *float64     `json:"raster:offset"`
	Bands       []*assetBand `json:"bands"`
	EOBands     []*assetBand `json:"eo:bands"`
	RasterBands []*assetBand `json:"raster:bands"`
	meaning
}

type assetBand struct {
	Name string `json:"name"`
	meaning
	Scale  *float64 `json:"raster:scale"`
	Offset *float64 `json:"raster:offset"`
	// The names inside raster:bands.
	OldScale  *float64 `json:"scale"`
	OldOffset *float64 `json:"offset"`
}

// maxItemBytes bounds what is read of a JSON file; STAC items have some 20 kB.
const maxItemBytes = 8 << 20

func readItem(path string) (*item, error) {
	cure := "give a STAC item: a GeoJSON feature with stac_version, id, properties and assets"
	if strings.Contains(path, "://") {
		return nil, fault.New(fault.Unsupported, "%s is a URL, and this release reads local files", path).WithCure("download the item and its assets first, then %s", cure)
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s does not exist", path).WithCure("check the path; a relative one starts at the current directory")
	} else if err != nil {
		return nil, fault.New(fault.Invalid, "%s cannot be read: %w", path, err).WithCure("check the permissions")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "%s is not a regular file", path).WithCure("%s", cure)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxItemBytes+1))
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s cannot be read: %w", path, err).WithCure("check the disk")
	}
	if len(data) > maxItemBytes {
		return nil, fault.New(fault.TooLarge, "%s is larger than %d MiB, which no STAC item is", path, maxItemBytes>>20).WithCure("%s", cure)
	}
	it := &item{path: path}
	if err := json.Unmarshal(data, it); err != nil {
		return nil, fault.New(fault.Invalid, "%s is not JSON of a STAC item: %w", path, err).WithCure("%s", cure)
	}
	switch {
	case it.Type != "Feature" || it.Version == "":
		return nil, fault.New(fault.Invalid, "%s is no STAC item: type %q, stac_version %q", path, it.Type, it.Version).WithCure("%s", cure)
	case it.ID == "":
		return nil, fault.New(fault.Invalid, "%s is a STAC item without an id", path).WithCure("give it one")
	case len(it.Assets) == 0:
		return nil, fault.New(fault.Invalid, "STAC item %s has no assets", path).WithCure("%s", cure)
	}
	for key, a := range it.Assets {
		if a == nil {
			delete(it.Assets, key)
		}
	}
	return it, nil
}

// keys lists the assets in order.
func (it *item) keys() []string {
	keys := make([]string, 0, len(it.Assets))
	for k := range it.Assets {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// file is the local path of an asset. Only a path below the item's folder is followed: an item that
// came from elsewhere must not make us open other files of this machine.
func (it *item) file(key string) (string, error) {
	href := filepath.FromSlash(strings.TrimPrefix(it.Assets[key].Href, "./"))
	if strings.Contains(href, "://") || !filepath.IsLocal(href) {
		return "", fault.New(fault.Unsupported, "asset %q of %s lies at %q, and only files below the item's own folder are opened", key, it.path, it.Assets[key].Href).
			WithCure("download the assets beside the item and make their href relative")
	}
	return filepath.Join(filepath.Dir(it.path), href), nil
}

// files lists the local assets that look like rasters.
func (it *item) files() []string {
	var files []string
	for _, key := range it.keys() {
		if f, err := it.file(key); err == nil && it.Assets[key].raster() {
			files = append(files, f)
		}
	}
	return files
}

func (a *asset) raster() bool {
	return rasterEndings[strings.ToLower(filepath.Ext(a.Href))] || strings.HasPrefix(a.Type, "image/tiff") || strings.HasPrefix(a.Type, "image/jp2")
}

// names are the band names an asset declares, in the order of its file; nil if it declares none.
func (a *asset) names() []string {
	for _, bands := range [][]*assetBand{a.Bands, a.EOBands} {
		var names []string
		for _, b := range bands {
			if b == nil || b.Name == "" {
				names = nil
				break
			}
			names = append(names, b.Name)
		}
		if names != nil {
			return names
		}
	}
	return nil
}

// contract is the scale and offset that the item declares for a band of an asset, nil where it does
// not say.
func (a *asset) contract(band int) (scale, offset *float64) {
	scale, offset = a.Scale, a.Offset
	for _, bands := range [][]*assetBand{a.Bands, a.EOBands, a.RasterBands} {
		if band >= len(bands) || bands[band] == nil {
			continue
		}
		b := bands[band]
		for _, v := range []*float64{b.Scale, b.OldScale} {
			if v != nil {
				scale = v
			}
		}
		for _, v := range []*float64{b.Offset, b.OldOffset} {
			if v != nil {
				offset = v
			}
		}
	}
	return scale, offset
}

// instant reads a property as a time.
func (it *item) instant(property string) (time.Time, bool, error) {
	v, ok := it.Properties[property]
	if !ok || v == nil {
		return time.Time{}, false, nil
	}
	s, isText := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if !isText || err != nil {
		return time.Time{}, false, fault.New(fault.Invalid, "%s: property %q is %v, not a time as RFC 3339 writes it", it.path, property, v).
			WithCure("write it like 2020-11-01T10:56:21Z")
	}
	return t.UTC().Truncate(time.Microsecond), true, nil
}

// time is the acquisition time: datetime, else start_datetime.
func (it *item) time() (time.Time, bool, error) {
	for _, p := range []string{"datetime", "start_datetime"} {
		if t, ok, err := it.instant(p); ok || err != nil {
			return t, ok, err
		}
	}
	return time.Time{}, false, nil
}

// generation are the properties in which a product says when it was generated. STAC's "created" and
// "updated" speak of the metadata record, so they are not among them.
var generation = []string{"s2:generation_time", "processing:datetime", "sentinel:product_generation_time", "landsat:product_generated"}

// available is when the data could be used first, and how that is known; zero if the item does not say.
func (it *item) available() (time.Time, string, error) {
	if t, ok, err := it.instant("published"); ok || err != nil {
		return t, "published", err
	}
	for _, p := range generation {
		if t, ok, err := it.instant(p); ok || err != nil {
			return t, "generated", err
		}
	}
	return time.Time{}, "", nil
}

// baseline is the processing baseline, which changes what the numbers mean.
func (it *item) baseline() string {
	s, _ := it.Properties["s2:processing_baseline"].(string)
	return s
}

// kept are the properties that go with a slice into its record.
var kept = []string{
	"platform", "constellation", "instruments", "gsd", "eo:cloud_cover", "eo:snow_cover", "view:off_nadir",
	"view:sun_azimuth", "view:sun_elevation", "sat:orbit_state", "sat:relative_orbit", "grid:code", "s2:mgrs_tile",
}

func (it *item) properties() map[string]any {
	out := map[string]any{}
	for _, p := range kept {
		if v, ok := it.Properties[p]; ok && v != nil {
			out[p] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// apply lays what the item declares over what the file declares. Two statements that differ are refused.
func (a *asset) apply(c cube.Contract, band int, where string) (cube.Contract, error) {
	scale, offset := a.contract(band)
	if scale == nil && offset == nil {
		return c, nil
	}
	said := cube.DefaultContract()
	if scale != nil {
		said.Scale = *scale
	}
	if offset != nil {
		said.Offset = *offset
	}
	if c != cube.DefaultContract() && c != said {
		return c, fault.New(fault.Invalid, "%s: the item declares scale %g and offset %g, the file %g and %g", where, said.Scale, said.Offset, c.Scale, c.Offset).
			WithCure("correct the one that is wrong")
	}
	return said, nil
}
