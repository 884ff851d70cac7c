package main

import (
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A repo file that makes every commit dear is named by the doctor and by du alike.
func TestTheDoctorWarnsOfPassedLimits(t *testing.T) {
	s := withCube(t)
	require.Empty(t, s.json(exitOK, "store", "doctor")["warnings"])

	cube, err := s.open().cube(t.Context(), "s2")
	require.NoError(t, err)
	tx, err := cube.Repo().Begin(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, tx.PutGroup("/foreign", []byte(`{"zarr_format":3,"node_type":"group"}`)))
	note := make([]byte, 5<<20) // does not compress
	random := rand.NewChaCha8([32]byte{1})
	_, err = random.Read(note)
	require.NoError(t, err)
	_, err = tx.Commit(t.Context(), "long metadata", map[string]any{"note": base64.StdEncoding.EncodeToString(note)})
	require.NoError(t, err)

	warnings := s.json(exitOK, "store", "doctor")["warnings"].([]any)
	require.Len(t, warnings, 1)
	warning := warnings[0].(map[string]any)
	require.Contains(t, warning["object"], "/cubes/s2")
	require.Contains(t, warning["reason"], "repo_bytes")
	limits := s.json(exitOK, "store", "du")["limits"].([]any)
	require.Len(t, limits, 1)
	require.Equal(t, limits[0].(map[string]any)["cure"], warning["cure"])
}
