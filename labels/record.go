package labels

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// record is a revision's commit.json, written last: it makes the revision exist.
type record struct {
	commit.Head

	State State  `json:"state"`
	Cube  string `json:"cube"`
	// Parent is the revision whose ledger this one adds to, "" if none.
	Parent  string `json:"parent,omitempty"`
	Message string `json:"message"`
	// Data is the folder of the revision's objects. Every attempt at a revision writes a folder of
	// its own, so that one that was killed, or lost a race, never mixes with the one that counts.
	Data string `json:"data"`
	// Files are the SHA-256, in hex, of every object of the revision, by its key below the revision's
	// folder.
	Files          map[string]string `json:"files"`
	FeaturesSHA256 string            `json:"features_sha256"`
	Features       int               `json:"features"`
	Grid           cube.Grid         `json:"grid"`
	DType          cube.DType        `json:"dtype"`
	Ignore         float64           `json:"ignore"`
	Classes        []Class           `json:"classes"`
	ClassMap       classMap          `json:"class_map"`
}

// kind is what commit.json says it commits.
const kind = "labels"

func folder(set string, n int) string { return fmt.Sprintf("labels/%s/r%d", set, n) }

func (r record) describe() Entry {
	return Entry{
		Set: r.Name, Revision: r.Revision, Digest: r.Digest, State: r.State, Cube: r.Cube, Features: r.Features,
		Classes: r.Classes, Actor: r.Actor, Created: r.Created, Message: r.Message,
	}
}

// readRecord reads revision n of a set, or store.ErrNotFound.
func readRecord(ctx context.Context, root *store.Bucket, set string, n int) (record, error) {
	var r record
	err := commit.Read(ctx, root, folder(set, n), kind, &r)
	return r, err
}

// history reads every revision of a set, oldest first. Their numbers have no gaps, since each is
// written where its predecessor was the newest.
func history(ctx context.Context, root *store.Bucket, set string) ([]record, error) {
	if err := cube.CheckName("label set", set); err != nil {
		return nil, err
	}
	var recs []record
	for n := 1; ; n++ {
		r, err := readRecord(ctx, root, set, n)
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		recs = append(recs, r)
	}
	if len(recs) > 0 {
		return recs, nil
	}
	names, err := sets(ctx, root)
	if err != nil {
		return nil, err
	}
	missing := fault.New(fault.NotFound, "there is no label set %q", set)
	if len(names) == 0 {
		return nil, missing.WithCure("no set exists yet; import one: terrapin labels import %s FILE --cube NAME", set)
	}
	return nil, missing.WithCure("these exist: %s", strings.Join(names, ", "))
}

// sets lists the sets that have a revision.
func sets(ctx context.Context, root *store.Bucket) ([]string, error) {
	folders, err := root.Folders(ctx, "labels")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range folders {
		_, err := root.Stat(ctx, folder(name, 1)+"/"+commit.File)
		switch {
		case err == nil:
			names = append(names, name)
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return names, nil
}

// find reads a revision; "" is the newest accepted one.
func find(ctx context.Context, root *store.Bucket, set, revision string) (record, error) {
	recs, err := history(ctx, root, set)
	if err != nil {
		return record{}, err
	}
	var there []string
	for _, r := range slices.Backward(recs) {
		if r.Revision == revision || revision == "" && r.State == Accepted {
			return r, nil
		}
		there = append(there, fmt.Sprintf("%s (%s)", r.Revision, r.State))
	}
	what := fmt.Sprintf("revision %q", revision)
	if revision == "" {
		what = "accepted revision"
	}
	return record{}, fault.New(fault.NotFound, "label set %q has no %s", set, what).WithCure("these exist: %s", strings.Join(there, ", "))
}

// ledger reads the revision's features and holds them to the checksum.
func (r record) ledger(ctx context.Context, root *store.Bucket) (ledger, error) {
	key := r.Data + "/features.geojson"
	data, _, err := root.Read(ctx, key, store.Range{})
	if errors.Is(err, store.ErrNotFound) {
		return ledger{}, fault.New(fault.Corrupt, "%s is missing", key).WithCure("restore it from a backup")
	}
	if err != nil {
		return ledger{}, fault.New(fault.KindOf(err), "read labels %s %s: %w", r.Name, r.Revision, err)
	}
	if sum := checksum(data); sum != r.FeaturesSHA256 {
		return ledger{}, fault.New(fault.Corrupt, "%s has the SHA-256 %s, but was written with %s", key, sum, r.FeaturesSHA256).
			WithCure("restore it from a backup")
	}
	features, err := decodeFeatures(data)
	if err != nil {
		return ledger{}, fault.New(fault.Corrupt, "%s: %w", key, err)
	}
	return ledger{Grid: r.Grid, DType: r.DType, Ignore: r.Ignore, ClassMap: r.ClassMap, Features: features}, nil
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
