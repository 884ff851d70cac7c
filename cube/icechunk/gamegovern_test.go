package icechunk_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// govern is a turn about refs and settings.
func (g *game) govern(byUs bool) string {
	ids := slices.Sorted(maps.Keys(g.now.Snapshots))
	at := ids[g.random.IntN(len(ids))]
	what := []string{"tag", "tag", "untag", "branch", "branch", "unbranch", "reset", "metadata", "status", "flag", "containers"}[g.random.IntN(11)]
	name := fmt.Sprintf("%s/%d", what, g.turn)
	switch what {
	case "untag":
		tags := slices.Sorted(maps.Keys(g.now.Tags))
		if len(tags) == 0 {
			return "no tag"
		}
		name = tags[g.random.IntN(len(tags))]
	case "unbranch", "reset":
		if name = g.branch(); name == "main" && what == "unbranch" {
			return "main stays"
		}
		if g.now.Branches[name] == at {
			return "stays there"
		}
	case "status", "flag":
		g.forbid(byUs, what)
		return what
	case "containers":
		g.containers()
		return what
	}
	metadata := map[string]any{"turn": g.turn, "k": []any{nil, false, -1, 2.25, "é"}}
	if !byUs {
		g.theirs.must(g.t, request{"verb": "admin", "what": what, "name": name, "at": at, "metadata": metadata}, nil)
		return what + " " + name
	}
	ctx, r := g.t.Context(), g.ours
	id, err := icechunk.ParseID(at)
	require.NoError(g.t, err)
	switch what {
	case "tag":
		err = r.Tag(ctx, name, id)
	case "untag":
		if err = r.DeleteTag(ctx, name); err == nil {
			require.True(g.t, fault.Is(r.Tag(ctx, name, id), fault.Conflict), "a deleted tag came back")
			require.Error(g.t, g.theirs.ask(g.t, request{"verb": "admin", "what": "tag", "name": name, "at": at}, nil))
		}
	case "branch":
		err = r.CreateBranch(ctx, name, id)
	case "unbranch":
		err = r.DeleteBranch(ctx, name)
	case "reset":
		was, perr := icechunk.ParseID(g.now.Branches[name])
		require.NoError(g.t, perr)
		err = r.ResetBranch(ctx, name, was, id)
	case "metadata":
		err = r.SetMetadata(ctx, metadata)
	}
	require.NoError(g.t, err, "%s %s", what, name)
	return what + " " + name
}

// forbid takes a right away, sees that both sides honour it, and gives it back.
func (g *game) forbid(byUs bool, what string) {
	ctx, at := g.t.Context(), g.now.Branches["main"]
	id, err := icechunk.ParseID(at)
	require.NoError(g.t, err)
	set := func(byUs, off bool) {
		switch {
		case byUs && what == "status":
			reason := map[bool]string{true: "away", false: ""}[off]
			require.NoError(g.t, g.ours.SetStatus(ctx, off, reason))
		case byUs:
			on := !off
			require.NoError(g.t, g.ours.SetFlag(ctx, "create_tag", &on))
		case what == "status":
			req := request{"verb": "admin", "what": "status", "value": off}
			if off {
				req["reason"] = "away"
			}
			g.theirs.must(g.t, req, nil)
		default:
			g.theirs.must(g.t, request{"verb": "admin", "what": "flag", "name": "create_tag", "value": !off}, nil)
		}
	}
	set(byUs, true)
	g.compare("forbidden: " + what)
	err = g.ours.Tag(ctx, "not/now", id)
	require.True(g.t, fault.Is(err, fault.Precondition), "%v", err)
	if what == "status" {
		require.ErrorContains(g.t, err, "away")
	}
	require.Error(g.t, g.theirs.ask(g.t, request{"verb": "admin", "what": "tag", "name": "not/now", "at": at}, nil))
	set(!byUs, false)
}

// containers adds one to the configuration and sees that the rest of it stays.
func (g *game) containers() {
	before, err := g.ours.Configuration(g.t.Context())
	require.NoError(g.t, err)
	list, err := g.ours.Containers(g.t.Context())
	require.NoError(g.t, err)
	add := []icechunk.Container{
		{Prefix: fmt.Sprintf("https://example.org/%d/", g.turn), Store: icechunk.HTTPStore()},
		{Prefix: fmt.Sprintf("s3://bucket/%d/", g.turn), Name: fmt.Sprintf("b%d", g.turn), Store: icechunk.S3Store("eu-west-1", "", true)},
		{Prefix: fmt.Sprintf("file:///nowhere/%d/", g.turn), Store: icechunk.FileStore("/nowhere")},
	}
	require.NoError(g.t, g.ours.SetContainers(g.t.Context(), append(list, add[g.random.IntN(3)])))
	after, err := g.ours.Configuration(g.t.Context())
	require.NoError(g.t, err)
	require.Len(g.t, after["virtual_chunk_containers"], len(list)+1)
	delete(before, "virtual_chunk_containers")
	delete(after, "virtual_chunk_containers")
	require.Equal(g.t, before, after)
}
