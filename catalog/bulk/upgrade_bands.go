package bulk

import "github.com/tidwall/gjson"

// bandFields are the fields of eo:bands and raster:bands that have a prefix in bands; the others keep their names.
var bandFields = map[string]map[string]string{
	"eo:bands": {
		"common_name": "eo:common_name", "center_wavelength": "eo:center_wavelength",
		"full_width_half_max": "eo:full_width_half_max", "solar_illumination": "eo:solar_illumination",
	},
	"raster:bands": {
		"sampling": "raster:sampling", "bits_per_sample": "raster:bits_per_sample", "spatial_resolution": "raster:spatial_resolution",
		"scale": "raster:scale", "offset": "raster:offset", "histogram": "raster:histogram",
	},
}

// upgradeBands merges eo:bands and raster:bands into bands, by their place in the lists, and with lift what all bands
// have in common into the asset they belong to. Lists that hold anything but objects stay as they are.
func upgradeBands(o *object, lift bool) {
	bands, ok := bandsOf(o.get("bands"), nil)
	if !ok {
		return
	}
	at := ""
	for _, name := range []string{"eo:bands", "raster:bands"} {
		more, ok := bandsOf(o.get(name), bandFields[name])
		if !ok {
			return
		}
		if o.has(name) && at == "" {
			at = name
		}
		for i, band := range more {
			if i == len(bands) {
				bands = append(bands, band)
				continue
			}
			for _, m := range band {
				if !bands[i].has(m.name) {
					bands[i] = append(bands[i], m)
				}
			}
		}
	}
	if at == "" {
		return
	}
	if o.has("bands") {
		at = "bands"
	}
	if lift {
		liftCommon(o, bands)
	}
	list := make([]string, len(bands))
	empty := true
	for i, band := range bands {
		list[i] = band.string()
		empty = empty && len(band) == 0
	}
	if i := o.at(at); empty {
		o.drop(at)
	} else {
		(*o)[i] = member{name: "bands", value: listOf(list)}
	}
	o.drop("eo:bands")
	o.drop("raster:bands")
}

// bandsOf reads a list of bands and renames their fields; false is a list of something else.
func bandsOf(raw string, names map[string]string) ([]object, bool) {
	if raw == "" {
		return nil, true
	}
	list, ok := parseList(raw)
	if !ok {
		return nil, false
	}
	bands := make([]object, len(list))
	for i, v := range list {
		if bands[i], ok = parseObject(v); !ok {
			return nil, false
		}
		for k := 0; k < len(bands[i]); k++ {
			if to, moved := names[bands[i][k].name]; moved {
				before := len(bands[i])
				bands[i].move(bands[i][k].name, to)
				k -= before - len(bands[i]) // one that goes, as the new name is there already
			}
		}
	}
	return bands, true
}

// liftCommon takes what is the same in all bands out of them and into the asset, unless that says otherwise. Names and
// descriptions are of a band, and several bands are not left without anything.
func liftCommon(asset *object, bands []object) {
	if len(bands) == 0 {
		return
	}
	var common []member
	for _, m := range bands[0] {
		if m.name == "name" || m.name == "description" || asset.has(m.name) && !sameValue(asset.get(m.name), m.value) {
			continue
		}
		same := true
		for _, band := range bands[1:] {
			same = same && sameValue(band.get(m.name), m.value)
		}
		if same {
			common = append(common, m)
		}
	}
	for _, band := range bands {
		if len(bands) > 1 && len(band) == len(common) {
			return
		}
	}
	for _, m := range common {
		for i := range bands {
			bands[i].drop(m.name)
		}
		asset.set(m.name, m.value)
	}
}

// sameValue reports whether two values are written alike, spaces aside.
func sameValue(a, b string) bool {
	return a == b || a != "" && b != "" && gjson.Get(a, "@ugly").Raw == gjson.Get(b, "@ugly").Raw
}
