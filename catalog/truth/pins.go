package truth

import (
	"context"
	"encoding/json"
	"path"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Pins lists the snapshots that commits name: whatever reads as a snapshot id anywhere in a
// commit.json, so that no document has to say that it pins. A commit.json that does not read is an
// error, for nobody knows what it pins.
func Pins(ctx context.Context, root *store.Bucket) ([]icechunk.ID, error) {
	seen := map[icechunk.ID]bool{}
	var pins []icechunk.ID
	for _, k := range kinds {
		found, _, err := commits(ctx, root, k.folder, k.deep)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			data, _, err := root.Read(ctx, c.folder+"/commit.json", store.Range{})
			if err != nil {
				return nil, err
			}
			var doc any
			if err := json.Unmarshal(data, &doc); err != nil {
				return nil, fault.New(fault.Corrupt, "%s/commit.json does not decode: %w", c.folder, err).WithCure("%s", restore)
			}
			strs(doc, func(s string) {
				if id, err := icechunk.ParseID(s); err == nil && !seen[id] {
					seen[id], pins = true, append(pins, id)
				}
			})
		}
	}
	return pins, nil
}

// strs visits every string of a JSON document.
func strs(doc any, visit func(string)) {
	switch v := doc.(type) {
	case string:
		visit(v)
	case []any:
		for _, e := range v {
			strs(e, visit)
		}
	case map[string]any:
		for _, e := range v {
			strs(e, visit)
		}
	}
}

// Leftover is what a killed or beaten commit left behind and nobody sees.
type Leftover struct {
	Folder  string   `json:"folder"`
	Objects int64    `json:"objects"`
	Bytes   int64    `json:"bytes"`
	Keys    []string `json:"-"`

	newest time.Time
}

// Leftovers lists the folders of label revisions, datasets and predictions that no commit.json makes
// count, if nothing in them was written since a time: a running commit may still complete them.
func Leftovers(ctx context.Context, root *store.Bucket, before time.Time) ([]Leftover, error) {
	var out []Leftover
	for _, k := range kinds {
		found, without, err := commits(ctx, root, k.folder, k.deep)
		if err != nil {
			return nil, err
		}
		var old []Leftover
		for _, folder := range without {
			one, err := leftover(ctx, root, folder)
			if err != nil {
				return nil, err
			}
			old = append(old, one)
		}
		beside, err := besides(ctx, root, k.folder, found)
		if err != nil {
			return nil, err
		}
		for _, one := range append(old, beside...) {
			if one.Objects > 0 && one.newest.Before(before) {
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// besides lists what lies beside the data of commits that count: attempts at a label revision, and
// rasters of predictions that came second.
func besides(ctx context.Context, root *store.Bucket, kind string, found []commit) ([]Leftover, error) {
	if kind != "labels" && kind != "predictions" {
		return nil, nil
	}
	used := map[string]bool{}
	for i := range found {
		var doc struct{ Data, Key string }
		data, _, err := root.Read(ctx, found[i].folder+"/commit.json", store.Range{})
		if err == nil {
			err = json.Unmarshal(data, &doc)
		}
		if err != nil || doc.Data == "" && doc.Key == "" {
			return nil, fault.New(fault.Corrupt, "%s/commit.json does not say where its data are: %w", found[i].folder, err).WithCure("%s", restore)
		}
		used[doc.Data], used[doc.Key] = true, true
	}
	var out []Leftover
	for _, c := range found {
		one, err := leftover(ctx, root, c.folder)
		if err != nil {
			return nil, err
		}
		attempts := map[string][]string{}
		for _, key := range one.Keys {
			name, deeper, _ := strings.Cut(strings.TrimPrefix(key, c.folder+"/"), "/")
			at := c.folder + "/" + name
			if !used[at] && (deeper != "" || kind == "predictions" && path.Ext(name) == ".tif") {
				attempts[at] = append(attempts[at], key)
			}
		}
		for at := range attempts {
			rest, err := leftover(ctx, root, at)
			if err != nil {
				return nil, err
			}
			out = append(out, rest)
		}
	}
	return out, nil
}

// leftover lists a folder, or the one object of that name.
func leftover(ctx context.Context, root *store.Bucket, folder string) (Leftover, error) {
	l := Leftover{Folder: folder}
	for info, err := range root.List(ctx, folder) {
		if err != nil {
			return l, err
		}
		if info.Key != folder && !strings.HasPrefix(info.Key, folder+"/") {
			continue // r1 is no part of r10
		}
		l.Objects, l.Bytes, l.Keys = l.Objects+1, l.Bytes+info.Size, append(l.Keys, info.Key)
		if info.Modified.After(l.newest) {
			l.newest = info.Modified
		}
	}
	return l, nil
}
