package stac

import "slices"

const (
	stacAPI   = "https://api.stacspec.org/"
	ogcAPI    = "http://www.opengis.net/spec/"
	cql2Class = ogcAPI + "cql2/1.0/conf/"
)

// conformsTo lists the classes that hold, each with its version: what clients look for is the exact address.
// Browseable is not among them: it asks for item links to each item, and a collection has an items link to pages of them.
var conformsTo = slices.Concat(
	each(stacAPI+"v1.0.0/", "core", "collections", "ogcapi-features", "item-search"),
	each(ogcAPI+"ogcapi-features-1/1.0/conf/", "core", "geojson", "oas30"),
	each(stacAPI+"v1.0.0/", "item-search#filter"),
	each(ogcAPI+"ogcapi-features-3/1.0/conf/", "filter", "features-filter", "queryables"),
	each(cql2Class, "cql2-text", "cql2-json", "basic-cql2", "advanced-comparison-operators", "case-insensitive-comparison", "accent-insensitive-comparison",
		"basic-spatial-functions", "basic-spatial-functions-plus", "spatial-functions", "temporal-functions", "array-functions", "property-property",
		"functions", "arithmetic"),
	// Clients of the older version ask for that by its address alone.
	each(stacAPI+"v1.1.0/", "item-search#sort", "ogcapi-features#sort", "collection-search#sort", "item-search#sortables", "collection-search#sortables"),
	each(stacAPI+"v1.0.0/", "item-search#sort", "ogcapi-features#sort", "collection-search#sort"),
	each(ogcAPI+"ogcapi-features-5/1.0/conf/", "sortables"),
	each(stacAPI+"v1.0.0/", "item-search#fields", "ogcapi-features#fields", "item-search#query", "ogcapi-features#query"),
	each(stacAPI+"v0.3.0/", "aggregation", "aggregation#query", "aggregation#filter"),
	each(stacAPI+"v1.0.0-rc.1/", "collection-search", "collection-search#filter", "collection-search#query", "collection-search#sort", "collection-search#fields",
		"collection-search#free-text", "collection-search#advanced-free-text", "item-search#free-text", "item-search#advanced-free-text",
		"ogcapi-features#free-text", "ogcapi-features#advanced-free-text"),
	each(ogcAPI+"ogcapi-common-2/1.0/conf/", "simple-query"),
	each(stacAPI+"v1.0.0-rc.2/", "children", "children#type-filter", "language"),
	each(stacAPI+"v1.0.0/", "ogcapi-features/extensions/transaction", "collections/extensions/transaction"),
)

func each(prefix string, classes ...string) []string {
	out := make([]string, len(classes))
	for i, class := range classes {
		out[i] = prefix + class
	}
	return out
}
