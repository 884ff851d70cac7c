package stac

import (
	"encoding/json"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// object is a JSON object in the making.
type object map[string]any

func (o object) put(key string, value any, given bool) {
	if given {
		o[key] = value
	}
}

// add writes further members; a member that is already there wins.
func (o object) add(f Fields) object {
	for k, v := range f {
		if _, taken := o[k]; !taken {
			o[k] = v
		}
	}
	return o
}

func (o object) with(f Fields) (json.RawMessage, error) {
	data, err := json.Marshal(o.add(f))
	if err != nil {
		return nil, fault.New(fault.Internal, "write the STAC document %v: %w", o["id"], err)
	}
	return data, nil
}

func links(in []Link) []object {
	out := make([]object, 0, len(in))
	for _, l := range in {
		o := object{"rel": l.Rel, "href": l.Href}
		o.put("type", l.Type, l.Type != "")
		o.put("title", l.Title, l.Title != "")
		out = append(out, o.add(l.Fields))
	}
	return out
}

func assets(in map[string]Asset) map[string]object {
	out := make(map[string]object, len(in))
	for name, a := range in {
		o := object{"href": a.Href}
		o.put("type", a.Type, a.Type != "")
		o.put("title", a.Title, a.Title != "")
		o.put("description", a.Description, a.Description != "")
		o.put("roles", a.Roles, len(a.Roles) > 0)
		o.put("bands", Bands(a.Bands), len(a.Bands) > 0)
		out[name] = o.add(a.Fields)
	}
	return out
}

// Bands writes bands for a place that no typed field covers, such as an item's properties.
func Bands(in []Band) []map[string]any {
	out := make([]map[string]any, 0, len(in))
	for _, b := range in {
		o := object{}
		o.put("name", b.Name, b.Name != "")
		o.put("description", b.Description, b.Description != "")
		o.put("data_type", b.DataType, b.DataType != "")
		if b.Nodata != nil {
			o["nodata"] = Number(*b.Nodata)
		}
		out = append(out, o.add(b.Fields))
	}
	return out
}

// Number writes a value as STAC does: JSON has no NaN and no infinity, STAC has words for them.
func Number(v float64) any {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	return v
}

func (e Extent) object() object {
	intervals := make([][2]any, 0, len(e.Temporal))
	for _, i := range e.Temporal {
		intervals = append(intervals, timePair(i[0], i[1]))
	}
	return object{"spatial": object{"bbox": e.Spatial}, "temporal": object{"interval": intervals}}
}

func escape(segment string) string { return url.PathEscape(segment) }

func escapePath(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// timePair writes an interval; an open end is null.
func timePair(ends ...*time.Time) (out [2]any) {
	for i, t := range ends {
		if t != nil {
			out[i] = Time(*t)
		}
	}
	return out
}
