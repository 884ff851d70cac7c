package icechunk_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/store"
)

// TestGame lets Go and the official library change one repository in turns, at random, and asks both
// after every turn what they see: refs, ancestry, metadata, settings, the operations log, each array of
// each reachable snapshot by raw chunks and by pixels, and diffs. What Go wrote is held against an account
// kept apart as well. TERRAPIN_GAMES is how many games are played, TERRAPIN_GAME_SEED where they begin.
func TestGame(t *testing.T) {
	games, seed := 20, uint64(time.Now().UnixNano())
	if s := os.Getenv("TERRAPIN_GAMES"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		games = n
	}
	if s := os.Getenv("TERRAPIN_GAME_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		seed = n
	}
	for i := range games {
		t.Run(fmt.Sprintf("seed %d", seed+uint64(i)), func(t *testing.T) {
			t.Parallel()
			newGame(t, seed+uint64(i)).run()
		})
	}
}

type game struct {
	t       *testing.T
	random  *rand.Rand
	theirs  *referee
	bucket  *store.Bucket
	cfg     icechunk.Config
	ours    *icechunk.Repo // lives through the whole game
	source  source
	now     view
	decoded int
	turn    int
}

func newGame(t *testing.T, seed uint64) *game {
	g := &game{t: t, random: rand.New(rand.NewPCG(seed, 0))}
	b, dir := gameBoard(t)
	g.bucket, g.theirs = b, newReferee(t, dir)
	req := request{"verb": "create", "inline": g.random.IntN(40), "updates": 2 + g.random.IntN(12)}
	g.randomConfig(req)
	g.cfg = icechunk.Config{Writer: "terrapin-game", InlineMax: g.random.IntN(60) - 20, PackBytes: 400, ManifestRefs: 1 + g.random.IntN(30)}
	if g.random.IntN(2) == 0 {
		g.source = newSource(t, g.random)
		outside := filepath.Dir(g.source.location[len("file://"):]) + "/"
		req["containers"] = map[string]any{"file://" + outside: []string{"outside", "file", outside}}
		g.cfg.Fetch = map[string]icechunk.Fetcher{"file://" + outside: icechunk.FileFetcher{}}
	}
	if g.random.IntN(3) > 0 {
		g.theirs.must(t, req, nil)
	} else {
		_, err := icechunk.Create(t.Context(), b, g.cfg)
		require.NoError(t, err)
		req["verb"] = "configure"
		g.theirs.must(t, req, nil)
	}
	var err error
	g.ours, err = icechunk.Open(t.Context(), b, g.cfg)
	require.NoError(t, err)
	return g
}

func newSource(t *testing.T, random *rand.Rand) source {
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	path := filepath.Join(t.TempDir(), "scene.bin")
	require.NoError(t, os.WriteFile(path, data, 0o644))
	info, err := os.Stat(path)
	require.NoError(t, err)
	return source{location: "file://" + path, data: data, modified: info.ModTime().Unix() + 1}
}

func (g *game) randomConfig(req request) {
	switch g.random.IntN(4) {
	case 0:
		req["split"] = [][]any{{"any", 0, 1 + g.random.IntN(3)}}
	case 1:
		req["split"] = [][]any{{"axis", 0, 1}, {"axis", 1, 2}}
	case 2:
		req["split"] = [][]any{{"name", "y", 1}, {"any", 0, 2}}
	}
	if g.random.IntN(2) == 0 {
		req["preload"] = g.random.IntN(100)
	}
	if g.random.IntN(2) == 0 {
		req["compress"] = 2
	}
}

func (g *game) run() {
	g.compare("the beginning")
	for g.turn = range 8 + g.random.IntN(5) {
		byUs := g.random.IntN(2) == 0
		var what string
		switch k := g.random.IntN(10); {
		case k < 6:
			what = g.commit(byUs)
		case k == 6:
			what = g.move(byUs)
		case k == 7 && g.turn > 2:
			what = g.clean(byUs)
		default:
			what = g.govern(byUs)
		}
		g.compare(fmt.Sprintf("turn %d (Go: %v): %s", g.turn, byUs, what))
	}
	g.t.Logf("%d turns, %d snapshots, %d arrays decoded", g.turn+1, len(g.now.Snapshots), g.decoded)
}

// compare asks both sides for everything and demands that they agree.
func (g *game) compare(after string) {
	var theirs view
	g.theirs.must(g.t, request{"verb": "view"}, &theirs)
	ours, err := look(g.t.Context(), g.bucket, g.cfg, &g.decoded)
	require.NoError(g.t, err, after)
	g.now = ours.plain(g.t, theirs)
	require.Equal(g.t, theirs.plain(g.t, g.now), g.now, after)
	g.compareDiffs(after)
}

// compareDiffs picks a branch and compares the diff of two snapshots of its log.
func (g *game) compareDiffs(after string) {
	log := g.now.Logs[g.branch()]
	if len(log) < 2 {
		return
	}
	newer := g.random.IntN(len(log) - 1)
	older := newer + 1 + g.random.IntN(len(log)-newer-1)
	var want, got wireDiff
	g.theirs.must(g.t, request{"verb": "diff", "from": log[older].ID, "to": log[newer].ID}, &want)
	from, err := icechunk.ParseID(log[older].ID)
	require.NoError(g.t, err)
	to, err := icechunk.ParseID(log[newer].ID)
	require.NoError(g.t, err)
	d, err := g.ours.Diff(g.t.Context(), from, to)
	require.NoError(g.t, err, after)
	got = wire(d)
	require.Equal(g.t, want.sorted(), got, "%s: diff of %s and %s", after, from, to)
}

func (g *game) branch() string {
	names := slices.Sorted(maps.Keys(g.now.Branches))
	return names[g.random.IntN(len(names))]
}

// wireDiff is a diff as the official library tells it.
type wireDiff struct {
	NewGroups     []string           `json:"new_groups"`
	NewArrays     []string           `json:"new_arrays"`
	DeletedGroups []string           `json:"deleted_groups"`
	DeletedArrays []string           `json:"deleted_arrays"`
	UpdatedGroups []string           `json:"updated_groups"`
	UpdatedArrays []string           `json:"updated_arrays"`
	Chunks        map[string][][]int `json:"chunks"`
	Moved         [][2]string        `json:"moved"`
}

func wire(d icechunk.Diff) wireDiff {
	some := func(list []string) []string { return append([]string{}, list...) }
	w := wireDiff{some(d.NewGroups), some(d.NewArrays), some(d.DeletedGroups), some(d.DeletedArrays), some(d.UpdatedGroups), some(d.UpdatedArrays), map[string][][]int{}, [][2]string{}}
	for path, list := range d.Chunks {
		w.Chunks[path] = [][]int{}
		for _, index := range list {
			at := []int{}
			for _, i := range index {
				at = append(at, int(i))
			}
			w.Chunks[path] = append(w.Chunks[path], at)
		}
	}
	for _, m := range d.Moved {
		w.Moved = append(w.Moved, [2]string{m.From, m.To})
	}
	return w.sorted()
}

// sorted forgets the order of moves: the official library puts those of newer snapshots first.
func (w wireDiff) sorted() wireDiff {
	slices.SortFunc(w.Moved, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return w
}
