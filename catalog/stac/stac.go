// Package stac builds STAC 1.1 documents: typed items, collections, links, assets and bands, the
// URIs of the extensions Terrapin writes, and the documents derived from a cube. It does no I/O. The
// invariant: hrefs to our own things are relative to the root of the API ("collections/s2",
// "assets/datasets/crops/v1/manifest.parquet"), and links to self, root and parent are left to
// whoever serves the document, so that a stored document holds at any address.
package stac

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Version is the release of STAC that is written.
const Version = "1.1.0"

// The extensions Terrapin writes, by the URIs of their schemas.
const (
	ExtClassification = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
	ExtDatacube       = "https://stac-extensions.github.io/datacube/v2.3.0/schema.json"
	ExtEO             = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
	ExtFile           = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
	ExtLabel          = "https://stac-extensions.github.io/label/v1.0.1/schema.json"
	ExtMLAOI          = "https://stac-extensions.github.io/ml-aoi/v0.2.0/schema.json"
	ExtMLM            = "https://stac-extensions.github.io/mlm/v1.5.2/schema.json"
	ExtProcessing     = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
	ExtProjection     = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
	ExtRaster         = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
	ExtScientific     = "https://stac-extensions.github.io/scientific/v1.0.0/schema.json"
	ExtTable          = "https://stac-extensions.github.io/table/v1.2.0/schema.json"
	ExtTimestamps     = "https://stac-extensions.github.io/timestamps/v1.1.0/schema.json"
	ExtVersion        = "https://stac-extensions.github.io/version/v1.2.0/schema.json"
	ExtZarr           = "https://stac-extensions.github.io/zarr/v1.1.0/schema.json"
)

// Media types of links and assets.
const (
	TypeJSON    = "application/json"
	TypeGeoJSON = "application/geo+json"
	TypeCOG     = "image/tiff; application=geotiff; profile=cloud-optimized"
	TypeGeoTIFF = "image/tiff; application=geotiff"
	TypeParquet = "application/vnd.apache.parquet"
	TypeZarr3   = "application/vnd.zarr; version=3"
	TypeYAML    = "application/yaml"
	TypePNG     = "image/png"
	TypeHTML    = "text/html"
	TypeText    = "text/plain"
	TypeBinary  = "application/octet-stream"
)

// Fields are further members of an object, such as those of an extension, written beside its own.
type Fields map[string]any

// Link points to another document.
type Link struct {
	Rel    string
	Href   string
	Type   string
	Title  string
	Fields Fields
}

// Asset points to data.
type Asset struct {
	Href        string
	Type        string
	Title       string
	Description string
	Roles       []string
	Bands       []Band
	Fields      Fields
}

// Band describes one band of an asset or of a whole item. DataType is a STAC data type, which Zarr's
// numeric names are; Nodata is a number, or NaN or an infinity.
type Band struct {
	Name        string
	Description string
	DataType    string
	Nodata      *float64
	Fields      Fields
}

// Provider is who made or serves the data; its roles are of licensor, producer, processor, host.
type Provider struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Roles       []string `json:"roles,omitempty"`
	URL         string   `json:"url,omitempty"`
}

// Extent is a collection's: the whole first, then parts of it. A nil end of an interval is open.
type Extent struct {
	Spatial  [][]float64
	Temporal [][2]*time.Time
}

// Item is a STAC item. Properties must hold "datetime" (nil beside start_datetime and end_datetime);
// times in Properties may be time.Time. Geometry nil stands for no location.
type Item struct {
	ID         string
	Collection string
	Geometry   json.RawMessage
	BBox       []float64
	Properties Fields
	Links      []Link
	Assets     map[string]Asset
	Extensions []string
	Fields     Fields
}

// Collection is a STAC collection.
type Collection struct {
	ID          string
	Title       string
	Description string
	Keywords    []string
	License     string
	Providers   []Provider
	Extent      Extent
	Summaries   Fields
	Links       []Link
	Assets      map[string]Asset
	ItemAssets  map[string]Asset
	Extensions  []string
	Fields      Fields
}

// Catalog is a STAC catalog, such as the root of the API.
type Catalog struct {
	ID          string
	Title       string
	Description string
	Links       []Link
	Extensions  []string
	Fields      Fields
}

// Time writes a moment as STAC wants it: RFC 3339, UTC, as many digits as it has, down to microseconds.
func Time(t time.Time) string { return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) }

// ItemHref is where the API serves an item, relative to its root.
func ItemHref(collection, id string) string {
	return "collections/" + escape(collection) + "/items/" + escape(id)
}

// CollectionHref is where the API serves a collection, relative to its root.
func CollectionHref(id string) string { return "collections/" + escape(id) }

// AssetHref is where the API serves an object of the bucket, relative to its root.
func AssetHref(key string) string { return "assets/" + escapePath(key) }

// JSON writes the item as a complete document, less the links that only its server knows.
func (i Item) JSON() (json.RawMessage, error) {
	if i.ID == "" || i.Collection == "" {
		return nil, fault.New(fault.Internal, "STAC item %q of collection %q: both ids are needed", i.ID, i.Collection)
	}
	props := maps.Clone(i.Properties)
	if props == nil {
		props = Fields{}
	}
	if _, ok := props["datetime"]; !ok {
		return nil, fault.New(fault.Internal, "STAC item %q has no datetime", i.ID)
	}
	for k, v := range props {
		if t, ok := v.(time.Time); ok {
			props[k] = Time(t)
		}
	}
	out := object{"type": "Feature", "stac_version": Version, "id": i.ID, "collection": i.Collection, "geometry": nil,
		"properties": props, "links": links(withCollection(i)), "assets": assets(i.Assets), "stac_extensions": extensions(i.Extensions)}
	if i.Geometry != nil {
		out["geometry"] = i.Geometry
		out["bbox"] = i.BBox
	}
	return out.with(i.Fields)
}

// JSON writes the collection as a complete document, less the links that only its server knows.
func (c Collection) JSON() (json.RawMessage, error) {
	if c.ID == "" || c.Description == "" || len(c.Extent.Spatial) == 0 || len(c.Extent.Temporal) == 0 {
		return nil, fault.New(fault.Internal, "STAC collection %q needs an id, a description and an extent", c.ID)
	}
	license := c.License
	if license == "" {
		license = "other"
	}
	out := object{"type": "Collection", "stac_version": Version, "id": c.ID, "description": c.Description,
		"license": license, "extent": c.Extent.object(), "links": links(c.Links), "stac_extensions": extensions(c.Extensions)}
	out.put("title", c.Title, c.Title != "")
	out.put("keywords", c.Keywords, len(c.Keywords) > 0)
	out.put("providers", c.Providers, len(c.Providers) > 0)
	out.put("summaries", c.Summaries, len(c.Summaries) > 0)
	out.put("assets", assets(c.Assets), len(c.Assets) > 0)
	if len(c.ItemAssets) > 0 {
		items := assets(c.ItemAssets)
		for _, a := range items {
			delete(a, "href")
		}
		out["item_assets"] = items
	}
	return out.with(c.Fields)
}

// JSON writes the catalog as a complete document.
func (c Catalog) JSON() (json.RawMessage, error) {
	out := object{"type": "Catalog", "stac_version": Version, "id": c.ID, "description": c.Description,
		"links": links(c.Links), "stac_extensions": extensions(c.Extensions)}
	out.put("title", c.Title, c.Title != "")
	return out.with(c.Fields)
}

// withCollection adds the link that an item with a collection must have.
func withCollection(i Item) []Link {
	if slices.ContainsFunc(i.Links, func(l Link) bool { return l.Rel == "collection" }) {
		return i.Links
	}
	return append(slices.Clone(i.Links), Link{Rel: "collection", Href: CollectionHref(i.Collection), Type: TypeJSON})
}

func extensions(uris []string) []string {
	out := slices.Clone(uris)
	slices.Sort(out)
	out = slices.Compact(out)
	if out == nil {
		out = []string{}
	}
	return out
}
