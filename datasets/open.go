package datasets

import (
	"context"
	"encoding/json"
	"sort"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Open opens "name@vN", or the newest version of "name". What does not exist is fault.NotFound and
// the cure says what does.
func Open(ctx context.Context, root *store.Bucket, ref string) (*Version, error) {
	name, want := splitRef(ref)
	if err := cube.CheckName("dataset", name); err != nil {
		return nil, err
	}
	if strings.Contains(ref, "@") && versionNumber(want) == 0 {
		return nil, fault.New(fault.Invalid, "bad dataset version %q", ref).WithCure("write it as in %s@v1", name)
	}
	known, err := versions(ctx, root, name)
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return nil, unknownDataset(ctx, root, name)
	}
	doc := known[len(known)-1]
	if want != "" {
		if doc, err = pick(known, name, want); err != nil {
			return nil, err
		}
	}
	v, err := doc.version(root)
	if err != nil {
		return nil, err
	}
	data, _, err := root.Read(ctx, folder(v.Name, v.Version)+"/"+indexFile, store.Range{})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "open dataset %s: %w", v.Ref(), err)
	}
	if v.index, err = openIndex(data); err != nil {
		return nil, fault.New(fault.KindOf(err), "open dataset %s: %w", v.Ref(), err)
	}
	return v, nil
}

func pick(known []commitDoc, name, want string) (commitDoc, error) {
	var names []string
	for _, d := range known {
		if d.Revision == want {
			return d, nil
		}
		names = append(names, d.Revision)
	}
	return commitDoc{}, fault.New(fault.NotFound, "dataset %s has no version %s", name, want).
		WithCure("it has: %s", strings.Join(names, ", "))
}

func unknownDataset(ctx context.Context, root *store.Bucket, name string) error {
	all, err := commits(ctx, root, "datasets/")
	if err != nil {
		return err
	}
	err1 := fault.New(fault.NotFound, "unknown dataset %q", name)
	if len(all) == 0 {
		return err1.WithCure("there is none yet: commit a recipe with `terrapin dataset commit`")
	}
	names := []string{}
	for _, d := range all {
		if len(names) == 0 || names[len(names)-1] != d.Name {
			names = append(names, d.Name)
		}
	}
	return err1.WithCure("%s", didYouMean(name, names))
}

// List returns every version in the data directory, by name and number. Their samples are not read:
// Split on one of them is an error; Open it.
func List(ctx context.Context, root *store.Bucket) ([]*Version, error) {
	docs, err := commits(ctx, root, "datasets/")
	if err != nil {
		return nil, err
	}
	out := make([]*Version, 0, len(docs))
	for _, d := range docs {
		v, err := d.version(root)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Split returns the samples of a split, sorted by id; a name that is no split is an error.
func (v *Version) Split(name string) (Samples, error) {
	if v.index == nil {
		return Samples{}, fault.New(fault.Internal, "dataset %s was listed, not opened", v.Ref())
	}
	for _, s := range v.index.table.Splits {
		if s.Name == name {
			return Samples{v: v, split: name, first: s.First, count: s.Count}, nil
		}
	}
	return Samples{}, fault.New(fault.NotFound, "dataset %s has no split %q", v.Ref(), name).WithCure("%s", didYouMean(name, Splits()))
}

// versions are the commits of one dataset, oldest first.
func versions(ctx context.Context, root *store.Bucket, name string) ([]commitDoc, error) {
	return commits(ctx, root, "datasets/"+name+"/")
}

// commits reads every commit.json below a prefix, by name and number.
func commits(ctx context.Context, root *store.Bucket, prefix string) ([]commitDoc, error) {
	var out []commitDoc
	for info, err := range root.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(info.Key, "/"+commitFile) {
			continue
		}
		data, _, err := root.Read(ctx, info.Key, store.Range{})
		if err != nil {
			return nil, err
		}
		var d commitDoc
		if err := json.Unmarshal(data, &d); err != nil || d.Kind != "dataset" || info.Key != folder(d.Name, d.Revision)+"/"+commitFile {
			return nil, fault.New(fault.Corrupt, "%s is no dataset commit", info.Key).WithCure("run `terrapin store fsck`")
		}
		if d.Format != 1 {
			return nil, fault.New(fault.Unsupported, "%s has format %d", info.Key, d.Format).WithCure("use a newer release")
		}
		out = append(out, d)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Name != out[j].Name {
			return out[i].Name < out[j].Name
		}
		return versionNumber(out[i].Revision) < versionNumber(out[j].Revision)
	})
	return out, nil
}
