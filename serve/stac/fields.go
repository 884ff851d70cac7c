package stac

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// fields is what is wanted of each document: paths of members with dots between, the most exact one deciding and
// include before exclude.
type fields struct {
	include, exclude []string
	// all says that what is not named is wanted too.
	all bool
}

// fieldNames are the members of a kind of document.
type fieldNames struct {
	// standard are given where nothing is asked for, so that the document is a valid one.
	standard []string
	// always are given unless they are excluded by name, so that the document can be told from others.
	always []string
	// own are the members at the top; other names are looked for in nested as well, if that is not "".
	own    []string
	nested string
}

var (
	itemFields = fieldNames{
		standard: []string{"type", "stac_version", "id", "collection", "geometry", "bbox", "links", "assets",
			"properties.datetime", "properties.start_datetime", "properties.end_datetime"},
		always: []string{"type", "stac_version", "id", "collection"},
		own:    []string{"type", "stac_version", "stac_extensions", "id", "collection", "geometry", "bbox", "links", "assets", "properties"},
		nested: "properties",
	}
	collectionFields = fieldNames{
		standard: []string{"type", "stac_version", "id", "title", "description", "license", "extent", "links"},
		always:   []string{"type", "stac_version", "id"},
	}
)

// maxFields bounds the number of names that are asked for.
const maxFields = 200

var errFields = fault.New(fault.TooLarge, "fields names more than %d members", maxFields).WithCure("name fewer, or leave fields out")

// fieldsText reads the parameter of a GET: names with commas between, those to leave out with a minus. A plus may
// stand before the others, also as the space that it is decoded to.
func fieldsText(text string, names fieldNames) (*fields, error) {
	var include, exclude []string
	given := strings.SplitN(text, ",", maxFields+1)
	if len(given) > maxFields {
		return nil, errFields
	}
	for _, name := range given {
		switch name = strings.TrimSpace(name); {
		case strings.HasPrefix(name, "-"):
			exclude = append(exclude, name[1:])
		case strings.TrimPrefix(name, "+") != "":
			include = append(include, strings.TrimPrefix(name, "+"))
		}
	}
	return newFields(include, exclude, false, names), nil
}

// fieldsBody reads the member of a POST. That include is missing is something else than that it is empty.
func fieldsBody(raw json.RawMessage, names fieldNames) (*fields, error) {
	var in map[string]*[]string
	if err := json.Unmarshal(raw, &in); err != nil || in == nil {
		return nil, fault.New(fault.Invalid, "fields is not an object with the lists include and exclude").WithCure(`send {"include": ["id", "properties.datetime"]}`)
	}
	var include, exclude []string
	for name, list := range in {
		switch {
		case name != "include" && name != "exclude":
			return nil, fault.New(fault.Invalid, "fields has the member %q", name).WithCure("send include, exclude or both")
		case list == nil:
		case len(*list) > maxFields:
			return nil, errFields
		case name == "include":
			include = *list
		default:
			exclude = *list
		}
	}
	_, asked := in["include"]
	return newFields(include, exclude, !asked && len(exclude) > 0, names), nil
}

func newFields(include, exclude []string, all bool, names fieldNames) *fields {
	f := &fields{all: all}
	full := func(list []string) (out []string) {
		for _, name := range list {
			out = append(out, name)
			first, _, _ := strings.Cut(name, ".")
			if names.nested != "" && !slices.Contains(names.own, first) {
				out = append(out, names.nested+"."+name)
			}
		}
		return out
	}
	f.include, f.exclude = full(include), full(exclude)
	if all {
		return f
	}
	more := names.always
	if len(include) == 0 {
		more = names.standard
	}
	for _, name := range more {
		if !slices.Contains(f.exclude, name) {
			f.include = append(f.include, name)
		}
	}
	return f
}

// appendPart puts the wanted part of a document at the end of a buffer.
func (f *fields) appendPart(out, doc []byte) []byte {
	out, _ = part(out, gjson.ParseBytes(doc), f.include, f.exclude, f.all, 0)
	return out
}

// part writes the members of an object that are wanted, and tells whether there is one. rest says whether those
// that nobody names are.
func part(out []byte, object gjson.Result, include, exclude []string, rest bool, depth int) ([]byte, bool) {
	out = append(out, '{')
	any := false
	object.ForEach(func(key, value gjson.Result) bool {
		in, within := below(include, key.String())
		ex, without := below(exclude, key.String())
		wanted := in || rest && !ex
		before := len(out)
		if any {
			out = append(out, ',')
		}
		out = append(append(out, key.Raw...), ':')
		some := true
		if value.IsObject() && (len(within) > 0 || len(without) > 0) && depth < maxNested {
			out, some = part(out, value, within, without, wanted, depth+1)
		} else {
			some = wanted
			out = append(out, value.Raw...)
		}
		if !wanted && !some {
			out = out[:before]
			return true
		}
		any = true
		return true
	})
	return append(out, '}'), any
}

// maxNested is how deep paths are followed.
const maxNested = 16

// below tells whether a member is named itself, and what the paths that lead through it name in it. A name may
// hold dots itself.
func below(paths []string, member string) (named bool, within []string) {
	for _, p := range paths {
		if p == member {
			named = true
		} else if rest, ok := strings.CutPrefix(p, member); ok && len(rest) > 1 && rest[0] == '.' {
			within = append(within, rest[1:])
		}
	}
	return named, within
}
