package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// kind is one collection of the benchmark, made of the real items of one folder.
type kind struct {
	id         string
	collection string   // its document in the folder of templates
	items      []string // patterns of its templates there
	share      int      // of 20 items
	scale      float64  // edge of a footprint in cells
	platforms  []string
	file       int // which of the two files holds its items: pgstac loads fastest with a process per file
}

var kinds = []kind{
	{"sentinel-2-l1c", "sentinel2-items/sentinel2-l1c-example/collection.json",
		[]string{"sentinel2-items/sentinel2-l1c-example/*/*.json", "sentinel2-items/S2A_OPER_MSI_L1C*.json"},
		6, 1.1, []string{"sentinel-2a", "sentinel-2b", "sentinel-2c"}, 1},
	{"sentinel-2-l2a", "sentinel2-items/sentinel2-l2a-example/collection.json",
		[]string{"sentinel2-items/sentinel2-l2a-example/*/*.json", "sentinel2-items/S2?_MSIL2A*.json"},
		4, 1.1, []string{"sentinel-2a", "sentinel-2b", "sentinel-2c"}, 0},
	{"landsat-c2-l1", "landsat-items/landsat-c2-l1/collection.json",
		[]string{"landsat-items/landsat-c2-l1/*/*.json"}, 4, 1.8, []string{"landsat-7", "landsat-8", "landsat-9"}, 0},
	{"landsat-c2-l2", "landsat-items/landsat-c2-l2/collection.json",
		[]string{"landsat-items/landsat-c2-l2/*/*.json"}, 3, 1.8, []string{"landsat-7", "landsat-8", "landsat-9"}, 1},
	{"openeo-s2", "openeo-s2-catalog/collection.json",
		[]string{"openeo-s2-catalog/*.tif.json"}, 3, 0.02, nil, 1},
}

// template is a real item, cut where the made ones differ: parts[i] stands before the value named fields[i].
type template struct {
	parts  [][]byte
	fields []string
	idForm string // the real id with fields in it
	ring   [][2]float64
}

var (
	mark      = regexp.MustCompile(`"@#\{(\w+)\}"|@\{(\w+)\}`)
	tileInID  = regexp.MustCompile(`T(\d\d[A-Z]{3})`)
	dayInID   = regexp.MustCompile(`_(\d{8})`)
	pathInID  = regexp.MustCompile(`_(\d{6})_`)
	isoInID   = regexp.MustCompile(`_(\d{4}-\d\d-\d\d)Z`)
	clockInID = regexp.MustCompile(`(\d{8})T\d{6}`)
)

// readTemplates reads the real items of a kind and the collection document made of its folder's.
func readTemplates(dir string, k kind) ([]*template, []byte, error) {
	var out []*template
	var ring [][2]float64
	for _, pattern := range k.items {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, nil, err
		}
		for _, path := range paths {
			t, err := readTemplate(path, k)
			if err != nil {
				return nil, nil, fmt.Errorf("template %s: %w", path, err)
			}
			out = append(out, t)
			if t.ring != nil && ring == nil {
				ring = t.ring
			}
		}
	}
	if len(out) == 0 {
		return nil, nil, fmt.Errorf("no real items for %s below %s: name a folder with sentinel2-items, landsat-items and openeo-s2-catalog (--templates DIR)", k.id, dir)
	}
	for _, t := range out {
		if t.ring == nil {
			t.ring = ring
		}
		if t.ring == nil {
			t.ring = [][2]float64{{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}}
		}
	}
	doc, err := readCollection(filepath.Join(dir, k.collection), k)
	return out, doc, err
}

func readTemplate(path string, k kind) (*template, error) {
	item, err := readObject(path)
	if err != nil {
		return nil, err
	}
	id, _ := item["id"].(string)
	props, _ := item["properties"].(map[string]any)
	if id == "" || props == nil {
		return nil, errors.New("not an item")
	}
	t := &template{ring: shape(item["geometry"])}
	item["id"], item["collection"] = "@{id}", k.id
	item["geometry"], item["bbox"] = "@#{geometry}", "@#{bbox}"
	for key, value := range map[string]string{
		"datetime": "@{datetime}", "eo:cloud_cover": "@#{cloud}", "platform": "@{platform}", "proj:epsg": "@#{epsg}",
		"proj:code": "EPSG:@{epsg}", "grid:code": "MGRS-@{tile}", "mgrs:utm_zone": "@#{zone}", "mgrs:latitude_band": "@{band}",
		"mgrs:grid_square": "@{square}", "landsat:wrs_path": "@{path}", "landsat:wrs_row": "@{row}",
	} {
		if _, has := props[key]; has && (key != "platform" || k.platforms != nil) {
			props[key] = value
		}
	}
	item["links"] = foreignLinks(item["links"])
	absolute(item["assets"], "https://archive.example.com/"+k.id+"/")
	text, err := compact(item)
	if err != nil {
		return nil, err
	}
	text, t.idForm = general(id, text), general(id, id)
	if k.id == "openeo-s2" {
		t.idForm = strings.Replace(t.idForm, "openEO_", "openEO_@{tile}_", 1)
	}
	t.cut(text)
	return t, nil
}

// general puts fields where the text repeats the tile, the day or the path and row that the id names.
func general(id, text string) string {
	if m := tileInID.FindStringSubmatch(id); m != nil {
		text = strings.ReplaceAll(text, m[1], "@{tile}")
	}
	if m := pathInID.FindStringSubmatch(id); m != nil {
		text = strings.ReplaceAll(text, m[1], "@{path}@{row}")
	}
	if m := isoInID.FindStringSubmatch(id); m != nil {
		text = strings.ReplaceAll(text, m[1], "@{isoday}")
	}
	if m := dayInID.FindStringSubmatch(id); m != nil {
		text = clockInID.ReplaceAllStringFunc(text, func(s string) string {
			if strings.HasPrefix(s, m[1]) {
				return "@{day}T@{clock}"
			}
			return s
		})
		text = strings.ReplaceAll(text, m[1], "@{day}")
	}
	return text
}

func (t *template) cut(text string) {
	at := 0
	for _, m := range mark.FindAllStringSubmatchIndex(text, -1) {
		name := ""
		for _, group := range [2]int{2, 4} {
			if m[group] >= 0 {
				name = text[m[group]:m[group+1]]
			}
		}
		t.parts, t.fields, at = append(t.parts, []byte(text[at:m[0]])), append(t.fields, name), m[1]
	}
	t.parts = append(t.parts, []byte(text[at:]))
}

// foreignLinks keeps what an author wrote: a server writes the links between its own resources itself.
func foreignLinks(links any) []any {
	out := []any{}
	list, _ := links.([]any)
	for _, l := range list {
		link, _ := l.(map[string]any)
		switch link["rel"] {
		case "self", "root", "parent", "collection", "item", nil:
		default:
			out = append(out, link)
		}
	}
	return out
}

// absolute gives relative hrefs a base: the examples' own files lie beside them, an archive's do not.
func absolute(assets any, base string) {
	all, _ := assets.(map[string]any)
	for _, a := range all {
		asset, _ := a.(map[string]any)
		href, _ := asset["href"].(string)
		if href != "" && !strings.Contains(href, "://") {
			for strings.HasPrefix(href, "../") || strings.HasPrefix(href, "./") {
				href = href[strings.Index(href, "/")+1:]
			}
			asset["href"] = base + strings.TrimPrefix(href, "tests/data-files/")
		}
	}
}

// shape is the outer ring of a polygon in the unit square of its bounds; nil for anything else.
func shape(geometry any) [][2]float64 {
	g, _ := geometry.(map[string]any)
	rings, _ := g["coordinates"].([]any)
	if g["type"] != "Polygon" || len(rings) == 0 {
		return nil
	}
	points, _ := rings[0].([]any)
	lo, hi := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	var out [][2]float64
	for _, p := range points {
		xy, _ := p.([]any)
		if len(xy) < 2 {
			return nil
		}
		var v [2]float64
		for i := range v {
			number, _ := xy[i].(json.Number)
			v[i], _ = number.Float64()
			lo[i], hi[i] = min(lo[i], v[i]), max(hi[i], v[i])
		}
		out = append(out, v)
	}
	for i := range out {
		for j := range out[i] {
			out[i][j] = (out[i][j] - lo[j]) / (hi[j] - lo[j])
		}
	}
	return out
}

func readCollection(path string, k kind) ([]byte, error) {
	doc, err := readObject(path)
	if err != nil {
		return nil, err
	}
	doc["id"], doc["links"] = k.id, foreignLinks(doc["links"])
	doc["extent"] = map[string]any{
		"spatial":  map[string]any{"bbox": [][]float64{{-180, -90, 180, 90}}},
		"temporal": map[string]any{"interval": [][]any{{begin.Format("2006-01-02T15:04:05Z"), nil}}},
	}
	text, err := compact(doc)
	return []byte(text), err
}

func readObject(path string) (map[string]any, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	out := map[string]any{}
	return out, dec.Decode(&out)
}

func compact(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}
