package icechunk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestRefusedFiles(t *testing.T) {
	flat, err := sampleRepo().encode()
	require.NoError(t, err)
	good := seal(repoFile, "w", flat)
	patch := func(at int, v byte) []byte {
		c := append([]byte(nil), good...)
		c[at] = v
		return c
	}
	for name, c := range map[string]struct {
		data []byte
		kind fault.Kind
		says string
	}{
		"empty":               {nil, fault.Corrupt, "not an Icechunk file"},
		"cut in the header":   {good[:38], fault.Corrupt, "not an Icechunk file"},
		"other magic":         {patch(0, 'X'), fault.Corrupt, "not an Icechunk file"},
		"version 1":           {patch(36, 1), fault.Unsupported, "spec version 1"},
		"version 3":           {patch(36, 3), fault.Unsupported, "spec version 3"},
		"a snapshot":          {patch(37, 1), fault.Corrupt, "is a snapshot"},
		"unknown type":        {patch(37, 99), fault.Corrupt, "unknown file type 99"},
		"unknown compression": {patch(38, 7), fault.Unsupported, "compression 7"},
		"cut in the body":     {good[:len(good)-5], fault.Corrupt, "decode repo"},
		"no body":             {good[:39], fault.Corrupt, "no FlatBuffer"},
	} {
		flat, err := unseal(repoFile, c.data)
		if err == nil {
			_, err = decodeRepo(flat)
		}
		require.True(t, fault.Is(err, c.kind), "%s: %v", name, err)
		require.ErrorContains(t, err, c.says, name)
	}
	plainFile := append(append([]byte(nil), good[:38]...), plain)
	flat, err = unseal(repoFile, append(plainFile, flat...))
	require.NoError(t, err)
	_, err = decodeRepo(flat)
	require.NoError(t, err, "an uncompressed file is as good")
}

// TestCorruptContent: files that decode but contradict themselves.
func TestCorruptContent(t *testing.T) {
	repo := func(change func(*repoInfo)) func() error {
		return func() error {
			r := sampleRepo()
			change(r)
			flat, err := r.encode()
			require.NoError(t, err)
			_, err = decodeRepo(flat)
			return err
		}
	}
	snap := func(change func(*snapshotInfo)) func() error {
		return func() error {
			s := sampleSnapshot()
			change(s)
			_, err := decodeSnapshot(s.encode())
			return err
		}
	}
	chunks := func(change func([]ChunkAt)) func() error {
		return func() error {
			c := sampleChunks()
			change(c)
			m, err := decodeManifest(encodeManifest(ID{6}, NodeID{2}, c))
			if err == nil {
				_, err = m.at(m.refs(NodeID{2}), 0)
			}
			return err
		}
	}
	for says, run := range map[string]func() error{
		"no branch main":         repo(func(r *repoInfo) { r.branches = r.branches[1:] }),
		"no update":              repo(func(r *repoInfo) { r.updates = nil }),
		"refs out of order":      repo(func(r *repoInfo) { r.tags[0], r.tags[1] = r.tags[1], r.tags[0] }),
		"snapshots out of order": repo(func(r *repoInfo) { r.snapshots[1].id = ID{1} }),
		"snapshot 2 of 2":        repo(func(r *repoInfo) { r.tags[0].at = ID{99} }),
		"nodes out of order":     snap(func(s *snapshotInfo) { s.nodes[0].Path = "/z" }),
		"2 extents for 0":        snap(func(s *snapshotInfo) { s.nodes[2].manifests = s.nodes[1].manifests }),
		"2 dimensions and 1":     snap(func(s *snapshotInfo) { s.nodes[1].Array.Dims = []string{"t"} }),
		"references out of order": chunks(func(c []ChunkAt) {
			c[0], c[1] = c[1], c[0]
		}),
		"of 2 kinds at once": chunks(func(c []ChunkAt) { c[0].Ref.Object = ID{1} }),
		"of 0 kinds at once": chunks(func(c []ChunkAt) { c[0].Ref = Ref{Length: 3} }),
	} {
		err := run()
		require.True(t, fault.Is(err, fault.Corrupt), "%s: %v", says, err)
		require.ErrorContains(t, err, says)
	}
}

func TestUnknownUpdateIsReadNotRewritten(t *testing.T) {
	r := sampleRepo()
	r.updates[0].kind = 17
	_, err := r.encode()
	require.True(t, fault.Is(err, fault.Unsupported))
	require.ErrorContains(t, err, "unknown kind 17")
}
