package stac

import (
	"net/http"
	"slices"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

const itemSchema = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/"

// object is a JSON object that is made here.
type object = map[string]any

// known are the queryables that every item has, beside its properties.
func known() object {
	return object{
		"id":         object{"title": "Item ID", "type": "string", "$ref": itemSchema + "item.json#/definitions/core/allOf/2/properties/id"},
		"collection": object{"title": "Collection ID", "type": "string", "$ref": itemSchema + "item.json#/definitions/core/allOf/2/allOf/0/then/properties/collection"},
		"geometry": object{"title": "Geometry", "type": "object", "format": "geometry-any", "x-ogc-role": "primary-geometry",
			"$ref": "https://geojson.org/schema/Geometry.json"},
		"datetime": object{"title": "Date and time", "type": "string", "format": "date-time", "$ref": itemSchema + "datetime.json#/properties/datetime"},
	}
}

// schemaDocument is a JSON Schema that lists properties. Names that are not listed are properties that no item has
// yet: they may be asked for, and are null.
func (a *api) schemaDocument(w http.ResponseWriter, r *request, title string, properties object) error {
	a.Document(w, r.Request, http.StatusOK, reply.Schema, object{
		"$schema": "https://json-schema.org/draft/2019-09/schema", "$id": reply.Self(r.Request), "type": "object",
		"title": title, "properties": properties, "additionalProperties": true,
	})
	return nil
}

// maxLooked bounds the collections whose properties are asked for at once, each of which is looked up.
const maxLooked = 100

// properties are those that the items of the request's collections have.
func (a *api) properties(r *request) ([]catalog.Queryable, error) {
	of := commas(r.given, "collections")
	if r.collection != "" {
		of = []string{r.collection}
	}
	if len(of) > maxLooked {
		return nil, fault.New(fault.TooLarge, "%d collections are named", len(of)).WithCure("name up to %d at once, or none for all", maxLooked)
	}
	for _, id := range of {
		if _, err := a.Catalog.Collection(r.Context(), a.scope(r.Request), id); err != nil {
			return nil, err
		}
	}
	return a.Catalog.Queryables(r.Context(), a.scope(r.Request), of)
}

func (a *api) queryables(w http.ResponseWriter, r *request) error {
	have, err := a.properties(r)
	if err != nil {
		return err
	}
	properties := known()
	for _, q := range have {
		if _, ok := properties[q.Name]; !ok {
			properties[q.Name] = described(q)
		}
	}
	return a.schemaDocument(w, r, "Properties that filters may name", properties)
}

func (a *api) sortables(w http.ResponseWriter, r *request) error {
	have, err := a.properties(r)
	if err != nil {
		return err
	}
	properties := known()
	delete(properties, "geometry")
	for _, q := range have {
		if _, ok := properties[q.Name]; !ok && !slices.Contains(q.Types, "array") && !slices.Contains(q.Types, "object") {
			properties[q.Name] = described(q)
		}
	}
	return a.schemaDocument(w, r, "Properties to order by", properties)
}

func described(q catalog.Queryable) object {
	out := object{"title": q.Name}
	if len(q.Types) == 1 {
		out["type"] = q.Types[0]
	} else {
		out["type"] = q.Types
	}
	if q.Format != "" {
		out["format"] = q.Format
	}
	return out
}

// collectionMembers are what is known of every collection; others that a collection has may be named too.
func collectionMembers() object {
	text := func(title string) object { return object{"title": title, "type": "string"} }
	return object{"id": text("Collection ID"), "title": text("Title"), "description": text("Description"), "license": text("License")}
}

func (a *api) collectionQueryables(w http.ResponseWriter, r *request) error {
	members := collectionMembers()
	members["keywords"] = object{"title": "Keywords", "type": "array", "items": object{"type": "string"}}
	members["geometry"] = object{"title": "Spatial extent", "type": "object", "format": "geometry-any", "$ref": "https://geojson.org/schema/Polygon.json"}
	return a.schemaDocument(w, r, "Members of collections that filters may name", members)
}

func (a *api) collectionSortables(w http.ResponseWriter, r *request) error {
	return a.schemaDocument(w, r, "Members of collections to order by", collectionMembers())
}

// functions lists what filters may call, as OGC API Features part 3 describes it.
func (a *api) functions(w http.ResponseWriter, r *request) error {
	type argument struct {
		Title string   `json:"title"`
		Type  []string `json:"type"`
	}
	type function struct {
		Name        string     `json:"name"`
		Description string     `json:"description"`
		Arguments   []argument `json:"arguments"`
		Returns     []string   `json:"returns"`
	}
	out := []function{}
	for _, f := range cql2.Functions() {
		out = append(out, function{f.Name, f.Description, []argument{{"value", []string{typeName(f.Argument)}}}, []string{typeName(f.Returns)}})
	}
	a.Document(w, r.Request, http.StatusOK, reply.JSON, object{
		"functions": out, "links": []link{{Rel: "self", Href: reply.Self(r.Request), Type: reply.JSON}, rootLink(r.at)},
	})
	return nil
}

// typeName is a type as the standard's document of functions names it.
func typeName(t cql2.Type) string {
	switch t {
	case cql2.NumberType:
		return "number"
	case cql2.BoolType:
		return "boolean"
	case cql2.MomentType:
		return "datetime"
	case cql2.GeometryType:
		return "geometry"
	}
	return "string"
}
