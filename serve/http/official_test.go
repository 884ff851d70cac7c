package http

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

func python(t *testing.T) string {
	t.Helper()
	p := os.Getenv("TERRAPIN_PYTHON")
	if p == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official STAC API clients and validator")
	}
	return p
}

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// onBoth runs a test on a filled server over each back end.
func onBoth(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Run("sqlite", func(t *testing.T) {
		f := start(t, nil)
		f.fill(t)
		test(t, f)
	})
	t.Run("postgres", func(t *testing.T) {
		cat, err := postgres.Open(context.Background(), postgres.Config{URL: pgtest.Database(t), Readers: 4, Writers: 4})
		require.NoError(t, err)
		f := startOn(t, cat, nil)
		f.fill(t)
		test(t, f)
	})
}

// TestStacAPIValidator runs the official validator over every class that it knows and we advertise, changes too.
func TestStacAPIValidator(t *testing.T) {
	p := python(t)
	onBoth(t, func(t *testing.T, f *fixture) { validate(t, p, f) })
}

func validate(t *testing.T, p string, f *fixture) {
	t.Helper()
	_, err := f.catalog.Apply(context.Background(), catalog.Changes{Origin: catalog.Posted, Collections: []json.RawMessage{catalogtest.Collection("mine")}})
	require.NoError(t, err)
	geometry := `{"type":"Polygon","coordinates":[[[3,50],[5,50],[5,51],[3,51],[3,50]]]}`
	cmd := exec.Command(p, "testdata/validator.py", f.url+"/", "s2", geometry, "../../catalog/stac/testdata/schemas")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	t.Log(out.String())
	require.NoError(t, err)
	require.Contains(t, out.String(), "Errors: none")
}

// TestPystacClient searches and walks as users do.
func TestPystacClient(t *testing.T) {
	p := python(t)
	onBoth(t, func(t *testing.T, f *fixture) {
		cmd := exec.Command(p, "-W", "error", "testdata/client.py", f.url+"/")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	})
}
