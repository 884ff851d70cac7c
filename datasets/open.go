package datasets

import (
	"context"
	"errors"
	"path"
	"sort"
	"strings"

	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Resolve names the version that Open opens: "name@vN" itself, which is not looked for, or the newest
// version of "name". No commit is read.
func Resolve(ctx context.Context, root *store.Bucket, ref string) (string, error) {
	name, want := splitRef(ref)
	if err := cube.CheckName("dataset", name); err != nil {
		return "", err
	}
	if strings.Contains(ref, "@") {
		if versionNumber(want) == 0 {
			return "", fault.New(fault.Invalid, "bad dataset version %q", ref).WithCure("write it as in %s@v1", name)
		}
		return ref, nil
	}
	there, err := numbers(ctx, root, name)
	if err != nil {
		return "", err
	}
	if len(there) == 0 {
		return "", unknownDataset(ctx, root, name)
	}
	return name + "@" + there[len(there)-1], nil
}

// Open opens "name@vN", or the newest version of "name", and reads no other: damage to one version
// keeps nobody from the rest. What does not exist is fault.NotFound and the cure says what does.
func Open(ctx context.Context, root *store.Bucket, ref string) (*Version, error) {
	ref, err := Resolve(ctx, root, ref)
	if err != nil {
		return nil, err
	}
	name, want := splitRef(ref)
	doc, err := readCommit(ctx, root, folder(name, want))
	if errors.Is(err, store.ErrNotFound) {
		return nil, unknownVersion(ctx, root, name, want)
	}
	if err != nil {
		return nil, err
	}
	v, err := doc.version(root)
	if err != nil {
		return nil, err
	}
	content, _, err := root.Map(ctx, folder(v.Name, v.Version)+"/"+indexFile)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "open dataset %s: %w", v.Ref(), err)
	}
	if v.index, err = openIndex(content); err != nil {
		return nil, fault.New(fault.KindOf(err), "open dataset %s: %w", v.Ref(), err)
	}
	return v, nil
}

func unknownVersion(ctx context.Context, root *store.Bucket, name, want string) error {
	there, err := numbers(ctx, root, name)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return unknownDataset(ctx, root, name)
	}
	return fault.New(fault.NotFound, "dataset %s has no version %s", name, want).WithCure("it has: %s", strings.Join(there, ", "))
}

func unknownDataset(ctx context.Context, root *store.Bucket, name string) error {
	keys, err := commitKeys(ctx, root, "datasets/")
	if err != nil {
		return err
	}
	names := []string{}
	for _, key := range keys {
		if d, _, ok := versionOf(key); ok && (len(names) == 0 || names[len(names)-1] != d) {
			names = append(names, d)
		}
	}
	err1 := fault.New(fault.NotFound, "unknown dataset %q", name)
	if len(names) == 0 {
		return err1.WithCure("there is none yet: commit a recipe with `terrapin dataset commit`")
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
	keys, err := commitKeys(ctx, root, prefix)
	if err != nil {
		return nil, err
	}
	var out []commitDoc
	for _, key := range keys {
		d, err := readCommit(ctx, root, path.Dir(key))
		if err != nil {
			return nil, err
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

// numbers are the versions of a dataset that are committed, oldest first, by their folders alone.
func numbers(ctx context.Context, root *store.Bucket, name string) ([]string, error) {
	keys, err := commitKeys(ctx, root, "datasets/"+name+"/")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, key := range keys {
		if _, version, ok := versionOf(key); ok {
			out = append(out, version)
		}
	}
	sort.Slice(out, func(i, j int) bool { return versionNumber(out[i]) < versionNumber(out[j]) })
	return out, nil
}

func commitKeys(ctx context.Context, root *store.Bucket, prefix string) ([]string, error) {
	var keys []string
	for info, err := range root.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(info.Key, "/"+commit.File) {
			keys = append(keys, info.Key)
		}
	}
	return keys, nil
}

// versionOf says which version a commit.json belongs to; one at another place belongs to none.
func versionOf(key string) (name, version string, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || versionNumber(parts[2]) == 0 {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// readCommit reads a version's commit.json, which has to lie where it says.
func readCommit(ctx context.Context, root *store.Bucket, at string) (commitDoc, error) {
	var d commitDoc
	if err := commit.Read(ctx, root, at, kind, &d); err != nil {
		return commitDoc{}, err
	}
	if at != folder(d.Name, d.Revision) {
		return commitDoc{}, fault.New(fault.Corrupt, "%s/%s commits %s %s", at, commit.File, d.Name, d.Revision).WithCure("run `terrapin store fsck`")
	}
	return d, nil
}
