package icechunk

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

var updateSeeds = flag.Bool("update", false, "write the fuzz seeds anew")

// seeds are the flat files every fuzz function starts from; they lie in testdata/seeds as well.
func seeds() map[string][]byte {
	repo, _ := sampleRepo().encode()
	return map[string][]byte{
		"repo": repo, "snapshot": sampleSnapshot().encode(), "transactions": sampleLog().encode(),
		"manifest": encodeManifest(ID{6}, NodeID{2}, sampleChunks()), "flex": mustFlex(map[string]any{"a": []any{int64(1), "x", nil, 2.5}}),
		"file": seal(repoFile, "terrapin", repo),
	}
}

// TestGoldenSeeds: files written by an earlier release stay readable and mean the same.
func TestGoldenSeeds(t *testing.T) {
	for name, data := range seeds() {
		path := filepath.Join("testdata", "seeds", name)
		if *updateSeeds {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, data, 0o644))
		}
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", "seeds", name))
		require.NoError(t, err)
		return data
	}
	flat, err := unseal(repoFile, read("file"))
	require.NoError(t, err)
	for _, data := range [][]byte{flat, read("repo")} {
		r, err := decodeRepo(data)
		require.NoError(t, err)
		require.Equal(t, sampleRepo(), r)
	}
	s, err := decodeSnapshot(read("snapshot"))
	require.NoError(t, err)
	require.Equal(t, sampleSnapshot(), s)
	l, err := decodeTransactionLog(read("transactions"))
	require.NoError(t, err)
	require.Equal(t, sampleLog(), l)
	m, err := decodeManifest(read("manifest"))
	require.NoError(t, err)
	require.Equal(t, len(sampleChunks()), m.refs(NodeID{2}).n)
}

// theirs is the FlatBuffer of a file that the official library wrote (2.3; see TestGoldenOfficial).
func theirs(t require.TestingT, name string, kind fileType) []byte {
	data, err := os.ReadFile(filepath.Join("testdata", "official", name))
	require.NoError(t, err)
	flat, err := unseal(kind, data)
	require.NoError(t, err)
	return flat
}

func fuzzDecoder(f *testing.F, seed string, decode func([]byte) error, more ...[]byte) {
	data, err := os.ReadFile(filepath.Join("testdata", "seeds", seed))
	require.NoError(f, err)
	for _, seed := range append(more, data, nil) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := decode(data)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20+uint64(len(data))*2000 {
			t.Errorf("%d bytes took %d bytes of memory", len(data), used)
		}
		if err != nil && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Unsupported) {
			t.Errorf("foreign bytes gave %v: %v", fault.KindOf(err), err)
		}
		if err != nil && strings.Contains(err.Error(), "runtime error") {
			t.Errorf("a defect, not bad bytes: %v", err)
		}
	})
}

func FuzzFile(f *testing.F) {
	fuzzDecoder(f, "file", func(data []byte) error { _, err := unseal(repoFile, data); return err })
}

func FuzzRepo(f *testing.F) {
	fuzzDecoder(f, "repo", func(data []byte) error {
		r, err := decodeRepo(data)
		if err != nil {
			return err
		}
		if _, err := decodeMetadata(r.metadata); err != nil {
			return err
		}
		cfg, err := decodeConfig(r.config)
		containersOf(cfg)
		return err
	}, theirs(f, "repo", repoFile))
}

func FuzzSnapshot(f *testing.F) {
	fuzzDecoder(f, "snapshot", func(data []byte) error { _, err := decodeSnapshot(data); return err }, theirs(f, "snapshot", snapshotFile))
}

func FuzzTransactions(f *testing.F) {
	fuzzDecoder(f, "transactions", func(data []byte) error { _, err := decodeTransactionLog(data); return err }, theirs(f, "transactions", transactionFile))
}

func FuzzManifest(f *testing.F) {
	fuzzDecoder(f, "manifest", func(data []byte) error {
		m, err := decodeManifest(data)
		if err != nil {
			return err
		}
		for _, a := range m.arrays {
			for i := range a.refs.n {
				c, err := m.at(a.refs, i)
				if err != nil {
					return err
				}
				if _, _, err := m.find(a.node, c.Index); err != nil {
					return err
				}
			}
		}
		return nil
	}, theirs(f, "manifest", manifestFile))
}

// FuzzLocation: whatever a reference says, it leads into a container or nowhere.
func FuzzLocation(f *testing.F) {
	list := []Container{{Prefix: "file:///scenes/", Name: "src"}, {Prefix: "https://h/p/"}, {Prefix: "s3://b/"}}
	for _, seed := range []string{"file:///scenes/a/../../etc/passwd", "vcc://src/%2e%2e/x", "https://h/p/../q", "s3://b/a//../c", "file:///scenes/%2e%2e%2f", "://", "vcc:///x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		at, err := locate(list, location)
		if err != nil {
			return
		}
		if at.URL.Scheme != "s3" && dotted(at.URL.Path) {
			t.Errorf("%q leads to %s", location, at.URL)
		}
		if whole := at.URL.Scheme + "://" + at.URL.Host + at.URL.Path; !strings.HasPrefix(whole, at.Prefix) && !strings.HasPrefix(location, at.Prefix) {
			t.Errorf("%q leads to %s, outside of %s", location, whole, at.Prefix)
		}
	})
}

func FuzzFlex(f *testing.F) {
	fuzzDecoder(f, "flex", func(data []byte) error { _, err := decodeFlex(data); return err })
}
