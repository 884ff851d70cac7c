package truth_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/compact"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/faulty"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// deed is something that changes a cube.
type deed func(ctx context.Context, root *store.Bucket) error

// sweepSpec is a cube of two cells with two resolutions and flags, or of one.
func sweepSpec(t testing.TB, tiled bool) layout.Spec {
	s := layouttest.Spec(cube.Uint16, nil)
	s.Grid.Width, s.Grid.Height = 32, 16
	if tiled {
		s.CellSize, s.Chunk = 16, 8
		g, err := s.NewGroup("20m", []cube.Band{{Name: "B05"}})
		require.NoError(t, err)
		s.Further, s.Flags = []layout.Group{g}, []layout.Flag{{Name: "cloud", Mask: 1}}
	}
	return s
}

// ingestDeed stages and commits a scene of a day.
func ingestDeed(s layout.Spec, seed uint64, name string, day int, o layout.CommitOptions) deed {
	sc := layouttest.RandomIn(s, seed, name, layouttest.Date(3, day, 0), cube.Window{Row: 2, Col: 1, Height: 12, Width: 30})
	return func(ctx context.Context, root *store.Bucket) error {
		c, err := layout.Open(ctx, root.Sub("cubes/s2"))
		if err != nil {
			return err
		}
		staged, err := layouttest.TryStage(ctx, c, sc)
		if err != nil {
			return err
		}
		result, err := c.CommitWith(ctx, []*layout.Staged{staged}, "ingest", o)
		if err == nil && result.Outcomes[0].Status == layout.Rejected {
			return fault.New(fault.Conflict, "%s", result.Outcomes[0].Reason)
		}
		return err
	}
}

func repoDeed(act func(ctx context.Context, r *icechunk.Repo) error) deed {
	return func(ctx context.Context, root *store.Bucket) error {
		c, err := layout.Open(ctx, root.Sub("cubes/s2"))
		if err != nil {
			return err
		}
		return act(ctx, c.Repo())
	}
}

func deeds(t testing.TB, s layout.Spec) map[string]deed {
	other := s
	other.Name = "other"
	return map[string]deed{
		"create": func(ctx context.Context, root *store.Bucket) error {
			_, err := layout.Create(ctx, root.Sub("cubes/other"), other)
			return err
		},
		"ingest":     ingestDeed(s, 5, "new", 20, layout.CommitOptions{}),
		"late scene": ingestDeed(s, 6, "late", 1, layout.CommitOptions{}),
		"supersede":  ingestDeed(s, 7, "a", 5, layout.CommitOptions{Supersede: true}),
		"tag": repoDeed(func(ctx context.Context, r *icechunk.Repo) error {
			branches, err := r.Branches(ctx)
			if err != nil {
				return err
			}
			return r.Tag(ctx, "v2", branches["main"])
		}),
		"expire": repoDeed(func(ctx context.Context, r *icechunk.Repo) error {
			_, err := r.Expire(ctx, icechunk.ExpireConfig{Before: time.Now()})
			return err
		}),
		"compact": func(ctx context.Context, root *store.Bucket) error {
			c, err := layout.Open(ctx, root.Sub("cubes/s2"))
			if err == nil {
				_, err = compact.Run(ctx, compact.Config{Cube: c, All: true})
			}
			return err
		},
		"gc": repoDeed(func(ctx context.Context, r *icechunk.Repo) error {
			_, err := r.Collect(ctx, icechunk.CollectConfig{OlderThan: time.Nanosecond})
			return err
		}),
		"expire and gc": repoDeed(func(ctx context.Context, r *icechunk.Repo) error {
			if _, err := r.Expire(ctx, icechunk.ExpireConfig{Before: time.Now()}); err != nil {
				return err
			}
			_, err := r.Collect(ctx, icechunk.CollectConfig{OlderThan: time.Nanosecond})
			return err
		}),
	}
}

// copyOf is a store with the same objects.
func copyOf(t testing.TB, from store.Driver) store.Driver {
	to, source := mem.New(), store.New(from, "mem://data")
	for info, err := range source.List(t.Context(), "") {
		require.NoError(t, err)
		data, _, err := source.Read(t.Context(), info.Key, store.Range{})
		require.NoError(t, err)
		_, err = store.New(to, "mem://data").Write(t.Context(), info.Key, data, store.Condition{})
		require.NoError(t, err)
	}
	return to
}

// stateOf is all that a user can see of the cubes: scenes and their pixels, tags, and that they are there.
func stateOf(t testing.TB, d store.Driver) string {
	t.Helper()
	root := store.New(d, "mem://data")
	report, err := truth.Fsck(t.Context(), root, nil, truth.Options{Full: true})
	require.NoError(t, err)
	require.True(t, report.OK, "%+v", report.Problems)
	var out strings.Builder
	for _, name := range []string{"s2", "other"} {
		c, err := layout.Open(t.Context(), root.Sub("cubes/"+name))
		if name == "other" && fault.Is(err, fault.NotFound) {
			continue
		}
		require.NoError(t, err)
		tags, err := c.Repo().Tags(t.Context())
		require.NoError(t, err)
		fmt.Fprintln(&out, name, len(tags))
		for _, at := range []string{"", "v1"} {
			if at != "" && len(tags) == 0 {
				continue
			}
			view, err := c.At(t.Context(), at)
			require.NoError(t, err)
			for _, s := range view.Slices() {
				fmt.Fprintln(&out, at, s.ID, s.Item, s.Source) // pixels are those of the digests, says fsck
				for _, cell := range view.Cells() {
					for _, layer := range []string{layout.Image, layout.Valid} {
						if digests, err := view.ChunkDigests(t.Context(), cell.Path, layer, s.ID); err == nil {
							fmt.Fprintf(&out, " %x\n", sha256.Sum256(fmt.Append(nil, digests)))
						}
					}
				}
			}
		}
	}
	return out.String()
}

// faultsOf are what can go wrong with a call.
func faultsOf(op faulty.Op) []faulty.Kind {
	switch op {
	case faulty.Put:
		return []faulty.Kind{faulty.Unavailable, faulty.NotApplied, faulty.LostAnswer, faulty.NoSpace, faulty.Dies, faulty.DiesAfter}
	case faulty.Delete:
		return []faulty.Kind{faulty.NotApplied, faulty.LostAnswer, faulty.Dies, faulty.DiesAfter}
	case faulty.Get:
		return []faulty.Kind{faulty.Unavailable, faulty.Torn}
	}
	return []faulty.Kind{faulty.Unavailable}
}

// Every deed on a cube, with every fault at every step of it, alone and with somebody else committing just before the
// branch moves: afterwards the repository is sound, shows the old state or the new one, the new one if
// the deed was acknowledged, and doing it again succeeds. What others committed is there in any case.
func TestEveryFaultAtEveryStep(t *testing.T) {
	everything, runs := os.Getenv("TERRAPIN_TORTURE") != "", 0 // a part is tried without
	rng := rand.New(rand.NewPCG(1, uint64(time.Now().YearDay())))
	for _, tiled := range []bool{false, true} {
		s := sweepSpec(t, tiled)
		base := mem.New()
		root := store.New(base, "mem://data")
		_, err := layout.Create(t.Context(), root.Sub("cubes/s2"), s)
		require.NoError(t, err)
		all := deeds(t, s)
		require.NoError(t, ingestDeed(s, 1, "a", 5, layout.CommitOptions{})(t.Context(), root))
		require.NoError(t, repoDeed(func(ctx context.Context, r *icechunk.Repo) error {
			branches, err := r.Branches(ctx)
			require.NoError(t, err)
			return r.Tag(ctx, "v1", branches["main"])
		})(t.Context(), root))
		require.NoError(t, ingestDeed(s, 2, "b", 9, layout.CommitOptions{})(t.Context(), root))
		foreign := ingestDeed(s, 3, "foreign", 7, layout.CommitOptions{})
		for name, do := range all {
			for _, disturbed := range []bool{false, true} {
				if disturbed && (!tiled || name == "create") {
					continue
				}
				t.Run(fmt.Sprintf("%s tiled=%v disturbed=%v", name, tiled, disturbed), func(t *testing.T) {
					// begin runs the deed on a copy; somebody else comes before its first write of the repo file.
					begin := func(faults ...faulty.Fault) (inner store.Driver, d *faulty.Driver, came bool, err error) {
						inner = copyOf(t, base)
						d = faulty.New(inner, 9)
						d.Set(faults...)
						var once atomic.Bool
						d.Before(func(c faulty.Call) {
							if disturbed && c.Op == faulty.Put && c.Key == "cubes/s2/repo" && once.CompareAndSwap(false, true) {
								require.NoError(t, foreign(t.Context(), store.New(inner, "mem://data")))
							}
						})
						err = do(t.Context(), store.New(d, "mem://data"))
						return inner, d, once.Load(), err
					}
					before := stateOf(t, base)
					theirs := copyOf(t, base)
					require.NoError(t, foreign(t.Context(), store.New(theirs, "mem://data")))
					beforeToo := stateOf(t, theirs)
					inner, d, came, err := begin()
					require.NoError(t, err)
					after := stateOf(t, inner)
					calls := d.Calls()
					require.Greater(t, len(calls), 4)
					for i, call := range calls {
						for _, kind := range faultsOf(call.Op) {
							if !everything && rng.IntN(16) > 0 {
								continue
							}
							what := fmt.Sprintf("%s at step %d of %d (%s %s)", kind, i+1, len(calls), call.Op, call.Key)
							runs++
							inner, d, met, err := begin(faulty.Fault{At: i + 1, Kind: kind})
							old, now := before, stateOf(t, inner)
							if met {
								old = beforeToo
							}
							if err == nil && met == came {
								require.Equal(t, after, now, what)
							} else if now != after {
								require.Equal(t, old, now, what)
							}
							d.Set()
							d.Before(nil)
							err = do(t.Context(), store.New(d, "mem://data"))
							if done := now == after && fault.Is(err, fault.Conflict); !done { // a tag and a cube are made once
								require.NoError(t, err, "again after %s", what)
							}
							if met == came {
								require.Equal(t, after, stateOf(t, inner), "again after %s", what)
							}
						}
					}
				})
			}
		}
	}
	t.Logf("%d faults", runs)
}
