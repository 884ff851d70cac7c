package main

import (
	"context"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/web"
)

// servedCube opens a cube by the objects that a server gives out, for reading.
func servedCube(ctx context.Context, server, name string, fetch map[string]icechunk.Fetcher) (*layout.Cube, error) {
	if err := cube.CheckCubeName(name); err != nil {
		return nil, err
	}
	server = strings.TrimRight(server, "/")
	objects, err := web.New(server + "/assets")
	if err != nil {
		return nil, err
	}
	c, err := layout.OpenWith(ctx, store.New(objects, server+"/assets").Sub("cubes/"+name), icechunk.Config{Fetch: fetch})
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "server %s: no cube %q: %w", server, name, err).
			WithCure("see %s/zarr/ for those it has, and check that this is the HTTP URL of a terrapin server", server)
	}
	return c, err
}
