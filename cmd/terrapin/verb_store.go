package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/fault"
)

func (c *cli) storeCommand() *cobra.Command {
	group := &cobra.Command{Use: "store", Short: "the data directory or bucket itself: check it, rebuild its index, clear it up"}
	group.AddCommand(
		c.storeFsckCommand(),
		c.storeReindexCommand(),
		c.storeDoctorCommand(),
		c.storeGCCommand(),
		c.storeDuCommand(),
	)
	return group
}

// fsckArgs are the flags of `store fsck`.
type fsckArgs struct {
	Full bool `json:"full,omitempty"`
}

func (c *cli) storeFsckCommand() *cobra.Command {
	var a fsckArgs
	cmd := &cobra.Command{
		Use: "fsck", Short: "check every commit, cube and object, and the catalog against them", Args: cobra.NoArgs,
		Long: `Checks that every committed thing is whole: commits and the objects they name, cubes and the chunks
their manifests name, and that the catalog says what the bucket holds. --full also decodes every pixel
chunk and compares its digest.

With --json: {"ok": bool, "problems": [{"object", "reason", "cure"}]}. Exit 1 if there are problems.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := c.invoke(cmd.Context(), storeFsckVerb, a, nil, c.printFsck)
			if c.server == "" && fault.Is(err, fault.Corrupt) {
				return c.fsckWithoutCatalog(cmd.Context(), a, err)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&a.Full, "full", false, "decode every pixel chunk and compare its digest")
	return cmd
}

var storeFsckVerb = verb{name: "store.fsck", access: inspects, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a fsckArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	w.indexing.Lock()
	defer w.indexing.Unlock()
	report, err := truth.Fsck(ctx, w.root, w.catalog, truth.Options{Full: a.Full, Place: w.shared, Virtual: w.fetch})
	if err != nil {
		return nil, 0, err
	}
	if !report.OK {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}

// fsckWithoutCatalog checks all but a catalog that cannot be opened, which is a problem like any other.
func (c *cli) fsckWithoutCatalog(ctx context.Context, a fsckArgs, damaged error) error {
	w, err := openReading(ctx, c.place(), c.logger())
	if err != nil {
		return err
	}
	defer w.close()
	report, err := truth.Fsck(ctx, w.root, nil, truth.Options{Full: a.Full, Virtual: w.fetch})
	if err != nil {
		return err
	}
	report.OK, c.exit = false, exitRefused
	report.Problems = append(report.Problems, truth.Problem{Object: catalogName, Reason: damaged.Error(), Cure: fault.CureOf(damaged)})
	if c.json {
		c.printJSON(report)
		return nil
	}
	raw, err := json.Marshal(report)
	if err != nil {
		return fault.New(fault.Internal, "encode the document: %w", err)
	}
	c.printFsck(raw)
	return nil
}

func (c *cli) printFsck(doc json.RawMessage) {
	r := decoded[truth.Report](doc)
	for _, p := range r.Problems {
		fmt.Fprintf(c.out, "problem  %s: %s\n  cure: %s\n", p.Object, p.Reason, p.Cure)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(c.out, "note  %s: %s\n", n.Object, n.Note)
	}
	if r.OK {
		fmt.Fprintln(c.out, "everything is whole")
	}
}

func (c *cli) storeReindexCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reindex", Short: "rebuild the catalog from the bucket, from nothing", Args: cobra.NoArgs,
		Long: `Empties the catalog and fills it again from the cubes and commits in the bucket, with the same answers. A
catalog that is damaged is set aside first, as catalog.sqlite.damaged (one in a database, --catalog, is not).

With --json: {"collections": n, "items": n}.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := c.invoke(cmd.Context(), storeReindexVerb, struct{}{}, nil, nil)
			if c.server == "" && c.catalog == "" && fault.Is(err, fault.Corrupt) {
				if err := c.setCatalogAside(cmd.Context(), err); err != nil {
					return err
				}
				return c.invoke(cmd.Context(), storeReindexVerb, struct{}{}, nil, nil)
			}
			return err
		},
	}
}

// catalogName is the catalog's file in a data directory.
const catalogName = "catalog.sqlite"

// setCatalogAside moves a damaged catalog out of the way, unless a server has it open.
func (c *cli) setCatalogAside(ctx context.Context, damaged error) error {
	dir, err := c.place().local()
	if err != nil {
		return err
	}
	lock, err := acquire(ctx, dir)
	if err != nil {
		return damaged
	}
	defer lock.release()
	path := filepath.Join(dir, catalogName)
	for _, beside := range []string{"-wal", "-shm"} { // they belong to it and to no other
		if err := os.Remove(path + beside); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.New(fault.Precondition, "set the catalog aside: %w", err).WithCure("remove %s yourself", path+beside)
		}
	}
	if err := os.Rename(path, path+".damaged"); err != nil {
		return fault.New(fault.Precondition, "set the catalog aside: %w", err).WithCure("move %s away yourself", path)
	}
	fmt.Fprintf(c.err, "terrapin: %v; it was set aside as %s.damaged\n", damaged, path)
	return nil
}

var storeReindexVerb = verb{name: "store.reindex", access: inspects, run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	w.indexing.Lock()
	defer w.indexing.Unlock()
	report, err := truth.Rebuild(ctx, w.root, w.catalog)
	if err == nil {
		err = w.claim(ctx)
	}
	if err != nil {
		return nil, 0, err
	}
	if !report.OK {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}
