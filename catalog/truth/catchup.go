package truth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/stac"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// CatchUp puts into the catalog what the bucket holds and it does not, each cube and each commit in a
// change of its own, so that an interruption costs nothing. Something the catalog knows and the
// bucket lost makes it begin from nothing. What cannot be read is a problem in the report, and keeps
// nothing else from being found.
func CatchUp(ctx context.Context, root *store.Bucket, cat catalog.Catalog) (Report, error) {
	marks, err := cat.Marks(ctx)
	if err != nil {
		return Report{}, err
	}
	place := marks[placeMark]
	marks = folders(marks)
	w := &walker{root: root, cat: cat, marks: marks, report: newReport(), present: map[string]bool{}}
	if err := w.find(ctx); err != nil {
		return Report{}, err
	}
	for name := range marks {
		if !w.present[name] {
			w.report.Notes = append(w.report.Notes, Note{Object: name, Note: "it is no longer in the bucket, so the catalog was made again"})
			again := catalog.Changes{Reset: true}
			if place != "" {
				again.Marks = map[string]string{placeMark: place}
			}
			if _, err := cat.Apply(ctx, again); err != nil {
				return Report{}, err
			}
			w.marks = map[string]string{}
			break
		}
	}
	for _, name := range w.cubes {
		if err := w.cube(ctx, name); err != nil {
			return *w.report, err
		}
	}
	for _, list := range w.commits {
		if err := w.kind(ctx, list); err != nil {
			return *w.report, err
		}
	}
	return *w.report, nil
}

// walker is one act of catching up. Marks and sources have the names of their folders.
type walker struct {
	root    *store.Bucket
	cat     catalog.Catalog
	marks   map[string]string
	report  *Report
	present map[string]bool
	cubes   []string
	commits [][]commit
}

// find lists what the bucket holds.
func (w *walker) find(ctx context.Context) (err error) {
	if w.cubes, err = w.root.Folders(ctx, "cubes"); err != nil {
		return err
	}
	for _, name := range w.cubes {
		w.present["cubes/"+name] = true
	}
	for _, k := range kinds {
		found, _, err := commits(ctx, w.root, k.folder, k.deep)
		if err != nil {
			return err
		}
		for _, c := range found {
			w.present[c.folder] = true
		}
		w.commits = append(w.commits, found)
	}
	return nil
}

func (w *walker) apply(ctx context.Context, ch catalog.Changes) error {
	revision, err := w.cat.Apply(ctx, ch)
	if err != nil {
		return err
	}
	w.report.Revision = revision
	w.report.Collections += len(ch.Collections)
	w.report.Items += len(ch.Items)
	return nil
}

// cube brings a cube's scenes up to its branch main.
func (w *walker) cube(ctx context.Context, name string) error {
	object := "cubes/" + name
	if tip, err := layout.Tip(ctx, w.root.Sub(object)); err == nil && tip == w.marks[object] {
		return nil
	}
	c, err := layout.Open(ctx, w.root.Sub(object))
	if errors.Is(err, layout.ErrUnfinished) && w.marks[object] == "" {
		return nil // there never was a cube
	}
	if err != nil {
		return w.report.failed(object, restore, err)
	}
	view, err := c.At(ctx, "")
	if err != nil {
		return w.report.failed(object, restore, err)
	}
	ch, err := w.cubeChanges(ctx, c, view)
	if err != nil {
		return w.report.failed(object, restore, err)
	}
	ch.Marks = map[string]string{object: view.Snapshot()}
	return w.apply(ctx, ch)
}

// cubeChanges compares the snapshot the catalog last saw with the one that is now, or, where there is
// no such snapshot, the items the catalog has with the slices that are.
func (w *walker) cubeChanges(ctx context.Context, c *layout.Cube, view *layout.View) (catalog.Changes, error) {
	collection, err := cubeDocument(view)
	if err != nil {
		return catalog.Changes{}, err
	}
	ch := catalog.Changes{Collections: []json.RawMessage{collection}}
	known := map[string]cube.SliceID{}
	if mark := w.marks["cubes/"+c.Spec().Name]; mark != "" {
		if old, err := c.At(ctx, mark); err == nil {
			for _, s := range old.Slices() {
				known[s.Item] = s.ID
			}
		}
	}
	if len(known) == 0 {
		if err := walk(ctx, w.cat, catalog.Query{Collections: []string{c.Spec().Name}}, func(e catalog.Entry) error {
			known[e.Ref.ID] = "" // which slice it shows is not known
			return nil
		}); err != nil {
			return catalog.Changes{}, err
		}
	}
	for _, s := range view.Slices() {
		if id, ok := known[s.Item]; !ok || id != s.ID {
			item, err := sceneDocument(view, s)
			if err != nil {
				return catalog.Changes{}, err
			}
			ch.Items = append(ch.Items, item)
		}
		delete(known, s.Item)
	}
	for id := range known {
		ch.DeleteItems = append(ch.DeleteItems, catalog.ItemRef{Collection: c.Spec().Name, ID: id})
	}
	return ch, nil
}

// cubeDocument makes the collection of a cube at a snapshot.
func cubeDocument(view *layout.View) (json.RawMessage, error) {
	col, err := stac.CubeCollection(view)
	if err != nil {
		return nil, err
	}
	return col.JSON()
}

// sceneDocument makes the item of one slice.
func sceneDocument(view *layout.View, s cube.Slice) (json.RawMessage, error) {
	item, err := stac.SceneItem(view.Spec(), s)
	if err != nil {
		return nil, err
	}
	return item.JSON()
}

// kind applies the commits of one kind that the catalog has not seen, together with the others of
// their thing, whose links change, and those after them, so that the newest document of a collection
// is put last.
func (w *walker) kind(ctx context.Context, list []commit) error {
	fresh := func(c commit) bool { return !strings.HasPrefix(w.marks[c.folder], c.stamp()) }
	if !slices.ContainsFunc(list, fresh) {
		return nil
	}
	readable := list[:0:0]
	for _, c := range list {
		if err := c.read(ctx, w.root); err != nil {
			if err := w.report.failed(c.folder+"/commit.json", restore, err); err != nil {
				return err
			}
			continue
		}
		readable = append(readable, c)
	}
	all, err := things(readable)
	if err != nil {
		return err
	}
	since := false
	for _, versions := range all {
		if since = since || slices.ContainsFunc(versions, fresh); !since {
			continue
		}
		ch := catalog.Changes{Marks: map[string]string{}}
		for _, c := range versions {
			ch.Collections, ch.Items = append(ch.Collections, c.STAC.Collections...), append(ch.Items, c.STAC.Items...)
			ch.Marks[c.folder] = c.mark()
		}
		err := w.apply(ctx, ch)
		if err != nil && fault.Is(err, fault.Internal) {
			return err
		}
		if err != nil {
			if err := w.report.failed(versions[0].thing(), restore, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk visits every item that a query finds.
func walk(ctx context.Context, cat catalog.Catalog, q catalog.Query, visit func(catalog.Entry) error) error {
	q.Limit = 1000
	for {
		page, err := cat.Search(ctx, catalog.Everything(), q)
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			e, err := catalog.ParseItem(doc)
			if err != nil {
				return err
			}
			if err := visit(e); err != nil {
				return err
			}
		}
		if q.Token = page.Next; q.Token == "" {
			return nil
		}
	}
}
