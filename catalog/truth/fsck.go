package truth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Options say how thorough a check is.
type Options struct {
	// Full reads and compares every pixel and every recorded checksum; otherwise a sample of the pixels
	// and the sizes of objects over 64 MiB.
	Full bool
	// Place is what Claim was told, where the catalog is one that others can reach.
	Place string
	// Virtual reads the containers of virtual chunks that may be read, by their prefix.
	Virtual map[string]icechunk.Fetcher
}

// checker collects what a check finds.
type checker struct {
	root   *store.Bucket
	opt    Options
	report *Report
	// The documents that the bucket says the catalog should hold.
	collections map[string]json.RawMessage
	items       map[catalog.ItemRef]json.RawMessage
	// source says which object a document was made from, by what the report calls the document.
	source map[string]string
	// there are the folders of what exists, and tags those of every cube that could be read.
	there map[string]bool
	tags  map[string]map[string]icechunk.ID
	// marks are the catalog's, and ahead the cubes and things of which the bucket holds more than the
	// catalog took, as a killed command leaves them: whoever commits next brings the catalog up.
	marks map[string]string
	ahead map[string]bool
	// checked are the chunks whose pixels were found right.
	checked map[checked]bool
}

// Fsck compares the bucket with itself and with the catalog, which may be nil, and changes neither.
func Fsck(ctx context.Context, root *store.Bucket, cat catalog.Catalog, opt Options) (Report, error) {
	c := &checker{root: root, opt: opt, report: newReport(), collections: map[string]json.RawMessage{}, items: map[catalog.ItemRef]json.RawMessage{},
		checked: map[checked]bool{}, ahead: map[string]bool{}, source: map[string]string{}, there: map[string]bool{}, tags: map[string]map[string]icechunk.ID{}}
	if cat != nil {
		var err error
		if c.marks, err = cat.Marks(ctx); err != nil {
			return Report{}, err
		}
		if of := c.marks[placeMark]; of != "" && opt.Place != "" && of != opt.Place {
			c.report.problem("catalog", "give each its own catalog, or run `terrapin store reindex` where the data has moved here", "it is that of %s", of)
		}
		c.marks = folders(c.marks)
	}
	cubes, err := root.Folders(ctx, "cubes")
	if err != nil {
		return Report{}, err
	}
	for _, name := range cubes {
		c.there["cubes/"+name] = true
		if err := c.cube(ctx, name); err != nil {
			return *c.report, err
		}
	}
	for _, k := range kinds {
		found, without, err := commits(ctx, root, k.folder, k.deep)
		if err != nil {
			return *c.report, err
		}
		for _, one := range found {
			c.there[one.folder] = true
			if !strings.Contains(c.marks[one.folder], rules+"#") {
				c.ahead[one.thing()] = true
			}
		}
		for _, at := range without {
			c.report.Notes = append(c.report.Notes, Note{Object: at, Note: "it has no commit.json: what an interrupted commit left, which nobody sees"})
		}
		if err := c.commits(ctx, found); err != nil {
			return *c.report, err
		}
	}
	if cat != nil {
		if err := c.catalog(ctx, cat); err != nil {
			return *c.report, err
		}
	}
	return *c.report, nil
}

// expect notes documents that the catalog should hold; a later one takes the place of an earlier.
func (c *checker) expect(object string, collections, items []json.RawMessage) {
	for _, doc := range collections {
		e, err := catalog.ParseCollection(doc)
		if err != nil {
			c.report.problem(object, restore, "%v", err)
			continue
		}
		c.collections[e.ID] = e.Document
		c.source[collectionName(e.ID)] = object
	}
	for _, doc := range items {
		e, err := catalog.ParseItem(doc)
		if err != nil {
			c.report.problem(object, restore, "%v", err)
			continue
		}
		c.items[e.Ref] = e.Document
		c.source[itemName(e.Ref)] = object
	}
}

// What the report calls documents of the catalog.
func collectionName(id string) string     { return "catalog: collection " + id }
func itemName(ref catalog.ItemRef) string { return "catalog: item " + ref.Collection + "/" + ref.ID }

func (c *checker) commits(ctx context.Context, list []commit) error {
	var readable []commit
	for _, one := range list {
		if err := one.read(ctx, c.root); err != nil {
			if err := c.report.failed(one.folder+"/commit.json", restore, err); err != nil {
				return err
			}
			continue
		}
		if _, sum, taken := strings.Cut(c.marks[one.folder], rules+"#"); taken && sum != one.SHA {
			c.report.problem(one.folder+"/commit.json", restore+"; if it was replaced on purpose, "+reindex, "its SHA-256 is %s, and was %s when the catalog took it", one.SHA, sum)
		}
		readable = append(readable, one)
	}
	all, err := things(readable)
	if err != nil {
		return err
	}
	for _, one := range slices.Concat(all...) {
		c.expect(one.folder+"/commit.json", one.STAC.Collections, one.STAC.Items)
		c.pinned(one)
		if err := c.objects(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// pinned checks that the cube still holds the tag by which a commit pins what it was made from.
func (c *checker) pinned(one commit) {
	if one.Tag == "" {
		return
	}
	tags, ok := c.tags[one.Cube]
	at, tagged := tags[one.Tag]
	object := "cubes/" + one.Cube
	switch {
	case !ok && !c.there[object]:
		c.report.problem(object, restore, "%s pins its snapshot %s, and the cube is gone", one.folder, one.Pinned)
	case !ok: // what is wrong with the cube was said
	case !tagged:
		c.report.problem(object, restore, "%s pins its snapshot %s by the tag %s, and there is no such tag", one.folder, one.Pinned, one.Tag)
	case at.String() != one.Pinned:
		c.report.problem(object, restore, "%s pins its snapshot %s by the tag %s, which leads to %s", one.folder, one.Pinned, one.Tag, at)
	}
}

// named is what a commit says about an object.
type named struct {
	size   int64 // −1 where it does not say
	sha256 string
}

// objects checks that what a commit names is there, as long and with the checksum it says.
func (c *checker) objects(ctx context.Context, one commit) error {
	wanted := map[string]named{}
	for name, sum := range one.Files {
		wanted[one.folder+"/"+name] = named{-1, sum}
	}
	if one.SHA256 != "" && one.Data != "" {
		wanted[one.Data+"/features.geojson"] = named{-1, one.SHA256}
	}
	for _, doc := range slices.Concat(one.STAC.Collections, one.STAC.Items) {
		for key, n := range assets(doc) {
			if old, ok := wanted[key]; ok && n.sha256 == "" {
				n.sha256 = old.sha256
			}
			if strings.HasPrefix(key, one.folder+"/") {
				wanted[key] = n
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if err := c.object(ctx, key, wanted[key]); err != nil {
			return err
		}
	}
	return nil
}

// assets lists the objects of ours that a document links to. An asset that is a Zarr array is a
// folder; its metadata stands for it.
func assets(doc json.RawMessage) map[string]named {
	var in struct {
		Assets map[string]struct {
			Href     string `json:"href"`
			Type     string `json:"type"`
			Size     *int64 `json:"file:size"`
			Checksum string `json:"file:checksum"`
		} `json:"assets"`
	}
	out := map[string]named{}
	if json.Unmarshal(doc, &in) != nil {
		return out // expect has said so
	}
	for _, a := range in.Assets {
		path, ours := strings.CutPrefix(a.Href, "assets/")
		key, err := url.PathUnescape(path)
		if !ours || err != nil || strings.HasPrefix(key, "cubes/") {
			continue
		}
		n := named{size: -1}
		if strings.HasPrefix(a.Type, "application/vnd.zarr") {
			key = strings.TrimSuffix(key, "/") + "/zarr.json"
		} else {
			if a.Size != nil {
				n.size = *a.Size
			}
			n.sha256, _ = strings.CutPrefix(a.Checksum, "1220") // a multihash: SHA-256, 32 bytes
		}
		out[key] = n
	}
	return out
}

// readable is up to how large an object is read for its checksum in a check that is not full.
const readable = 64 << 20

func (c *checker) object(ctx context.Context, key string, want named) error {
	info, err := c.root.Stat(ctx, key)
	if err != nil {
		return c.report.failed(key, restore, err)
	}
	if want.size >= 0 && info.Size != want.size {
		c.report.problem(key, restore, "it has %d bytes and should have %d", info.Size, want.size)
		return nil
	}
	if len(want.sha256) != 2*sha256.Size || !c.opt.Full && info.Size > readable {
		return nil
	}
	body, _, err := c.root.Open(ctx, key, store.Range{})
	if err != nil {
		return c.report.failed(key, restore, err)
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return c.report.failed(key, restore, fault.New(fault.Unavailable, "read %s: %w", key, err))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.sha256 {
		c.report.problem(key, restore, "its SHA-256 is %s and should be %s", got, want.sha256)
	}
	return nil
}

// fromBucket is whose documents are compared: what was posted is in no bucket.
var fromBucket = catalog.FromBucket

// catalog compares what the catalog holds with what it should.
func (c *checker) catalog(ctx context.Context, cat catalog.Catalog) error {
	c.gone()
	missing := maps.Clone(c.collections)
	q := catalog.Query{Origin: &fromBucket, Page: catalog.Page{Limit: 1000}}
	for {
		page, err := cat.Collections(ctx, catalog.Everything(), q)
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			e, err := catalog.ParseCollection(doc)
			if err != nil {
				return err
			}
			c.compare(collectionName(e.ID), e.Document, c.collections[e.ID])
			delete(missing, e.ID)
		}
		if q.Token = page.Next; q.Token == "" {
			break
		}
	}
	for _, id := range slices.Sorted(maps.Keys(missing)) {
		if c.waits(collectionName(id)) {
			continue
		}
		c.report.problem(collectionName(id), reindex, "the bucket has it and the catalog does not")
	}
	c.report.Collections = len(c.collections)
	lost := maps.Clone(c.items)
	err := walk(ctx, cat, catalog.Query{Origin: &fromBucket}, func(e catalog.Entry) error {
		c.compare(itemName(e.Ref), e.Document, c.items[e.Ref])
		delete(lost, e.Ref)
		return nil
	})
	for ref := range lost {
		if c.waits(itemName(ref)) {
			continue
		}
		c.report.problem(itemName(ref), reindex, "the bucket has it and the catalog does not")
	}
	c.report.Items = len(c.items)
	return err
}

// gone names what the catalog took from the bucket and is no longer there.
func (c *checker) gone() {
	for _, folder := range slices.Sorted(maps.Keys(c.marks)) {
		if c.there[folder] {
			continue
		}
		what := folder
		if !strings.HasPrefix(folder, "cubes/") {
			what += "/commit.json"
		}
		c.report.problem(what, restore, "the catalog was filled from it, and it is gone")
	}
	for _, folder := range slices.Sorted(maps.Keys(c.ahead)) {
		c.report.Notes = append(c.report.Notes, Note{Object: folder, Note: "the bucket holds more of it than the catalog: whoever commits next brings that up"})
	}
}

// waits reports whether a document is one that the catalog has yet to take.
func (c *checker) waits(object string) bool {
	from, _ := strings.CutSuffix(c.source[object], "/commit.json")
	return c.ahead[from] || c.ahead[commit{folder: from}.thing()]
}

func (c *checker) compare(object string, have, want json.RawMessage) {
	switch {
	case c.waits(object):
	case want == nil && !c.report.OK:
		c.report.problem(object, "mend what else is wrong first: `terrapin store reindex` makes the catalog forget it", "the catalog has it and the bucket does not")
	case want == nil:
		c.report.problem(object, reindex, "the catalog has it and the bucket does not")
	case !bytes.Equal(have, want):
		from := c.source[object]
		c.report.problem(object, "if "+from+" was changed by hand, bring it back from a backup; otherwise "+reindex, "the catalog's document is not that of %s", from)
	}
}
