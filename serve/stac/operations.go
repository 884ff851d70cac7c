package stac

import (
	"net/http"
	"slices"

	"github.com/terrapin-eo/terrapin/serve/reply"
)

// The parameters that operations take.
var (
	filtering   = []string{"bbox", "intersects", "datetime", "collections", "ids", "filter", "filter-lang", "filter-crs", "query", "q"}
	searching   = slices.Concat([]string{"limit", "token", "sortby", "fields"}, filtering)
	browsing    = slices.Concat([]string{"f"}, searching)
	exporting   = slices.Concat([]string{"sortby", "fields"}, filtering)
	tabling     = slices.Concat([]string{"sortby"}, filtering)
	collecting  = []string{"limit.collections", "token", "sortby", "fields.collections", "bbox", "datetime", "filter", "filter-lang", "filter-crs", "query", "q"}
	aggregating = slices.Concat([]string{"aggregations", "datetime_frequency_interval"}, filtering)
)

// The answers that many operations give.
var (
	found    = []answer{{200, reply.GeoJSON, "itemCollection"}, {200, mediaNDJSON, "lines"}, {200, mediaSeq, "lines"}}
	schema   = []answer{{200, reply.Schema, "jsonSchema"}}
	sums     = []answer{{200, reply.JSON, "aggregationCollection"}}
	done     = []answer{{204, "", ""}}
	replaced = []answer{{201, reply.GeoJSON, "item"}, {204, "", ""}}
)

// operations is the table of the whole API. Fixed paths come before those with names in them.
func operations() []operation {
	return slices.Concat(reading(), asking(), changing())
}

func reading() []operation {
	get := http.MethodGet
	return []operation{
		{method: get, path: "/", id: "getLandingPage", summary: "The landing page: a STAC catalog with links to everything; HTML for browsers", takes: []string{"q.landing", "f"},
			gives: []answer{{200, reply.JSON, "landingPage"}, {200, "text/html", "text"}}, run: (*api).landing},
		{method: get, path: "/conformance", id: "getConformance", summary: "The conformance classes that hold",
			gives: []answer{{200, reply.JSON, "conformance"}}, run: (*api).conformance},
		{method: get, path: "/api", id: "getServiceDesc", summary: "This description, as OpenAPI 3.0",
			gives: []answer{{200, reply.OpenAPI, "document"}}, run: (*api).openAPI},
		{method: get, path: "/api.html", id: "getServiceDoc", summary: "This description, for people",
			gives: []answer{{200, "text/html", "text"}}, run: (*api).apiPage},
		{method: get, path: "/children", id: "getChildren", summary: "What the landing page's child links lead to", takes: []string{"limit.collections", "token", "type"},
			gives: []answer{{200, reply.JSON, "children"}}, run: (*api).children},
		{method: get, path: "/collections", id: "getCollections", summary: "Collections that fulfil all that is asked, in order of their ids", takes: collecting,
			gives: []answer{{200, reply.JSON, "collections"}}, run: (*api).collections},
		{method: get, path: "/collections/{collectionId}", id: "describeCollection", summary: "One collection; HTML for browsers", takes: []string{"f"},
			gives: []answer{{200, reply.JSON, "collection"}, {200, "text/html", "text"}, {304, "", ""}}, run: (*api).oneCollection},
		{method: get, path: "/collections/{collectionId}/items", id: "getFeatures", summary: "A page of a collection's items, newest first; as lines, all of them; HTML for browsers", takes: browsing,
			gives: append(slices.Clone(found), answer{200, "text/html", "text"}), run: (*api).items},
		{method: get, path: "/collections/{collectionId}/items/{featureId}", id: "getFeature", summary: "One item; HTML for browsers", takes: []string{"f"},
			gives: []answer{{200, reply.GeoJSON, "item"}, {200, "text/html", "text"}, {304, "", ""}}, run: (*api).oneItem},
		{method: get, path: "/collections/{collectionId}/items.ndjson", id: "exportLines", summary: "All items of a collection, one a line", kind: sum, takes: exporting,
			gives: []answer{{200, mediaNDJSON, "lines"}}, run: (*api).exportLines},
		{method: get, path: "/collections/{collectionId}/items.parquet", id: "exportTable", summary: "All items of a collection as STAC-GeoParquet", kind: sum, takes: tabling,
			gives: []answer{{200, mediaParquet, "binary"}}, run: (*api).exportTable},
		{method: get, path: "/search", id: "getItemSearch", summary: "A page of items that fulfil all that is asked, newest first; as lines, all of them", takes: searching,
			gives: found, run: (*api).searchGet},
		{method: http.MethodPost, path: "/search", id: "postItemSearch", summary: "The same with the question as a JSON document", sends: "searchBody",
			gives: found, run: (*api).searchPost},
	}
}

func asking() []operation {
	get, post := http.MethodGet, http.MethodPost
	return []operation{
		{method: get, path: "/queryables", id: "getQueryables", summary: "The properties of items that filters may name", takes: []string{"collections"}, gives: schema, run: (*api).queryables},
		{method: get, path: "/sortables", id: "getSortables", summary: "The properties of items to order by", takes: []string{"collections"}, gives: schema, run: (*api).sortables},
		{method: get, path: "/collections/{collectionId}/queryables", id: "getCollectionQueryables", summary: "The properties of a collection's items that filters may name", gives: schema, run: (*api).queryables},
		{method: get, path: "/collections/{collectionId}/sortables", id: "getCollectionSortables", summary: "The properties of a collection's items to order by", gives: schema, run: (*api).sortables},
		{method: get, path: "/collection-queryables", id: "getCollectionSearchQueryables", summary: "The members of collections that filters may name", gives: schema, run: (*api).collectionQueryables},
		{method: get, path: "/collection-sortables", id: "getCollectionSearchSortables", summary: "The members of collections to order by", gives: schema, run: (*api).collectionSortables},
		{method: get, path: "/functions", id: "getFunctions", summary: "The functions that filters may call", gives: []answer{{200, reply.JSON, "functions"}}, run: (*api).functions},
		{method: get, path: "/aggregations", id: "getAggregations", summary: "What can be counted over items", gives: []answer{{200, reply.JSON, "aggregations"}}, run: (*api).aggregations},
		{method: get, path: "/aggregate", id: "getAggregate", summary: "Counts over the items that fulfil all that is asked", kind: sum, takes: aggregating, gives: sums, run: (*api).aggregateGet},
		{method: post, path: "/aggregate", id: "postAggregate", summary: "The same with the question as a JSON document", kind: sum, sends: "aggregateBody", gives: sums, run: (*api).aggregatePost},
		{method: get, path: "/collections/{collectionId}/aggregations", id: "getCollectionAggregations", summary: "What can be counted over a collection's items", gives: []answer{{200, reply.JSON, "aggregations"}}, run: (*api).aggregations},
		{method: get, path: "/collections/{collectionId}/aggregate", id: "getCollectionAggregate", summary: "Counts over a collection's items that fulfil all that is asked", kind: sum, takes: aggregating, gives: sums, run: (*api).aggregateGet},
		{method: post, path: "/collections/{collectionId}/aggregate", id: "postCollectionAggregate", summary: "The same with the question as a JSON document", kind: sum, sends: "aggregateBody", gives: sums, run: (*api).aggregatePost},
	}
}

func changing() []operation {
	post, put, patch, remove := http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	one, many := "/collections/{collectionId}", "/collections/{collectionId}/items/{featureId}"
	return []operation{
		{method: post, path: "/collections", id: "postCollection", summary: "Add a collection, or several of which all or none are added", kind: change, sends: "postedCollections",
			gives: []answer{{201, reply.JSON, "createdCollections"}}, run: (*api).postCollection},
		{method: put, path: one, id: "putCollection", summary: "Replace a collection; its items stay", kind: change, sends: "postedCollection",
			gives: []answer{{201, reply.JSON, "collection"}, {204, "", ""}}, run: (*api).putCollection},
		{method: patch, path: one, id: "patchCollection", summary: "Change members of a collection (RFC 7386, or RFC 6902)", kind: change, sends: "patch", gives: done, run: (*api).patchCollection},
		{method: remove, path: one, id: "deleteCollection", summary: "Remove a collection and its items", kind: change, gives: done, run: (*api).deleteCollection},
		{method: post, path: one + "/items", id: "postFeature", summary: "Add an item, or several of which all or none are added", kind: change, sends: "postedItems",
			gives: []answer{{201, reply.GeoJSON, "createdItems"}}, run: (*api).postItems},
		{method: put, path: many, id: "putFeature", summary: "Replace an item", kind: change, sends: "postedItem", gives: replaced, run: (*api).putItem},
		{method: patch, path: many, id: "patchFeature", summary: "Change members of an item (RFC 7386, or RFC 6902)", kind: change, sends: "patch", gives: done, run: (*api).patchItem},
		{method: remove, path: many, id: "deleteFeature", summary: "Remove an item; an absent one is no error", kind: change, gives: done, run: (*api).deleteItem},
		{method: post, path: one + "/bulk_items", id: "postBulkItems", summary: "Add many items; the good ones stay, and each is reported on", kind: change, sends: "bulkItems",
			gives: []answer{{200, reply.JSON, "bulkReport"}, {207, reply.JSON, "bulkReport"}}, run: (*api).bulkItems},
	}
}
