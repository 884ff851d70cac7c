package labels

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// candidate is a polygon feature as read, before its class has a value.
type candidate struct {
	feature
	name   string // the class as a name, or
	number int64  // as a number
	named  bool
}

const toLonLat = "convert it: ogr2ogr -f GeoJSON -t_srs EPSG:4326 -lco RFC7946=YES OUT.geojson %s"

// foreign GeoJSON, as loosely typed as it comes.
type foreignObject struct {
	Type     string            `json:"type"`
	CRS      json.RawMessage   `json:"crs"`
	Features []json.RawMessage `json:"features"`
}

type foreignFeature struct {
	Type       string           `json:"type"`
	ID         json.RawMessage  `json:"id"`
	Geometry   *foreignGeometry `json:"geometry"`
	Properties json.RawMessage  `json:"properties"`
}

type foreignGeometry struct {
	Type        string            `json:"type"`
	Coordinates json.RawMessage   `json:"coordinates"`
	Geometries  []foreignGeometry `json:"geometries"`
}

// readGeoJSON reads the features of a file. Bad ones are rejected one by one; an error means that
// the file as a whole cannot be used.
func readGeoJSON(data []byte, source, property string) (good []candidate, bad []Rejection, err error) {
	var top foreignObject
	if err := json.Unmarshal(data, &top); err != nil {
		return nil, nil, fault.New(fault.Invalid, "the file is no JSON: %s", whereJSON(data, err)).
			WithCure("export it again, or check it with: python3 -m json.tool %s", source)
	}
	if err := checkCRS(top.CRS, source); err != nil {
		return nil, nil, err
	}
	raw := top.Features
	switch top.Type {
	case "FeatureCollection":
	case "Feature":
		raw = []json.RawMessage{data}
	default:
		return nil, nil, fault.New(fault.Invalid, "the file's type is %q, not a GeoJSON FeatureCollection or Feature", top.Type).
			WithCure("convert it: ogr2ogr -f GeoJSON OUT.geojson %s", source)
	}
	if len(raw) == 0 {
		return nil, nil, fault.New(fault.Invalid, "the file holds no feature").WithCure("export it again with its features")
	}
	seen := map[string]int{}
	for i, r := range raw {
		id := "#" + strconv.Itoa(i)
		c, err := readFeature(r, &id, source, property)
		if first, twice := seen[id]; twice && err == nil {
			err = fault.New(fault.Invalid, "the id was used before, by feature #%d of the file", first).
				WithCure("give every feature an id of its own, or none: then they are counted")
		}
		if err != nil {
			bad = append(bad, reject(source, id, err))
			continue
		}
		seen[id] = i
		good = append(good, c)
	}
	return good, bad, nil
}

// readFeature reads one feature; id is set as soon as it is known.
func readFeature(raw json.RawMessage, id *string, source, property string) (candidate, error) {
	var f foreignFeature
	if err := json.Unmarshal(raw, &f); err != nil {
		return candidate{}, fault.New(fault.Invalid, "the feature does not parse: %w", err).WithCure("export it again")
	}
	if f.Type != "Feature" {
		return candidate{}, fault.New(fault.Invalid, "its type is %q, not Feature", f.Type).WithCure("export it as GeoJSON features")
	}
	properties := map[string]json.RawMessage{}
	if len(f.Properties) > 0 {
		if err := json.Unmarshal(f.Properties, &properties); err != nil {
			return candidate{}, fault.New(fault.Invalid, "its properties are no JSON object: %w", err).WithCure("export it again")
		}
	}
	for _, from := range []json.RawMessage{f.ID, properties["id"], properties["fid"]} {
		if s := scalar(from); s != "" {
			*id = s
			break
		}
	}
	c := candidate{feature: feature{Source: source, ID: *id}}
	if len(properties) > 0 {
		c.Attributes = compact(f.Properties)
	}
	if f.Geometry == nil {
		return c, fault.New(fault.Invalid, "it has no geometry").WithCure("draw it as a polygon or leave it out")
	}
	var err error
	if c.Shape, err = readShape(*f.Geometry, source, 0); err != nil {
		return c, err
	}
	if err := c.Shape.check(); err != nil {
		return c, err
	}
	return c, c.readClass(properties, property)
}

// readClass takes the class from the properties: a whole number as it is, or a name.
func (c *candidate) readClass(properties map[string]json.RawMessage, property string) error {
	wanted := []string{"class", "label"}
	if property != "" {
		wanted = []string{property}
	}
	var raw json.RawMessage
	for _, p := range wanted {
		if v, ok := properties[p]; ok && string(v) != "null" {
			raw, property = v, p
			break
		}
	}
	if raw == nil {
		names := make([]string, 0, len(properties))
		for n := range properties {
			names = append(names, n)
		}
		slices.Sort(names)
		return fault.New(fault.Invalid, "it has no class: property %s is missing or null; it has %s",
			strings.Join(wanted, " or "), listOf(names)).WithCure("name the property that holds the class: --class-property NAME")
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if c.name = strings.TrimSpace(text); c.name == "" {
			return fault.New(fault.Invalid, "its class (property %s) is empty", property).WithCure("give it a class or leave it out")
		}
		c.named = true
		return nil
	}
	var v float64
	if json.Unmarshal(raw, &v) != nil || v != math.Trunc(v) || math.Abs(v) > maxClass {
		return fault.New(fault.Invalid, "its class (property %s) is %s, neither a whole number nor a name", property, raw).
			WithCure("give a whole number or a name")
	}
	c.number = int64(v)
	return nil
}

// readShape gathers the polygons of a geometry.
func readShape(g foreignGeometry, source string, depth int) (shape, error) {
	switch g.Type {
	case "Polygon":
		return readPositions(g.Coordinates, true, source)
	case "MultiPolygon":
		return readPositions(g.Coordinates, false, source)
	case "GeometryCollection":
		if depth > 8 {
			return nil, fault.New(fault.Invalid, "geometry collections are nested too deeply").WithCure(fixGeometry)
		}
		var s shape
		for _, part := range g.Geometries {
			p, err := readShape(part, source, depth+1)
			if err != nil {
				return nil, err
			}
			s = append(s, p...)
		}
		return s, nil
	case "Point", "MultiPoint", "LineString", "MultiLineString":
		return nil, fault.New(fault.Invalid, "a %s covers no area, so that no pixel can be labelled by it", g.Type).
			WithCure("give polygons, for instance with a buffer: ogr2ogr -f GeoJSON OUT.geojson %s -dialect sqlite -sql 'SELECT ST_Buffer(geometry, 0.0001), * FROM layer'", source)
	}
	return nil, fault.New(fault.Invalid, "its geometry is a %q, not a Polygon, MultiPolygon or GeometryCollection of them", g.Type).
		WithCure("convert it to polygons")
}

// polygons are coordinates as they come: a position may have a height, or be too short.
type polygons [][][][]float64

// readPositions decodes coordinates and refuses positions that are no longitude and latitude. A
// height is dropped.
func readPositions(raw json.RawMessage, single bool, source string) (shape, error) {
	var in polygons
	var err error
	if single {
		in = make(polygons, 1)
		err = json.Unmarshal(raw, &in[0])
	} else {
		err = json.Unmarshal(raw, &in)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "its coordinates do not parse: %w", err).WithCure("export it again as GeoJSON")
	}
	out := make(shape, len(in))
	for i, p := range in {
		out[i] = make([][][2]float64, len(p))
		for k, ring := range p {
			for _, q := range ring {
				if len(q) < 2 {
					return nil, fault.New(fault.Invalid, "a position has %d coordinates, not longitude and latitude", len(q)).
						WithCure("export it again as GeoJSON")
				}
				if math.Abs(q[0]) > 180 || math.Abs(q[1]) > 90 {
					return nil, fault.New(fault.Invalid, "position %s, %s is no longitude, latitude: GeoJSON is in WGS 84 degrees",
						decimal(q[0]), decimal(q[1])).WithCure(toLonLat, source)
				}
				out[i][k] = append(out[i][k], [2]float64{q[0], q[1]})
			}
		}
	}
	return out, nil
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// lonLat are the names under which older writers declare what RFC 7946 takes for granted.
var lonLat = []string{
	"urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84", "CRS84",
	"urn:ogc:def:crs:EPSG::4326", "EPSG:4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
}

// checkCRS accepts a crs member that says longitude and latitude and refuses every other one.
func checkCRS(raw json.RawMessage, source string) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var member struct {
		Properties struct {
			Name string `json:"name"`
		} `json:"properties"`
	}
	_ = json.Unmarshal(raw, &member) // a crs of another form has no name and is refused below
	for _, n := range lonLat {
		if strings.EqualFold(member.Properties.Name, n) {
			return nil
		}
	}
	name := member.Properties.Name
	if name == "" {
		name = string(compact(raw))
	}
	return fault.New(fault.Invalid, "its crs member says %s, but GeoJSON is in WGS 84 longitude and latitude (RFC 7946)", name).
		WithCure(toLonLat, source)
}

// scalar writes an id that is a string or a number; anything else is "".
func scalar(raw json.RawMessage) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if len(raw) == 0 || dec.Decode(&v) != nil {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// whereJSON adds line and column to a syntax error.
func whereJSON(data []byte, err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var offset int64
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return err.Error()
	}
	before := data[:min(int(offset), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Sprintf("line %d, column %d: %s", line, column, err)
}

func listOf(names []string) string {
	if len(names) == 0 {
		return "none at all"
	}
	if len(names) > 12 {
		return strings.Join(names[:12], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
