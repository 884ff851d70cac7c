package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

func (c *cli) catalogCommand() *cobra.Command {
	group := &cobra.Command{Use: "catalog", Short: "the index of what exists: load STAC into it, take it out, tend it"}
	group.AddCommand(
		c.catalogLoadCommand(),
		c.catalogExportCommand(),
		c.catalogBackupCommand(),
		c.catalogRestoreCommand(),
		c.catalogIndexCommand(),
		c.catalogInfoCommand(),
	)
	return group
}

// catalogInfo is the document of `catalog info`.
type catalogInfo struct {
	BackEnd     string              `json:"back_end"`
	Version     string              `json:"version"`
	Location    string              `json:"location"`
	Schema      int                 `json:"schema"`
	Bytes       int64               `json:"bytes"`
	Revision    int64               `json:"revision"`
	Items       int                 `json:"items"`
	Collections []catalogCollection `json:"collections"`
	// Indexes are the properties that have one.
	Indexes []string `json:"indexes"`
}

type catalogCollection struct {
	ID    string `json:"id"`
	Items int    `json:"items"`
	// Origin is bucket or posted.
	Origin string `json:"origin"`
}

func (c *cli) catalogInfoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "info", Short: "what the catalog holds, where, and what it has indexes for", Args: cobra.NoArgs,
		Long: `Tells which database the catalog is in, its size, and how many items each collection has. A collection's origin is
"bucket" if it is made of what the data directory or bucket holds, and can be made again, or "posted" if it came
through the API or catalog load, and lives in the catalog alone.

With --json: {"back_end", "version", "location", "schema", "bytes", "revision", "items", "collections": [{"id", "items",
"origin"}], "indexes": [property]}.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), catalogInfoVerb, struct{}{}, nil, c.printCatalogInfo)
		},
	}
}

var catalogInfoVerb = verb{name: "catalog.info", access: tends, run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	out := catalogInfo{Collections: []catalogCollection{}, Indexes: []string{}}
	if d, ok := w.catalog.(catalog.Describer); ok {
		said, err := d.Describe(ctx)
		if err != nil {
			return nil, 0, err
		}
		out.BackEnd, out.Version, out.Location, out.Schema = said.BackEnd, said.Version, said.Location, said.Schema
		out.Bytes, out.Revision = said.Bytes, said.Revision
	}
	if i, ok := w.catalog.(catalog.Indexer); ok {
		indexes, err := i.Indexes(ctx)
		if err != nil {
			return nil, 0, err
		}
		out.Indexes = append(out.Indexes, indexes...)
	}
	for _, origin := range []catalog.Origin{catalog.FromBucket, catalog.Posted} {
		q := catalog.Query{Origin: &origin, Page: catalog.Page{Limit: 1000}}
		for {
			page, err := w.catalog.Collections(ctx, catalog.Everything(), q)
			if err != nil {
				return nil, 0, err
			}
			for _, doc := range page.Documents {
				one := catalogCollection{ID: gjson.GetBytes(doc, "id").Str, Origin: map[catalog.Origin]string{catalog.FromBucket: "bucket", catalog.Posted: "posted"}[origin]}
				counted, err := w.catalog.Aggregate(ctx, catalog.Everything(), catalog.Query{Collections: []string{one.ID}}, []catalog.Aggregation{{Name: "items", Kind: catalog.Count}})
				if err != nil {
					return nil, 0, err
				}
				one.Items, _ = counted[0].Value.(int) // as a count is
				out.Collections, out.Items = append(out.Collections, one), out.Items+one.Items
			}
			if q.Token = page.Next; q.Token == "" {
				break
			}
		}
	}
	return out, exitOK, nil
}}

func (c *cli) printCatalogInfo(doc json.RawMessage) {
	i := decoded[catalogInfo](doc)
	fmt.Fprintf(c.out, "%s %s at %s\n  schema %d, revision %d, %.1f MB, %d items\n", i.BackEnd, i.Version, i.Location, i.Schema, i.Revision, float64(i.Bytes)/1e6, i.Items)
	for _, one := range i.Collections {
		fmt.Fprintf(c.out, "  %-40s %9d items  %s\n", one.ID, one.Items, one.Origin)
	}
	for _, p := range i.Indexes {
		fmt.Fprintf(c.out, "  index of %s\n", p)
	}
}

// indexArgs are the arguments of `catalog index`.
type indexArgs struct {
	Properties []string `json:"properties"`
	Drop       bool     `json:"drop,omitempty"`
}

func (c *cli) catalogIndexCommand() *cobra.Command {
	var a indexArgs
	cmd := &cobra.Command{
		Use: "index PROPERTY…", Short: "make properties fast to filter and sort by", Args: cobra.MinimumNArgs(1),
		Long: `Adds an index for each property, such as eo:cloud_cover, which filters over it and orders by it use, or drops it with
--drop. Place, time, ids and eo:cloud_cover have theirs from the start. In PostgreSQL it is made while others
read and write; in SQLite writers wait for it. An index takes its space and a little time with every item that is
written.

With --json: {"indexes": [property]}, all that there are then.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Properties = args
			return c.invoke(cmd.Context(), catalogIndexVerb, a, nil, func(doc json.RawMessage) {
				for _, p := range decoded[catalogInfo](doc).Indexes {
					fmt.Fprintf(c.out, "index of %s\n", p)
				}
			})
		},
	}
	cmd.Flags().BoolVar(&a.Drop, "drop", false, "drop the indexes")
	return cmd
}

var catalogIndexVerb = verb{name: "catalog.index", access: tends, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a indexArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	indexer, ok := w.catalog.(catalog.Indexer)
	if !ok {
		return nil, 0, fault.New(fault.Unsupported, "this catalog has no indexes of properties")
	}
	do := indexer.Index
	if a.Drop {
		do = indexer.DropIndex
	}
	for _, p := range a.Properties {
		if err := do(ctx, p); err != nil {
			return nil, 0, err
		}
		w.log.InfoContext(ctx, "index", "property", p, "drop", a.Drop, "actor", c.actor)
	}
	indexes, err := indexer.Indexes(ctx)
	return map[string][]string{"indexes": append([]string{}, indexes...)}, exitOK, err
}}
