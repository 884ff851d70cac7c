package icechunk_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

func (g *game) author(branch string, ours bool) *author {
	arrays, groups := sketch(g.now.Snapshots[g.now.Branches[branch]])
	return &author{Rand: g.random, arrays: arrays, groups: groups, source: g.source, ours: ours}
}

// commit is a turn in which a player changes nodes and chunks of a branch.
func (g *game) commit(byUs bool) string {
	branch := g.branch()
	ops := g.author(branch, byUs).program(2 + g.random.IntN(8))
	message := fmt.Sprintf("turn %d", g.turn)
	metadata := map[string]any{"turn": g.turn, "list": []any{1.5, nil, true, "s", map[string]any{"deep": []any{}}}}
	if !byUs {
		req := request{"verb": "commit", "branch": branch, "ops": ops, "message": message, "metadata": metadata}
		if g.random.IntN(4) == 0 && len(g.now.Logs[branch]) > 1 {
			req["amend"] = true
		} else if g.random.IntN(4) == 0 {
			req["rival"] = []op{{Op: "group", Path: fmt.Sprintf("/rival%d", g.turn)}}
		}
		// Their refusals (nothing changed, a rival in the way) are no turn; what they half did is not seen.
		if err := g.theirs.ask(g.t, req, nil); err != nil {
			require.Regexp(g.t, "no changes|onflict|ChangesToCommit|nothing to commit|cannot commit|amend|created to rearrange", err.Error(), "%+v", ops)
		}
		return fmt.Sprintf("%v on %s: %+v", req["amend"], branch, ops)
	}
	if g.random.IntN(4) == 0 {
		return g.rebase(branch, ops, message)
	}
	p := &player{repo: g.ours, nodes: copied(g.now.Snapshots[g.now.Branches[branch]]), data: g.source.data}
	id, err := p.play(g.t.Context(), branch, ops, message, metadata)
	if errors.Is(err, icechunk.ErrNoChange) {
		return "no change"
	}
	require.NoError(g.t, err)
	seen, err := lookAtAnew(g, id)
	require.NoError(g.t, err)
	require.Equal(g.t, p.nodes, seen, "what Go wrote: %+v", ops)
	g.told(p.tx.Base().ID(), id)
	return fmt.Sprintf("on %s: %+v", branch, ops)
}

// rebase has the official library commit while our transaction is open: ours goes on top of it, or says
// that it cannot. Either way both see the same afterwards.
func (g *game) rebase(branch string, ops []op, message string) string {
	p := &player{repo: g.ours, nodes: copied(g.now.Snapshots[g.now.Branches[branch]]), data: g.source.data}
	require.NoError(g.t, p.open(g.t.Context(), branch, ops))
	rival := request{"verb": "commit", "branch": branch, "ops": g.author(branch, false).program(3), "message": "rival of " + message}
	_ = g.theirs.ask(g.t, rival, nil) // what it refuses is no rival
	_, err := p.tx.Commit(g.t.Context(), message, nil)
	if err != nil && !errors.Is(err, icechunk.ErrNoChange) && !errors.Is(err, icechunk.ErrMoved) {
		require.NoError(g.t, err)
	}
	return fmt.Sprintf("on %s: %+v against %+v: %v", branch, ops, rival["ops"], err)
}

func lookAtAnew(g *game, id icechunk.ID) (map[string]node, error) {
	r, err := icechunk.Open(g.t.Context(), g.bucket, g.cfg)
	if err != nil {
		return nil, err
	}
	nodes, err := lookAt(g.t.Context(), r, id, new(int))
	for path, n := range nodes {
		n.Pixels = ""
		nodes[path] = n
	}
	return nodes, err
}

func copied(nodes map[string]node) map[string]node {
	out := map[string]node{}
	for path, n := range nodes {
		n.Pixels = ""
		if n.Kind == "array" {
			n.Chunks = maps.Clone(n.Chunks)
			if n.Chunks == nil {
				n.Chunks = map[string]string{}
			}
		}
		out[path] = n
	}
	return out
}

// move is a turn in which nodes get other paths, one of them perhaps twice.
func (g *game) move(byUs bool) string {
	branch := g.branch()
	nodes := g.now.Snapshots[g.now.Branches[branch]]
	paths := slices.DeleteFunc(slices.Sorted(maps.Keys(nodes)), func(p string) bool { return p == "/" })
	if len(paths) == 0 {
		return "nothing to move"
	}
	from := paths[g.random.IntN(len(paths))]
	moves := [][2]string{}
	for _, parent := range slices.Sorted(maps.Keys(nodes)) {
		if nodes[parent].Kind == "group" && parent != from && !strings.HasPrefix(parent, from+"/") && g.random.IntN(2) == 0 {
			to := fmt.Sprintf("%s/m%d", strings.TrimSuffix(parent, "/"), g.random.Uint32N(1000))
			moves = append(moves, [2]string{from, to})
			from = to
			break
		}
	}
	if g.random.IntN(2) == 0 {
		moves = append(moves, [2]string{from, fmt.Sprintf("/again-%d", g.turn)})
	}
	if len(moves) == 0 {
		return "no move"
	}
	if !byUs {
		g.theirs.must(g.t, request{"verb": "commit", "branch": branch, "moves": moves, "message": "moves"}, nil)
		return fmt.Sprint("moves ", moves)
	}
	tx, err := g.ours.Begin(g.t.Context(), branch)
	require.NoError(g.t, err)
	for _, m := range moves {
		require.NoError(g.t, tx.Move(m[0], m[1]))
	}
	id, err := tx.Commit(g.t.Context(), "moves", nil)
	require.NoError(g.t, err)
	g.told(tx.Base().ID(), id)
	return fmt.Sprint("moves ", moves)
}

// clean is a turn of expiry and collection, or of the official library alone: manifests anew, other settings.
func (g *game) clean(byUs bool) string {
	ctx := g.t.Context()
	switch g.random.IntN(6) {
	case 0, 1:
		log := g.now.Logs["main"]
		before := log[g.random.IntN(len(log))].At + 1e-6
		if byUs {
			_, err := g.ours.Expire(ctx, icechunk.ExpireConfig{Before: time.UnixMicro(int64(before*1e6 + 0.5))})
			require.NoError(g.t, err)
		} else {
			g.theirs.must(g.t, request{"verb": "admin", "what": "expire", "before": before}, nil)
		}
		return "expired"
	case 2, 3:
		if byUs {
			_, err := g.ours.Collect(ctx, icechunk.CollectConfig{OlderThan: time.Nanosecond})
			require.NoError(g.t, err)
		} else {
			g.theirs.must(g.t, request{"verb": "admin", "what": "collect"}, nil)
		}
		return "collected"
	case 4:
		branch := g.branch()
		if err := g.theirs.ask(g.t, request{"verb": "admin", "what": "rewrite", "name": branch}, nil); err != nil {
			return "refused to write manifests anew: " + err.Error()
		}
		return "manifests of " + branch + " anew"
	}
	req := request{"verb": "configure", "updates": 2 + g.random.IntN(10), "inline": g.random.IntN(40)}
	g.randomConfig(req)
	g.theirs.must(g.t, req, nil)
	return fmt.Sprint("configured ", req)
}
