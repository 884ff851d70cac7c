package bulk

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/tree"
)

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

// manyFields bounds what a band may have: fields are looked up in one band for each of another.
const manyFields = 256

// upgradeBands merges eo:bands and raster:bands into bands, by their place in the lists, and with lift what all bands
// have in common into the asset they belong to. Lists that hold anything but objects stay as they are.
func upgradeBands(t *tree.Tree, o tree.Node, lift bool) {
	eo, raster, now := t.Get(o, "eo:bands"), t.Get(o, "raster:bands"), t.Get(o, "bands")
	if eo == tree.None && raster == tree.None || !areBands(t, eo) || !areBands(t, raster) || !areBands(t, now) {
		return
	}
	var known uint64
	var before merge
	if lift && now == tree.None {
		if known = bandsHash(t, eo, raster); known != 0 {
			if merges.apply(t, o, eo, raster, known) {
				return
			}
			before.eo, before.raster = string(t.Raw(eo)), string(t.Raw(raster))
		}
	}
	last := t.Last(o)
	bands := parts(t, now)
	at := "bands"
	for _, list := range []struct {
		name string
		at   tree.Node
	}{{"raster:bands", raster}, {"eo:bands", eo}} {
		if now == tree.None && list.at != tree.None {
			at = list.name
		}
	}
	bands = mergedBands(t, bands, renamed(t, eo, bandFields["eo:bands"]))
	bands = mergedBands(t, bands, renamed(t, raster, bandFields["raster:bands"]))
	fresh := !lift || liftCommon(t, o, bands)
	empty := true
	for _, band := range bands {
		t.Touch(band)
		empty = empty && t.First(band) == tree.None
	}
	lifted := t.Members(t.Next(last))
	if empty {
		t.Drop(o, at)
	} else {
		now = t.Get(o, at)
		t.Rename(now, "bands")
		t.SetList(now, bands)
	}
	t.Drop(o, "eo:bands")
	t.Drop(o, "raster:bands")
	if known != 0 && fresh {
		before.bands, before.lifted = string(t.Raw(now)), lifted
		merges.keep(known, &before)
	}
}

// areBands reports whether a member is a list of bands, or missing.
func areBands(t *tree.Tree, list tree.Node) bool {
	switch {
	case list == tree.None:
		return true
	case t.Kind(list) != tree.List || t.Opaque(list):
		return false
	}
	for band := t.First(list); band != tree.None; band = t.Next(band) {
		if t.Kind(band) != tree.Object || count(t, band) > manyFields {
			return false
		}
	}
	return true
}

func count(t *tree.Tree, in tree.Node) (n int) {
	for one := t.First(in); one != tree.None; one = t.Next(one) {
		n++
	}
	return n
}

// parts are those of a list.
func parts(t *tree.Tree, in tree.Node) []tree.Node {
	out := make([]tree.Node, 0, 4)
	for one := t.First(in); one != tree.None; one = t.Next(one) {
		out = append(out, one)
	}
	return out
}

// renamed are the bands of a list, their fields renamed; one goes where the new name is there already.
func renamed(t *tree.Tree, list tree.Node, names map[string]string) []tree.Node {
	bands := parts(t, list)
	for _, band := range bands {
		for field := t.First(band); field != tree.None; field = t.Next(field) {
			switch to, moved := names[string(t.Name(field))]; {
			case !moved:
			case t.Get(band, to) == tree.None:
				t.Rename(field, to)
			default:
				t.Drop(band, string(t.Name(field)))
			}
		}
	}
	return bands
}

// mergedBands adds to each band the fields that it has not, and the bands that there are more.
func mergedBands(t *tree.Tree, bands, more []tree.Node) []tree.Node {
	for i, band := range more {
		if i == len(bands) {
			return append(bands, more[i:]...)
		}
		for field := t.First(band); field != tree.None; {
			next := t.Next(field) // which it has no more when it is another one's
			if t.Get(bands[i], string(t.Name(field))) == tree.None {
				t.Adopt(bands[i], field)
			}
			field = next
		}
	}
	return bands
}

// liftCommon takes what is the same in all bands out of them and into the asset, unless that says otherwise. Names and
// descriptions are of a band, and several bands are not left without anything. It reports whether the asset had none of it.
func liftCommon(t *tree.Tree, asset tree.Node, bands []tree.Node) (fresh bool) {
	if len(bands) == 0 {
		return true
	}
	common, had := make([]tree.Node, 0, 16), false
	for field := t.First(bands[0]); field != tree.None; field = t.Next(field) {
		if t.Named(field, "name") || t.Named(field, "description") {
			continue
		}
		name := string(t.Name(field))
		value := t.Raw(field)
		own := t.Get(asset, name)
		had = had || own != tree.None
		same := own == tree.None || sameValue(t.Raw(own), value)
		for _, band := range bands[1:] {
			same = same && sameValue(t.Raw(t.Get(band, name)), value)
		}
		if same {
			common = append(common, field)
		}
	}
	for _, band := range bands {
		if len(bands) > 1 && count(t, band) == len(common) {
			return !had
		}
	}
	for _, band := range bands {
		t.DropAll(band, common)
	}
	for _, field := range common {
		name := string(t.Name(field))
		if now := t.Get(asset, name); now == tree.None {
			t.Adopt(asset, field)
			t.Rename(field, name)
		} else { // the asset's own, or one that came twice
			t.Take(now, field)
			had = true
		}
	}
	return !had
}

// sameValue reports whether two values are written alike, spaces aside.
func sameValue(a, b []byte) bool {
	const space = " \n\t\r"
	if bytes.Equal(a, b) || len(a) == 0 || len(b) == 0 || !bytes.ContainsAny(a, space) && !bytes.ContainsAny(b, space) {
		return bytes.Equal(a, b)
	}
	return gjson.GetBytes(a, "@ugly").Raw == gjson.GetBytes(b, "@ugly").Raw
}
