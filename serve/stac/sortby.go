package stac

import (
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// sortBody is an element of sortby in a body.
type sortBody struct {
	Field     string `json:"field"`
	Direction string `json:"direction"`
}

// maxSort bounds the keys of an order.
const maxSort = 10

// sortText reads the parameter of a GET: names with commas between, with a minus before those that descend. The plus
// of others may come as the space that it is decoded to.
func sortText(text string) ([]catalog.SortKey, error) {
	var out []catalog.SortKey
	for _, name := range strings.SplitN(text, ",", maxSort+2) {
		name = strings.TrimSpace(name)
		key := catalog.SortKey{Property: strings.TrimPrefix(name, "+")}
		if rest, descends := strings.CutPrefix(name, "-"); descends {
			key = catalog.SortKey{Property: rest, Descending: true}
		}
		out = append(out, key)
	}
	return checkSort(out)
}

func sortList(list []sortBody) ([]catalog.SortKey, error) {
	var out []catalog.SortKey
	for _, one := range list {
		switch strings.ToLower(one.Direction) {
		case "", "asc", "desc":
		default:
			return nil, fault.New(fault.Invalid, "sortby: the direction %q of %q is unknown", one.Direction, one.Field).WithCure("use asc or desc")
		}
		out = append(out, catalog.SortKey{Property: one.Field, Descending: strings.EqualFold(one.Direction, "desc")})
	}
	return checkSort(out)
}

func checkSort(keys []catalog.SortKey) ([]catalog.SortKey, error) {
	if len(keys) > maxSort {
		return nil, fault.New(fault.TooLarge, "sortby has more than %d keys", maxSort).WithCure("order by fewer")
	}
	for i := range keys {
		if rest, ok := strings.CutPrefix(keys[i].Property, "properties."); ok {
			keys[i].Property = rest
		}
		switch keys[i].Property {
		case "":
			return nil, fault.New(fault.Invalid, "sortby holds an empty name").WithCure("write it like -datetime,id")
		case "geometry", "bbox", "links", "assets", "properties":
			return nil, fault.New(fault.Invalid, "nothing can be ordered by %s", keys[i].Property).WithCure("/sortables lists what can be")
		}
	}
	return keys, nil
}
