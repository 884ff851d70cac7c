package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/fault"
)

// loadFlags are the flags of `catalog load`.
type loadFlags struct {
	collections []string
	errors      string
	resume      string
	headers     []string
}

// loadDocument is what `catalog load` and `catalog restore` print with --json.
type loadDocument struct {
	Items       int      `json:"items"`
	Collections []string `json:"collections"`
	Derived     []string `json:"derived"`
	Rejected    int      `json:"rejected"`
	// Problems are the first of them.
	Problems []bulk.Rejection `json:"problems"`
	Errors   string           `json:"errors,omitempty"`
	Skipped  int              `json:"skipped"`
	// Empty are the sources that hold no document.
	Empty   []string `json:"empty,omitempty"`
	Bytes   int64    `json:"bytes"`
	Seconds float64  `json:"seconds"`
	// Failed says what ended the load before its end.
	Failed *loadFailure `json:"error,omitempty"`
}

type loadFailure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Cure    string `json:"cure"`
}

// shownProblems is how many of the documents that are not taken a document names.
const shownProblems = 100

func (c *cli) catalogLoadCommand() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use: "load FILE|URL…", Short: "load STAC items and collections from files or another STAC API", Args: cobra.MinimumNArgs(1),
		Long: `Loads STAC items and collections from files of newline-JSON, GeoJSON FeatureCollections, single documents or
STAC-GeoParquet, compressed by gzip or zstd or not, and from STAC APIs, whose collections and items are walked
through politely: one request at a time, only to the host that is named, never to what an asset's href names.
Documents of STAC 0.8 to 1.0 are brought to 1.1, relative hrefs made whole.

Items whose collection is neither there nor in the sources get a least one, whose place and time are those of its
items; a document of its own takes its place whenever it comes. What is there already and the same is no change, so
a load that was broken off may just be started again; --resume FILE keeps in a file how far it came and goes on
from there.

What is no good is left out, and named with its line, reason and cure in the file that --errors names.

With --json: {"items", "collections": [ids], "derived": [ids], "rejected": n, "problems": [the first 100: {"source",
"line", "number", "id", "collection", "reason", "cure"}], "skipped", "empty": [sources without documents], "bytes", "seconds"}; exit 1 if anything was
rejected, or the load ended early ("error" says why).`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.catalogLoad(cmd.Context(), args, f) },
	}
	cmd.Flags().StringArrayVar(&f.collections, "collection", nil, "of a file: the collection of items that name none; of a STAC API: load only this one (repeatable)")
	cmd.Flags().StringVar(&f.errors, "errors", "", "write what is rejected to this file, one JSON document to a line")
	cmd.Flags().StringVar(&f.resume, "resume", "", "keep in this file how far the load came, and go on from there")
	cmd.Flags().StringArrayVar(&f.headers, "header", nil, "send 'Name: value' to the STAC API, such as a token (repeatable)")
	return cmd
}

func (c *cli) catalogLoad(ctx context.Context, locations []string, f loadFlags) error {
	crawl := bulk.Crawl{Collections: f.collections, Header: http.Header{}}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return usagef("--header %q is not Name: value", h)
		}
		crawl.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	load := bulk.Load{}
	var sources []bulk.Source
	for _, location := range locations {
		s, err := bulk.Open(ctx, location, crawl)
		if err != nil {
			return err
		}
		if !strings.Contains(location, "://") && len(f.collections) > 1 {
			return usagef("--collection is given %d times, and %s is a file, whose items can be of one", len(f.collections), location)
		}
		sources = append(sources, s)
	}
	if len(f.collections) == 1 {
		load.Collection = f.collections[0]
	}
	if f.resume != "" {
		journal, err := bulk.OpenJournal(f.resume)
		if err != nil {
			return err
		}
		load.Journal = journal
	}
	return c.runLoad(ctx, load, sources, f.errors)
}

// runLoad loads into the catalog that the flags name, and tells what came of it.
func (c *cli) runLoad(ctx context.Context, load bulk.Load, sources []bulk.Source, errorsPath string) error {
	out := loadDocument{Collections: []string{}, Derived: []string{}, Problems: []bulk.Rejection{}, Errors: errorsPath}
	rejected, err := newErrorsFile(errorsPath)
	if err != nil {
		return err
	}
	bar := c.newBar()
	load.Rejected = func(r bulk.Rejection) error {
		if len(out.Problems) < shownProblems {
			out.Problems = append(out.Problems, r)
		}
		return rejected.add(r)
	}
	if os.Getenv("GOGC") == "" { // a load makes much that is soon gone, and keeps little
		defer debug.SetGCPercent(debug.SetGCPercent(300))
	}
	begin := time.Now()
	told := begin
	load.Progress = func(p bulk.Progress) {
		if bar != nil {
			bar.rate(p, time.Since(begin))
		} else if time.Since(told) > 10*time.Second { // into a log, now and then
			told = time.Now()
			fmt.Fprintln(c.err, rateLine(p, time.Since(begin)))
		}
	}
	err = c.withCatalog(ctx, true, func(ctx context.Context, r reach) error {
		load.Target = r.Target
		done, err := load.Run(ctx, sources)
		out.Items, out.Rejected, out.Skipped, out.Bytes, out.Empty = done.Items, done.Rejected, done.Skipped, done.Bytes, done.Empty
		out.Collections, out.Derived = append(out.Collections, done.Collections...), append(out.Derived, done.Derived...)
		return err
	})
	bar.end()
	out.Seconds = time.Since(begin).Seconds()
	if closeErr := rejected.close(); err == nil {
		err = closeErr
	}
	if err != nil && out.Items+out.Rejected+len(out.Collections) == 0 {
		return err
	}
	if err != nil {
		out.Failed = &loadFailure{fault.KindOf(err).String(), err.Error(), fault.CureOf(err)}
	}
	if err != nil || out.Rejected > 0 {
		c.exit = exitRefused
	}
	if c.json {
		c.printJSON(out)
	} else {
		c.printLoad(out)
	}
	if err != nil {
		fmt.Fprintln(c.err, "terrapin: "+fault.Text(err))
	}
	return nil
}

func (c *cli) printLoad(out loadDocument) {
	for _, p := range out.Problems {
		where := fmt.Sprintf("%s, document %d", p.Source, p.Number)
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d", p.Source, p.Line)
		}
		fmt.Fprintf(c.out, "rejected  %s %s: %s\n  cure: %s\n", where, p.ID, p.Reason, p.Cure)
	}
	if more := out.Rejected - len(out.Problems); more > 0 && out.Errors != "" {
		fmt.Fprintf(c.out, "and %d more, in %s\n", more, out.Errors)
	} else if more > 0 {
		fmt.Fprintf(c.out, "and %d more; --errors FILE takes them all\n", more)
	}
	for _, name := range out.Empty {
		fmt.Fprintf(c.out, "%s holds no STAC documents\n", name)
	}
	for _, id := range out.Derived {
		fmt.Fprintf(c.out, "collection %s came without a document: it was made of its items\n", id)
	}
	fmt.Fprintf(c.out, "%d items in %.1f s (%.0f a second), %d collections, %d rejected", out.Items, out.Seconds, float64(out.Items)/max(out.Seconds, 1e-3), len(out.Collections), out.Rejected)
	if out.Skipped > 0 {
		fmt.Fprintf(c.out, ", %d documents before where it went on", out.Skipped)
	}
	fmt.Fprintln(c.out)
}

// errorsFile takes what is rejected, a JSON document to a line; the zero value takes nothing.
type errorsFile struct {
	file *os.File
	out  *bufio.Writer
}

func newErrorsFile(path string) (*errorsFile, error) {
	if path == "" {
		return &errorsFile{}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fault.New(fault.Precondition, "--errors: %w", err).WithCure("name a file that can be written")
	}
	return &errorsFile{f, bufio.NewWriter(f)}, nil
}

func (e *errorsFile) add(r bulk.Rejection) error {
	if e.file == nil {
		return nil
	}
	raw, err := json.Marshal(r)
	if err == nil {
		_, err = e.out.Write(append(raw, '\n'))
	}
	if err != nil {
		return fault.New(fault.Unavailable, "--errors: %w", err).WithCure("make room, and load again")
	}
	return nil
}

func (e *errorsFile) close() error {
	if e.file == nil {
		return nil
	}
	err := e.out.Flush()
	if closeErr := e.file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fault.New(fault.Unavailable, "--errors: %w", err).WithCure("make room, and load again")
	}
	return nil
}
