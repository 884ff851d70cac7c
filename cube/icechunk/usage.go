package icechunk

import (
	"context"
	"fmt"
)

// Usage is what a repository takes up.
type Usage struct {
	// Kinds goes by the folder: snapshots, transactions, manifests, chunks, overwritten.
	Kinds map[string]KindUsage `json:"kinds"`
	// Repo is the size of the repo file in bytes.
	Repo int64 `json:"repo_bytes"`
	// Snapshots counts those in the repo file, and Updates the entries of its operations log.
	Snapshots int `json:"snapshots"`
	Updates   int `json:"updates"`
	// References counts the chunk references of the newest snapshot of the branch main, Nodes its groups
	// and arrays, and NodeBytes the size of its file.
	References int64 `json:"references"`
	Nodes      int   `json:"nodes"`
	NodeBytes  int64 `json:"snapshot_bytes"`
	// LargestManifest is the most references in one manifest of that snapshot.
	LargestManifest int64 `json:"largest_manifest"`
	// Limits are those that the repository has passed; docs/perf.md says which of them were measured.
	Limits []Limit `json:"limits"`
}

// KindUsage is what one kind of object takes up. What is neither live nor collectable is too young to
// tell: a writer may be about to commit it.
type KindUsage struct {
	All         Count `json:"all"`
	Live        Count `json:"live"`
	Collectable Count `json:"collectable"`
}

// Limit is a size beyond which something gets slow or dear, and what helps.
type Limit struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
	Limit int64  `json:"limit"`
	Why   string `json:"why"`
	Cure  string `json:"cure"`
}

// Usage counts objects and bytes. Like Collect it reads every manifest that anything leads to.
func (r *Repo) Usage(ctx context.Context, keep ...ID) (Usage, error) {
	u, err := r.usage(ctx, keep)
	if err != nil {
		return Usage{}, fmt.Errorf("usage of %s: %w", r.bucket.URL(), err)
	}
	return u, nil
}

func (r *Repo) usage(ctx context.Context, keep []ID) (Usage, error) {
	st, err := r.state(ctx)
	if err != nil {
		return Usage{}, err
	}
	g, err := r.garbage(ctx, st, keep, r.cfg.Now().Add(-DefaultAge))
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		Kinds: map[string]KindUsage{}, Repo: int64(len(g.state.raw)), Snapshots: len(g.state.info.snapshots),
		Updates: len(g.state.info.updates), Limits: []Limit{},
	}
	for _, k := range g.kinds {
		u.Kinds[k.prefix[:len(k.prefix)-1]] = KindUsage{All: k.all, Live: k.live, Collectable: k.old}
	}
	tip, _ := lookup(g.state.info.branches, mainBranch)
	snap, err := r.Snapshot(ctx, tip)
	if err != nil {
		return Usage{}, err
	}
	u.Nodes = len(snap.info.nodes)
	for _, f := range snap.info.manifests {
		refs := int64(g.marks.manifests[f.id])
		u.References += refs
		u.LargestManifest = max(u.LargestManifest, refs)
	}
	file, err := r.bucket.Stat(ctx, folders[snapshotFile]+tip.String())
	if err != nil {
		return Usage{}, err
	}
	u.NodeBytes = file.Size
	u.Limits = u.passed()
	return u, nil
}

// passed lists the limits that are exceeded. benchmarks/commit measured what lies around three of them:
// 10,000 snapshots cost a commit 3 times the clock of 10; 13,000 nodes 3 times that of 13; and one manifest
// of 10⁵ references, as the official library writes it, costs it 3 times one that is split. repo_bytes is
// reckoned (4 MiB, zstd-compressed, are what some 20,000 commits make); overwritten_bytes is a matter of taste.
func (u Usage) passed() []Limit {
	out := []Limit{}
	for _, l := range []Limit{
		{"snapshots", int64(u.Snapshots), 10_000, "every commit writes the list of all snapshots twice", "expire old ones: `terrapin store gc --expire-before 30d`"},
		{"repo_bytes", u.Repo, 4 << 20, "every commit writes the repo file twice", "expire old snapshots: `terrapin store gc --expire-before 30d`; give commits shorter messages and metadata"},
		{"nodes", int64(u.Nodes), 8_000, "every commit writes the metadata of all groups and arrays", "put more scenes into one commit, or split the cube"},
		{"largest_manifest", u.LargestManifest, 200_000, "a commit or a reader that needs one reference reads the whole manifest", "rewrite the array with split manifests (Terrapin does so by itself)"},
		{"overwritten_bytes", u.Kinds["overwritten"].Collectable.Bytes, 1 << 30, "copies of the repo file pile up", "run `terrapin store gc`"},
	} {
		if l.Value > l.Limit {
			out = append(out, l)
		}
	}
	return out
}
