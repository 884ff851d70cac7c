// Package ingest brings scenes into a cube: it opens each source, checks it, finds its place on the
// cube's grids, reads it to the last block, writes its chunks, and commits the good scenes together.
// A scene is one raster file with all the cube's bands, one STAC item whose assets hold them, at one
// resolution or several, or one time step of a plain Zarr v3 group. It refuses what does not lie pixel on
// pixel on the grid (the report says which gdalwarp mends it), what has no acquisition time of its own,
// what says nothing of flags in a cube that has them, and whatever cannot be read whole. Only what names
// itself a mask becomes flags.
//
// The invariant: nothing of a scene is visible before all of it was read, and every source stands in
// the report exactly once.
package ingest

import (
	"context"
	"log/slog"
	"sort"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// Config is what Run works on.
type Config struct {
	Cube *layout.Cube
	// Log receives remarks; nil discards them.
	Log *slog.Logger
}

// Request is one call of ingest.
type Request struct {
	// Sources are raster files, STAC item files (.json), folders of them, and plain Zarr v3 groups.
	Sources []string
	// Given maps a source's path on this machine to the path its owner knows it by, where they
	// differ, as for uploads (assets of items too). The report speaks of the latter.
	Given map[string]string
	// DatetimePattern is a strptime pattern searched in a source's file name; "" searches nothing.
	DatetimePattern string
	// Bands names the bands of files whose bands have no names, in the order of the file.
	Bands []string
	// FlagsFrom says how mask bands become the cube's flags: BAND=scl, BAND=qa_pixel,
	// BAND=bits:FLAG=BIT,…, BAND=classes:FLAG=VALUE+VALUE,… or "none", where scenes have no flags. Without
	// any, the classes that a STAC item declares are taken.
	FlagsFrom []string
	// Supersede lets a scene with the source and time of one that is there take its place; without it, other
	// content is rejected.
	Supersede bool
	// SupersedeItem is the item whose place the only scene takes.
	SupersedeItem string
	Actor         string
	// Strict commits nothing unless every source is good.
	Strict bool
	// Progress is told before each scene that is read whole, and once at the end; nil tells nobody.
	Progress func(done, total int)
}

// Run brings sources into a cube. An error means that the call itself was wrong or that the store
// failed; what the scenes suffer from stands in the report. After an error, scenes of earlier groups
// may be in the cube: the same call again skips them.
func Run(ctx context.Context, cfg Config, req Request) (Report, error) {
	r, err := newRun(cfg, req)
	if err != nil {
		return Report{}, err
	}
	if err := r.inspectAll(ctx); err != nil {
		return Report{}, err
	}
	if n := len(r.sources); req.SupersedeItem != "" && n != 1 {
		return Report{}, fault.New(fault.Invalid, "--supersede-item with %s: one scene takes the place of item %q", plural(n, "source", "sources"), req.SupersedeItem).
			WithCure("give exactly that scene")
	}
	if err := r.readAll(ctx); err != nil {
		return Report{}, err
	}
	return r.report(ctx)
}

// run is the state of one call.
type run struct {
	cfg     Config
	req     Request
	spec    layout.Spec
	groups  []layout.Group
	flags   flagNames
	rules   []*flagRule
	noFlags bool // scenes are without, and that is right
	pattern *pattern
	// steps are the scenes of Zarr groups, by the names that stand for them.
	steps map[string]zarrStep
	// sources in the order given; the report follows it.
	sources []*source
	// staged scenes of this call by source id and time.
	seen map[string]*source
}

// source is one scene to be, and what became of it.
type source struct {
	path  string
	order int
	// facts are set once the header was found good.
	facts   *facts
	staged  *layout.Staged
	outcome *layout.Outcome
}

func newRun(cfg Config, req Request) (*run, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &run{cfg: cfg, req: req, spec: cfg.Cube.Spec(), seen: map[string]*source{}, flags: flagNames{}}
	r.groups = r.spec.Groups()
	for _, f := range r.spec.Flags {
		r.flags[f.Name] = f.Mask
	}
	if len(req.Sources) == 0 {
		return nil, fault.New(fault.Invalid, "no source is given").WithCure("name at least one raster, STAC item or folder")
	}
	if req.DatetimePattern != "" {
		p, err := parsePattern(req.DatetimePattern)
		if err != nil {
			return nil, err
		}
		r.pattern = p
	}
	var err error
	if r.rules, r.noFlags, err = parseRules(req.FlagsFrom, r.flags); err != nil {
		return nil, err
	}
	return r, r.checkBands()
}

// checkBands refuses --bands that cannot be those of the files.
func (r *run) checkBands() error {
	named := map[string]bool{}
	for _, b := range r.req.Bands {
		if b == "" || named[b] {
			return fault.New(fault.Invalid, "--bands names %q twice or not at all", b).WithCure("give each band of the files one name, in their order")
		}
		named[b] = true
	}
	for _, b := range r.spec.Bands {
		if len(r.req.Bands) > 0 && !named[b.Name] {
			return fault.New(fault.Invalid, "--bands lacks the cube's band %q", b.Name).
				WithCure("name every band of the files in their order; the cube has %s", strings.Join(bandNames(r.spec.Bands), ","))
		}
	}
	return nil
}

func (r *run) groupNames() string {
	names := make([]string, len(r.groups))
	for i, g := range r.groups {
		names[i] = g.Name
	}
	return strings.Join(names, ", ")
}

// inspectAll looks at every source's header. Handles are closed again: a call may have any number of
// sources.
func (r *run) inspectAll(ctx context.Context) error {
	paths := map[string]bool{}
	for _, given := range r.req.Sources {
		found, err := r.expand(given)
		if err != nil {
			r.add(given).reject(err)
			continue
		}
		for _, path := range found {
			if err := ctx.Err(); err != nil {
				return err
			}
			s := r.add(path)
			if paths[path] {
				s.skip("it is given twice in this call")
				continue
			}
			paths[path] = true
			sc, err := r.open(path)
			if err != nil {
				s.reject(err)
				continue
			}
			sc.close()
			f := sc.facts // not the scene, which would stay in memory
			s.facts = &f
		}
	}
	return nil
}

func (r *run) add(path string) *source {
	s := &source{path: path, order: len(r.sources)}
	r.sources = append(r.sources, s)
	return s
}

// readAll reads the good sources in the order of the time axis and commits them in groups.
func (r *run) readAll(ctx context.Context) error {
	var good []*source
	for _, s := range r.sources {
		if s.outcome == nil {
			good = append(good, s)
		}
	}
	sort.SliceStable(good, func(i, j int) bool {
		a, b := good[i].facts, good[j].facts
		if !a.time.Equal(b.time) {
			return a.time.Before(b.time)
		}
		return a.source < b.source
	})
	var group []*source
	for done, s := range good {
		r.tell(done, len(good))
		if err := r.stage(ctx, s); err != nil {
			return err
		}
		if s.staged != nil {
			group = append(group, s)
		}
		if len(group) == layout.GroupSize && !r.req.Strict {
			if err := r.commit(ctx, group); err != nil {
				return err
			}
			group = nil
		}
	}
	r.tell(len(good), len(good))
	if r.req.Strict {
		held, err := r.heldBack(ctx, group)
		if held || err != nil {
			return err
		}
	}
	return r.commit(ctx, group)
}

func (r *run) tell(done, total int) {
	if r.req.Progress != nil {
		r.req.Progress(done, total)
	}
}

// stage reads one source whole. A fault of the source goes to its outcome; the error is one of the
// store or of the context.
func (r *run) stage(ctx context.Context, s *source) error {
	sc, err := r.open(s.path)
	if err != nil {
		s.reject(err)
		return nil
	}
	defer sc.close()
	staged, bad, err := r.copyPixels(ctx, sc)
	if err != nil {
		return fault.New(fault.KindOf(err), "ingest %s: %w", s.path, err)
	}
	if bad != nil {
		s.reject(bad)
		return nil
	}
	f := sc.facts
	s.facts = &f
	key := sc.source + "\x00" + stamp(sc.time)
	first, twice := r.seen[key]
	switch {
	case !twice:
		r.seen[key] = s
		s.staged = staged
	case first.staged.Slice.Content == staged.Slice.Content:
		s.skip("the same source, time and content as " + first.path + " in this call")
	default:
		s.reject(fault.New(fault.Conflict, "source %q at %s stands for other content in this call already: %s (slice %s)",
			sc.source, stamp(sc.time), first.path, first.staged.Slice.ID).
			WithCure("rename one of the files, or keep the right one"))
	}
	return nil
}

// heldBack reports whether --strict forbids the commit, and marks what it holds back.
func (r *run) heldBack(ctx context.Context, group []*source) (bool, error) {
	if len(group) > 0 {
		outcomes, err := r.cfg.Cube.PlanWith(ctx, stagedOf(group), r.options())
		if err != nil {
			return false, err
		}
		for i, o := range outcomes {
			if o.Status != layout.Accepted {
				group[i].outcome = &o
			}
		}
	}
	bad := 0
	for _, s := range r.sources {
		if s.outcome != nil && s.outcome.Status == layout.Rejected {
			bad++
		}
	}
	if bad == 0 {
		for _, s := range group {
			s.outcome = nil // Commit decides again, and says the same
		}
		return false, nil
	}
	for _, s := range group {
		if s.outcome == nil {
			s.skip("good, but held back by --strict: " + plural(bad, "source was", "sources were") + " refused")
		}
	}
	return true, nil
}

func (r *run) commit(ctx context.Context, group []*source) error {
	if len(group) == 0 {
		return nil
	}
	result, err := r.cfg.Cube.CommitWith(ctx, stagedOf(group), r.message(len(group)), r.options())
	if err != nil {
		return fault.New(fault.KindOf(err), "commit %s: %w", plural(len(group), "scene", "scenes"), err)
	}
	for i := range result.Outcomes {
		group[i].outcome = &result.Outcomes[i]
	}
	r.cfg.Log.InfoContext(ctx, "committed", "scenes", len(group), "snapshot", result.Snapshot)
	return nil
}

// message is what the cube's log says of a commit.
func (r *run) message(scenes int) string {
	text := "ingest " + plural(scenes, "scene", "scenes")
	switch {
	case r.req.SupersedeItem != "":
		text += " in place of item " + r.req.SupersedeItem
	case r.req.Supersede:
		text += ", superseding those of the same source and time"
	}
	return text
}

func (r *run) options() layout.CommitOptions {
	return layout.CommitOptions{Supersede: r.req.Supersede, SupersedeItem: r.req.SupersedeItem}
}

func stagedOf(group []*source) []*layout.Staged {
	staged := make([]*layout.Staged, len(group))
	for i, s := range group {
		staged[i] = s.staged
	}
	return staged
}

func (s *source) reject(err error) {
	s.outcome = &layout.Outcome{Status: layout.Rejected, Reason: err.Error(), Cure: fault.CureOf(err)}
}

func (s *source) skip(reason string) {
	s.outcome = &layout.Outcome{Status: layout.Skipped, Reason: reason}
}

func bandNames(bands []cube.Band) []string {
	names := make([]string, len(bands))
	for i, b := range bands {
		names[i] = b.Name
	}
	return names
}
