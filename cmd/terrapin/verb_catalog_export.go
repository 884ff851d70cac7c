package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/fault"
)

func (c *cli) catalogExportCommand() *cobra.Command {
	var format, base string
	cmd := &cobra.Command{
		Use: "export [COLLECTION…] FILE", Short: "write collections and their items to a file", Args: cobra.MinimumNArgs(1),
		Long: `Writes collections, all if none is named, and their items as newline-JSON (each collection before its items; packed if
the file's name ends in .gz or .zst) or as one STAC-GeoParquet file of the items, with the collections in its
metadata. A file that is there is replaced when the new one is whole. catalog load reads both kinds. A table keeps what an item says, but not the nulls in it, nor how a number or a
time is written; members that no column can be for are named in "left_out".

Hrefs of what the data directory or bucket holds are relative to the API: --base gives its address, which is the
server's where one is asked.

With --json: {"file", "collections": n, "items": n, "left_out": [member]}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := args[len(args)-1]
			if format == "" {
				if format = "ndjson"; strings.HasSuffix(file, ".parquet") {
					format = "parquet"
				}
			}
			if format != "ndjson" && format != "parquet" {
				return usagef("--format %q is neither ndjson nor parquet", format)
			}
			wanted := bulk.Wanted{}
			if len(args) > 1 {
				wanted.Collections = args[:len(args)-1]
			}
			return c.catalogExport(cmd.Context(), wanted, format, strings.TrimRight(base, "/"), file)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "ndjson or parquet (default: parquet if the file's name ends in .parquet, else ndjson)")
	cmd.Flags().StringVar(&base, "base", "", "the address of the API that relative hrefs are below")
	return cmd
}

func (c *cli) catalogExport(ctx context.Context, wanted bulk.Wanted, format, base, file string) error {
	var done bulk.Exported
	bar := c.newBar()
	err := c.withCatalog(ctx, false, func(ctx context.Context, r reach) error {
		if base == "" {
			base = strings.TrimRight(r.base, "/")
		}
		return writeFile(file, func(w io.Writer) (err error) {
			if format == "parquet" {
				done, err = bulk.ExportTable(ctx, r.Pager, w, wanted, base, filepath.Dir(file))
				return err
			}
			done, err = bulk.ExportLines(ctx, r.Pager, w, wanted, base, func(e bulk.Exported) { bar.count("items", e.Items) })
			return err
		})
	})
	bar.end()
	if err != nil {
		return err
	}
	if c.json {
		c.printJSON(map[string]any{"file": file, "collections": done.Collections, "items": done.Items, "left_out": append([]string{}, done.LeftOut...)})
		return nil
	}
	fmt.Fprintf(c.out, "%d items of %d collections in %s\n", done.Items, done.Collections, file)
	for _, name := range done.LeftOut {
		fmt.Fprintf(c.out, "left out: %s, which a table has no column for\n", name)
	}
	return nil
}

// writeFile writes a file, packed by its name, that takes its place when it is whole.
func writeFile(path string, write func(io.Writer) error) error {
	failed := func(err error) error {
		return fault.New(fault.Precondition, "write %s: %w", path, err).WithCure("name a file in a folder that can be written to and has room")
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return failed(err)
	}
	defer os.Remove(f.Name()) // of what did not get its name
	packed, err := bulk.Compressed(f, path)
	if err != nil {
		return failed(err)
	}
	if err := write(packed); err != nil {
		_ = f.Close() // the reason is told already
		return err
	}
	if err := errors.Join(packed.Close(), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return failed(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return failed(err)
	}
	return nil
}

func (c *cli) catalogBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "save what was posted, while everybody works on", Args: cobra.ExactArgs(1),
		Long: `Saves the collections and items that came through the API or catalog load, and live in the catalog alone. What is
made of the data directory or bucket is left out, as store reindex makes it again.

FILE.ndjson, FILE.ndjson.gz or FILE.ndjson.zst is newline-JSON that catalog restore reads into either kind of
catalog. FILE.sqlite is a copy of a whole SQLite catalog, made on the machine that has it, while a server works on.
Both are of one moment. For a catalog in PostgreSQL there is pg_dump as well (docs/guides/catalog.md).

With --json: {"file", "collections": n, "items": n}; of a copy, {"file", "bytes": n}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.HasSuffix(args[0], ".sqlite") {
				return c.copyCatalog(cmd.Context(), args[0])
			}
			return c.catalogBackup(cmd.Context(), args[0])
		},
	}
}

func (c *cli) catalogBackup(ctx context.Context, file string) error {
	var kept bulk.Kept
	bar := c.newBar()
	err := c.withCatalog(ctx, false, func(ctx context.Context, r reach) error {
		return writeFile(file, func(w io.Writer) (err error) {
			kept, err = r.backup(ctx, w, func(k bulk.Kept) { bar.count("items", k.Items) })
			return err
		})
	})
	bar.end()
	if err != nil {
		return err
	}
	if c.json {
		c.printJSON(map[string]any{"file": file, "collections": kept.Collections, "items": kept.Items})
		return nil
	}
	fmt.Fprintf(c.out, "%d collections and %d items in %s\n", kept.Collections, kept.Items, file)
	return nil
}

// copyCatalog copies the file of a SQLite catalog, whoever has it open.
func (c *cli) copyCatalog(ctx context.Context, file string) error {
	switch {
	case c.server != "":
		return usagef("a copy of the file is made where it is: use --data there, or back up to FILE.ndjson")
	case c.catalog != "":
		return usagef("the catalog is in PostgreSQL: use pg_dump, or back up to FILE.ndjson")
	}
	dir, err := c.place().local()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, catalogName)
	have, err := os.Stat(path)
	if err != nil {
		return fault.New(fault.NotFound, "there is no catalog %s", path).WithCure("name its place by --data")
	}
	if there, err := os.Stat(file); err == nil && os.SameFile(have, there) { // whoever has it open would write on to what has no name
		return fault.New(fault.Precondition, "%s is the catalog itself", file).WithCure("name another file for the copy")
	}
	size, err := saveSQLite(ctx, path, file)
	if err != nil {
		return err
	}
	if c.json {
		c.printJSON(map[string]any{"file": file, "bytes": size})
		return nil
	}
	fmt.Fprintf(c.out, "%.1f MB in %s\n", float64(size)/1e6, file)
	return nil
}

func (c *cli) catalogRestoreCommand() *cobra.Command {
	var errorsPath string
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "put back what a backup saved", Args: cobra.ExactArgs(1),
		Long: `Puts the collections and items of a backup back, into a catalog of either kind: a file of newline-JSON, or the copy of
a SQLite catalog. What is there and not in the backup stays, so restore into an empty catalog for just the backup; what is
there in another version is replaced. One that is broken off may be started again. What is made of the data directory or
bucket comes by itself.

With --json: as catalog load.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			source, end, err := openBackup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer end()
			return c.runLoad(cmd.Context(), bulk.Load{}, []bulk.Source{source}, errorsPath)
		},
	}
	cmd.Flags().StringVar(&errorsPath, "errors", "", "write what is rejected to this file, one JSON document to a line")
	return cmd
}

// openBackup opens a backup of either kind; end closes it.
func openBackup(ctx context.Context, path string) (source bulk.Source, end func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fault.New(fault.NotFound, "%w", err).WithCure("give a file that `terrapin catalog backup` wrote")
	}
	defer f.Close()
	magic := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(f, magic); err != nil || !slices.Equal(magic, []byte(sqliteMagic)) {
		source, err = bulk.OpenBackup(path)
		return source, func() {}, err
	}
	return openSQLiteBackup(ctx, f)
}
