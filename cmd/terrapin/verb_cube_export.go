package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/export"
	"github.com/terrapin-eo/terrapin/fault"
)

// exportFlags are the flags of `cube export` that have to be parsed.
type exportFlags struct {
	bounds, window, time, format string
}

func (c *cli) cubeExportCommand() *cobra.Command {
	var f exportFlags
	var req export.Request
	cmd := &cobra.Command{
		Use: "export NAME OUT", Short: "write a part of a cube as GeoTIFFs or plain Zarr", Args: cobra.ExactArgs(2),
		Long: `Writes a window and a span of time of a cube into the folder OUT.

--format cog (default): one cloud-optimised GeoTIFF for each scene, with band names, nodata, a mask of what
was observed, and tags for the time, the slice and its radiometric contract. --format zarr: one plain Zarr v3
group with image, valid, time, band, y and x, placed by CF and GeoZarr attributes, metadata consolidated.
Flags of the cube go with its first resolution: a file NAME_…_flags.tif for each scene, or an array.

An export that was cut off is taken up by --resume: what is whole, by its digest, is not written again. Without
--version it stays at the snapshot it was begun at. OUT must be empty or not there otherwise.

The cube is read from --data, also while a server holds that, or from --server, which gives out its objects;
OUT is on this machine in either case. Nothing is committed.

With --json: {"cube", "snapshot", "format", "group", "window", "scenes", "files": [{"path", "bytes", "sha256"}],
"skipped"}; a Zarr group is one of the files.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.into(&req); err != nil {
				return err
			}
			req.Out = args[1]
			return c.export(cmd.Context(), args[0], req)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.bounds, "bounds", "", "x0,y0,x1,y1 in the cube's CRS, snapped outwards to whole pixels (default: everything; the rectangle around the cells there are)")
	flags.StringVar(&f.window, "window", "", "row,col,height,width in pixels of the group's frame, instead of --bounds")
	flags.StringVar(&f.time, "time", "", "A/B: first and last acquisition time, both included; a date means its whole day, '..' an open end")
	flags.StringSliceVar(&req.Bands, "bands", nil, "band names, in the order wanted (default: all)")
	flags.StringVar(&req.Group, "group", "", "resolution, such as 10m (default: the first)")
	flags.StringVar(&req.Version, "version", "", "snapshot id, tag or branch (default: the newest)")
	flags.StringVar(&f.format, "format", "cog", "cog or zarr")
	flags.IntVar(&req.Shard, "shard", 0, "edge of a Zarr shard in pixels, a multiple of the chunk's (default: no shards)")
	flags.BoolVar(&req.Resume, "resume", false, "go on with an export that was cut off")
	return cmd
}

// into parses the flags that are more than a word.
func (f exportFlags) into(req *export.Request) error {
	req.Format = export.Format(f.format)
	if f.bounds != "" {
		var bounds [4]float64
		if err := four(f.bounds, func(i int, text string) (err error) { bounds[i], err = strconv.ParseFloat(text, 64); return }); err != nil {
			return usagef("--bounds %q is not x0,y0,x1,y1", f.bounds)
		}
		req.Bounds = &bounds
	}
	if f.window != "" {
		var w [4]int
		if err := four(f.window, func(i int, text string) (err error) { w[i], err = strconv.Atoi(text); return }); err != nil {
			return usagef("--window %q is not row,col,height,width", f.window)
		}
		req.Window = &cube.Window{Row: w[0], Col: w[1], Height: w[2], Width: w[3]}
	}
	if f.time == "" {
		return nil
	}
	first, last, ok := strings.Cut(f.time, "/")
	if !ok {
		last = first // one date is its day
	}
	span, err := cube.ParseSpan(first, last)
	if err != nil {
		return fault.New(fault.Invalid, "--time %q: %w", f.time, err)
	}
	req.Span = span
	return nil
}

func four(text string, parse func(i int, text string) error) error {
	parts := strings.Split(text, ",")
	if len(parts) != 4 {
		return strconv.ErrSyntax
	}
	for i, p := range parts {
		if err := parse(i, strings.TrimSpace(p)); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) export(ctx context.Context, name string, req export.Request) error {
	if err := c.mayExportTo(req.Out); err != nil {
		return err
	}
	opened, reader, done, err := c.openExported(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	if bar := c.newBar(); bar != nil {
		defer bar.end()
		req.Progress = func(done, total int) { bar.show("scenes written", done, total) }
	}
	report, err := export.Run(ctx, export.Config{Cube: opened, Reader: reader}, req)
	if err != nil {
		return err
	}
	if c.json {
		c.printJSON(report)
		return nil
	}
	c.printExport(report)
	return nil
}

// mayExportTo refuses what is no folder of this machine, and any place inside of the data directory, where
// files that no commit names pass for damage.
func (c *cli) mayExportTo(out string) error {
	if strings.Contains(out, "://") {
		return fault.New(fault.Unsupported, "%s is a URL, and an export is written into a folder of this machine", out).
			WithCure("name a folder, and copy the files from there")
	}
	if c.server != "" || c.place().inBucket() {
		return nil
	}
	dir, err := c.place().directory()
	if err != nil {
		return err
	}
	to, err := absolute(out)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(resolved(dir), resolved(to))
	if err == nil && filepath.IsLocal(rel) {
		return fault.New(fault.Invalid, "%s lies in the data directory %s, which holds nothing but its own objects", out, dir).
			WithCure("name a folder outside of it")
	}
	return nil
}

// resolved follows the links in as much of an absolute path as is there.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolved(parent), filepath.Base(path))
}

// openExported opens a cube where it lies, or through the server that gives out its objects.
func (c *cli) openExported(ctx context.Context, name string) (*layout.Cube, *read.Reader, func(), error) {
	if c.server != "" {
		fetch, err := virtualFetchers(c.virtual, c.env)
		if err != nil {
			return nil, nil, nil, err
		}
		served, err := servedCube(ctx, c.server, name, fetch)
		return served, read.New(read.Config{CacheBytes: cacheBytes}), func() {}, err
	}
	w, err := openReading(ctx, c.place(), c.logger())
	if err != nil {
		return nil, nil, nil, err
	}
	opened, err := w.cube(ctx, name)
	if err != nil {
		w.close()
		return nil, nil, nil, err
	}
	return opened, w.reader, w.close, nil
}

func (c *cli) printExport(r export.Report) {
	var bytes int64
	for _, f := range r.Files {
		bytes += f.Bytes
		fmt.Fprintf(c.out, "%s  %d bytes\n", f.Path, f.Bytes)
	}
	fmt.Fprintf(c.out, "%d scenes of cube %s at snapshot %s: %d bytes in all, %d files were whole already\n", r.Scenes, r.Cube, r.Snapshot, bytes, r.Skipped)
	if r.Note != "" {
		fmt.Fprintln(c.err, "terrapin: "+r.Note)
	}
}
