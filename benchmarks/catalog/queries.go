package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"
)

// query is one request; Body, if there is one, is JSON and makes it a POST, Delete a DELETE.
type query struct {
	Path, Body string
	Delete     bool
}

// answer is what a query gave: ids in order, and beside each what the page is sorted by, so that two servers that
// order equal keys differently can be told from two that find different things.
type answer struct {
	IDs  []string  `json:"ids"`
	Keys []float64 `json:"keys,omitempty"`
}

// testCase is a kind of request; its queries are drawn from the seed, the same for every server.
type testCase struct {
	name, what string
	queries    []query
	read       func(body []byte) (answer, error)
}

const perCase = 40

// cases are what the issue "Catalog and STAC API" names, except paging and mixed load, which have files of their own.
func (d *dataset) cases() []testCase {
	return []testCase{
		{"lookup", "GET an item by its id", d.lookups(400), readItem},
		{"bbox-datetime", "box of 0.2 to 30 degrees, a month to five years, newest first, limit 100", d.boxes(perCase), newest},
		{"cloud", "CQL2 eo:cloud_cover below 7 to 10, all and each collection with clouds, least cloud first, limit 100", d.clouds(), leastCloud},
		{"intersects", "polygon of seven corners, 1 to 15 degrees, newest first, limit 100", d.polygons(perCase), newest},
		{"page", "the newest 100 items, all and each collection", d.pages(), newest},
		{"collections", "GET the collections", []query{{Path: "/collections"}}, readCollections},
		{"months", "aggregation: items per month", []query{{Path: "/aggregate?aggregations=datetime_frequency&datetime_frequency_interval=month"}}, readMonths},
	}
}

func (d *dataset) draw(n uint64, what int, j int) float64 {
	return unit(d.seed, n, uint64(what), uint64(j), 99)
}

func (d *dataset) lookups(n int) (out []query) {
	for j := range n {
		c, id := d.name(int(d.draw(1, 0, j) * float64(d.n)))
		out = append(out, query{Path: "/collections/" + c + "/items/" + url.PathEscape(id)})
	}
	return out
}

// around draws a place where there are items, and a size that grows geometrically over the queries.
func (d *dataset) around(n uint64, j, of int, least, most float64) (x, y, size float64) {
	_, _, c, _ := d.place(int(d.draw(n, 1, j) * float64(d.n)))
	size = least * math.Pow(most/least, float64(j)/float64(of-1))
	return (c.west + c.east) / 2, (c.south + c.north) / 2, size
}

func (d *dataset) boxes(n int) (out []query) {
	lengths := []time.Duration{30 * 24 * time.Hour, 180 * 24 * time.Hour, 365 * 24 * time.Hour, 5 * 365 * 24 * time.Hour}
	for j := range n {
		x, y, size := d.around(2, j, n, 0.2, 30)
		length := lengths[j%len(lengths)]
		from := begin.Add(time.Duration(d.draw(2, 2, j) * float64(span-length))).Truncate(time.Second)
		v := url.Values{}
		v.Set("bbox", fmt.Sprintf("%.4f,%.4f,%.4f,%.4f", max(-180, x-size/2), max(-90, y-size/2), min(180, x+size/2), min(90, y+size/2)))
		v.Set("datetime", from.Format(time.RFC3339)+"/"+from.Add(length).Format(time.RFC3339))
		v.Set("sortby", "-properties.datetime")
		v.Set("limit", "100")
		out = append(out, query{Path: "/search?" + v.Encode()})
	}
	return out
}

func (d *dataset) clouds() (out []query) {
	for j := range 4 * len(kinds) { // openEO's kind, the last, has no clouds
		body := map[string]any{
			"limit": 100, "filter-lang": "cql2-json",
			"filter": map[string]any{"op": "<", "args": []any{map[string]string{"property": "eo:cloud_cover"}, 10 - j%4}},
			"sortby": []any{map[string]string{"field": "properties.eo:cloud_cover", "direction": "asc"}},
		}
		out = append(out, post(withCollection(body, j/4)))
	}
	return out
}

// withCollection asks for one collection, or for all where k is 0.
func withCollection(body map[string]any, k int) map[string]any {
	if k > 0 {
		body["collections"] = []string{kinds[k-1].id}
	}
	return body
}

func post(body map[string]any) query {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // made of plain maps above
	}
	return query{Path: "/search", Body: string(text)}
}

func (d *dataset) polygons(n int) (out []query) {
	newestFirst := []any{map[string]string{"field": "properties.datetime", "direction": "desc"}}
	for j := range n {
		x, y, size := d.around(3, j, n, 1, 15)
		var ring [][2]float64
		for k := range 7 {
			angle, r := 2*math.Pi*float64(k)/7, size/2*(0.5+0.5*d.draw(3, 10+k, j))
			ring = append(ring, [2]float64{math.Round((x+r*math.Cos(angle))*1e4) / 1e4, math.Round((y+r*math.Sin(angle))*1e4) / 1e4})
		}
		polygon := map[string]any{"type": "Polygon", "coordinates": [][][2]float64{append(ring, ring[0])}}
		out = append(out, post(map[string]any{"limit": 100, "intersects": polygon, "sortby": newestFirst}))
	}
	return out
}

func (d *dataset) pages() (out []query) {
	for k := range len(kinds) + 1 {
		path := "/search?limit=100&sortby=-properties.datetime"
		if k > 0 {
			path += "&collections=" + kinds[k-1].id
		}
		out = append(out, query{Path: path})
	}
	return out
}

// feature is what a comparison needs of an item.
type feature struct {
	ID         string `json:"id"`
	Collection string `json:"collection"`
	Properties struct {
		Datetime time.Time `json:"datetime"`
		Cloud    float64   `json:"eo:cloud_cover"`
	} `json:"properties"`
}

func readItem(body []byte) (answer, error) {
	var f feature
	err := json.Unmarshal(body, &f)
	return answer{IDs: []string{f.Collection + "/" + f.ID}}, err
}

func newest(body []byte) (answer, error) {
	return readFeatures(body, func(f feature) float64 { return float64(f.Properties.Datetime.UnixMilli()) })
}

func leastCloud(body []byte) (answer, error) {
	return readFeatures(body, func(f feature) float64 { return f.Properties.Cloud })
}

func readFeatures(body []byte, key func(feature) float64) (answer, error) {
	var page struct {
		Features []feature `json:"features"`
	}
	err := json.Unmarshal(body, &page)
	out := answer{IDs: []string{}}
	for _, f := range page.Features {
		out.IDs, out.Keys = append(out.IDs, f.Collection+"/"+f.ID), append(out.Keys, key(f))
	}
	return out, err
}

func readCollections(body []byte) (answer, error) {
	var page struct{ Collections []feature }
	err := json.Unmarshal(body, &page)
	var out answer
	for _, c := range page.Collections {
		out.IDs, out.Keys = append(out.IDs, c.ID), append(out.Keys, 0) // in any order
	}
	return out, err
}

func readMonths(body []byte) (answer, error) {
	var doc struct {
		Aggregations []struct {
			Buckets []struct {
				Key       string
				Frequency int
			}
		}
	}
	err := json.Unmarshal(body, &doc)
	var out answer
	for _, a := range doc.Aggregations {
		for _, b := range a.Buckets {
			out.IDs = append(out.IDs, b.Key[:min(7, len(b.Key))]+"="+strconv.Itoa(b.Frequency))
		}
	}
	return out, err
}
