// Package truth keeps the catalog in step with the bucket, which alone decides what exists: scenes by
// the slice records of each cube on its branch main, everything else by the documents in the
// commit.json that was written last. It owns how the catalog catches up, how it is made again from
// nothing, and how the two are compared; it never writes to the bucket. The invariant: whatever
// order things came in, and however often the catalog was lost, catching up ends in the same answers.
package truth

import (
	"context"
	"fmt"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	document "github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Problem is something that is not as it must be.
type Problem struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
	Cure   string `json:"cure"`
}

// Note is something worth knowing that is no problem.
type Note struct {
	Object string `json:"object"`
	Note   string `json:"note"`
}

// Report says what was done or found. OK means that there is no problem.
type Report struct {
	OK       bool      `json:"ok"`
	Problems []Problem `json:"problems"`
	Notes    []Note    `json:"notes"`
	// Collections and Items count the documents that were put or compared.
	Collections int `json:"collections"`
	Items       int `json:"items"`
	// Revision is the catalog's, where something was put.
	Revision int64 `json:"revision,omitempty"`
}

func newReport() *Report { return &Report{OK: true, Problems: []Problem{}, Notes: []Note{}} }

func (r *Report) problem(object, cure, format string, args ...any) {
	r.OK = false
	r.Problems = append(r.Problems, Problem{Object: object, Reason: fmt.Sprintf(format, args...), Cure: cure})
}

// failed turns an error into a problem, unless it may pass or the caller went away: then it is
// returned, as nothing is known about the object.
func (r *Report) failed(object, cure string, err error) error {
	switch fault.KindOf(err) {
	case fault.Canceled, fault.Unavailable:
		return err
	}
	if own := fault.CureOf(err); own != "" && !fault.Is(err, fault.NotFound) { // what is gone has to come back
		cure = own
	}
	r.problem(object, cure, "%v", err)
	return nil
}

const (
	restore = "bring the object back from a backup"
	reindex = "run `terrapin store reindex`"
)

// kinds are the folders of things that a commit.json makes exist, in the order they build on each
// other, with the number of names that lead to one.
var kinds = []struct {
	folder string
	deep   int
}{{"labels", 2}, {"datasets", 2}, {"models", 1}, {"predictions", 1}}

// commit is a commit.json as far as it concerns the catalog.
type commit struct {
	// folder is where it lies, such as "labels/crops/r3".
	folder string
	etag   string

	document.Head
	State  string            `json:"state"`
	Tag    string            `json:"tag"`
	Cube   string            `json:"cube"`
	Pinned string            `json:"snapshot"`
	Data   string            `json:"data"`
	SHA256 string            `json:"features_sha256"`
	Files  map[string]string `json:"files"`
}

// commits lists the folders of a kind that have a commit.json, unread, and those that have none.
func commits(ctx context.Context, root *store.Bucket, folder string, deep int) (found []commit, without []string, err error) {
	names, err := root.Folders(ctx, folder)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		at := folder + "/" + name
		if deep > 1 {
			more, none, err := commits(ctx, root, at, deep-1)
			if err != nil {
				return nil, nil, err
			}
			found, without = append(found, more...), append(without, none...)
			continue
		}
		switch info, err := root.Stat(ctx, at+"/commit.json"); {
		case fault.Is(err, fault.NotFound):
			without = append(without, at)
		case err != nil:
			return nil, nil, err
		default:
			found = append(found, commit{folder: at, etag: info.ETag})
		}
	}
	return found, without, nil
}

// read fills in a commit.
func (c *commit) read(ctx context.Context, root *store.Bucket) error {
	if err := document.Read(ctx, root, c.folder, "", c); err != nil {
		return err
	}
	for _, doc := range c.STAC.Collections {
		if _, err := catalog.ParseCollection(doc); err != nil {
			return fault.New(fault.Corrupt, "commit.json: %s", err.Error())
		}
	}
	for _, doc := range c.STAC.Items {
		if _, err := catalog.ParseItem(doc); err != nil {
			return fault.New(fault.Corrupt, "commit.json: %s", err.Error())
		}
	}
	return nil
}

// newer compares things by when their newest versions were made; the later one's document of a
// collection holds. Which version of a thing is its newest, its number says and no clock.
func newer(a, b []commit) int {
	x, y := a[len(a)-1], b[len(b)-1]
	if c := x.Created.Compare(y.Created); c != 0 {
		return c
	}
	return natural(x.folder, y.folder)
}

// natural compares names so that r9 comes before r10.
func natural(a, b string) int {
	if len(a) != len(b) && strings.TrimRight(a, "0123456789") == strings.TrimRight(b, "0123456789") {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// Rebuild empties the catalog and fills it from the bucket.
func Rebuild(ctx context.Context, root *store.Bucket, cat catalog.Catalog) (Report, error) {
	if _, err := cat.Apply(ctx, catalog.Changes{Reset: true}); err != nil {
		return Report{}, err
	}
	return CatchUp(ctx, root, cat)
}
