package labels

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// ImportRequest says what to import and how.
type ImportRequest struct {
	Set string
	// Files are paths of GeoJSON or GeoTIFF files.
	Files []string
	// ClassProperty holds a feature's class; "" means "class", else "label".
	ClassProperty string
	// ClassesFile maps names to values: JSON {"name": value}, YAML likewise, or CSV name,value.
	ClassesFile string
	// State of the new revision; "" means Accepted.
	State State
	// Replace starts anew instead of adding to what the set holds.
	Replace bool
	// DryRun reports what would happen and writes nothing.
	DryRun bool
	// Strict commits only if nothing is rejected.
	Strict bool
	Actor  string
	// Tool is what the labels were drawn with, where the caller knows.
	Tool string
}

// ImportReport is the document of `labels import`.
type ImportReport struct {
	Labels string `json:"labels"`
	// Revision and Digest are those of the new revision, or of the existing one where Created is
	// false; they are "" where there is none.
	Revision string `json:"revision"`
	Digest   string `json:"digest"`
	Created  bool   `json:"created"`
	State    State  `json:"state"`
	Cube     string `json:"cube"`
	// Accepted counts the features of this import that were good.
	Accepted int         `json:"accepted"`
	Rejected []Rejection `json:"rejected"`
	// Notes tell what was done to accepted features, such as clipping at the cube's edge.
	Notes   []string `json:"notes"`
	Classes []Class  `json:"classes"`
	DryRun  bool     `json:"dry_run,omitempty"`
}

// Rejection names a feature, or a whole file where Feature is "", that was refused.
type Rejection struct {
	Source  string `json:"source"`
	Feature string `json:"feature"`
	Reason  string `json:"reason"`
	Cure    string `json:"cure"`
}

// Import adds the features of files to a set as a new revision. Good features are committed together
// and bad ones are listed; the error is for what concerns the request as a whole. Content that the
// set holds already makes no new revision.
func Import(ctx context.Context, cfg Config, q ImportRequest) (ImportReport, error) {
	if err := q.check(); err != nil {
		return ImportReport{}, err
	}
	var given classMap
	if q.ClassesFile != "" {
		var err error
		if given, err = readClasses(q.ClassesFile); err != nil {
			return ImportReport{}, err
		}
	}
	in := q.read(cfg)
	var report ImportReport
	err := retry(q.Set, func() error {
		var err error
		report, err = q.attempt(ctx, cfg, in, given)
		return err
	})
	return report, err
}

// check refuses a request that names nothing that could be done, and fills in the defaults.
func (q *ImportRequest) check() error {
	if err := cube.CheckName("label set", q.Set); err != nil {
		return err
	}
	switch q.State {
	case "":
		q.State = Accepted
	case Accepted, Draft:
	default:
		return fault.New(fault.Invalid, "unknown state %q of a revision", q.State).WithCure("use accepted or draft")
	}
	if len(q.Files) == 0 {
		return fault.New(fault.Invalid, "import into %q: no file is given", q.Set).WithCure("name GeoJSON or GeoTIFF files")
	}
	return nil
}

// incoming is what the files hold, before classes have values.
type incoming struct {
	candidates []candidate
	rejected   []Rejection
	clipped    []string
}

// read reads every file and places every feature on the cube.
func (q ImportRequest) read(cfg Config) incoming {
	var in incoming
	seen := map[string]bool{}
	for _, path := range q.Files {
		source := baseName(path)
		if seen[source] {
			in.rejected = append(in.rejected, reject(source, "", fault.New(fault.Invalid, "another file of this name was given; a feature is named by its file's name and its id").
				WithCure("rename one of the files")))
			continue
		}
		seen[source] = true
		if err := q.readFile(cfg, path, source, &in); err != nil {
			r := reject(source, "", err)
			r.Reason, r.Cure = hidePath(r.Reason, path, source), hidePath(r.Cure, path, source)
			in.rejected = append(in.rejected, r)
		}
	}
	return in
}

func (q ImportRequest) readFile(cfg Config, path, source string, in *incoming) error {
	from := origin{Tool: q.Tool, Actor: q.Actor, Imported: cfg.now()}
	head, sum, err := fingerprint(path)
	if err != nil {
		return err
	}
	from.SHA256 = sum
	grid := cfg.Cube.Spec().Grid
	switch {
	case isTIFF(head):
		f, err := readMask(path, source, grid)
		if err != nil {
			return err
		}
		f.Origin = from
		in.candidates = append(in.candidates, candidate{feature: f})
		return nil
	case isJSON(head):
		data, err := readText(path, source)
		if err != nil {
			return err
		}
		good, bad, err := readGeoJSON(data, source, q.ClassProperty)
		if err != nil {
			return err
		}
		in.rejected = append(in.rejected, bad...)
		for _, c := range good {
			c.Origin = from
			in.place(c, grid)
		}
		return nil
	}
	return fault.New(fault.Unsupported, "the file is neither GeoJSON nor GeoTIFF").
		WithCure("convert it: ogr2ogr -f GeoJSON -t_srs EPSG:4326 OUT.geojson %s for vectors, gdal_translate %s OUT.tif for rasters", source, source)
}

// place takes a polygon in if it lies on the cube.
func (in *incoming) place(c candidate, g cube.Grid) {
	p, err := c.Shape.place(g)
	if err != nil {
		in.rejected = append(in.rejected, reject(c.Source, c.ID, fault.New(fault.Invalid, "it cannot be brought to the cube's CRS: %w", err).
			WithCure("check that its coordinates are longitude, latitude")))
		return
	}
	outside, clipped := p.on(g)
	if outside {
		in.rejected = append(in.rejected, reject(c.Source, c.ID, outsideCube(c.Shape, p, g)))
		return
	}
	if clipped {
		in.clipped = append(in.clipped, c.Source+" "+c.ID)
	}
	in.candidates = append(in.candidates, c)
}

// outsideCube says where the feature lies instead, and whether its axes were swapped.
func outsideCube(s shape, p placed, g cube.Grid) error {
	b := s.bounds()
	err := fault.New(fault.Invalid, "it lies wholly outside of the cube: between longitude %.6f and %.6f, latitude %.6f and %.6f", b[0], b[2], b[1], b[3])
	swapped := make(shape, 0, len(s))
	for _, poly := range s {
		ring := make([][2]float64, 0, len(poly[0]))
		for _, q := range poly[0] {
			ring = append(ring, [2]float64{q[1], q[0]})
		}
		swapped = append(swapped, [][][2]float64{ring})
	}
	if p, e := swapped.place(g); e == nil {
		if outside, _ := p.on(g); !outside {
			return err.WithCure("its latitude and longitude are swapped: GeoJSON has longitude first")
		}
	}
	return err.WithCure("import it into a set on the cube of its own area")
}

// attempt plans the revision on what the set holds now and commits it.
func (q ImportRequest) attempt(ctx context.Context, cfg Config, in incoming, given classMap) (ImportReport, error) {
	report := ImportReport{
		Labels: q.Set, State: q.State, Cube: cfg.Cube.Spec().Name, DryRun: q.DryRun,
		Rejected: append([]Rejection{}, in.rejected...), Notes: []string{}, Classes: []Class{},
	}
	b, err := openBase(ctx, cfg, q.Set, q.State, q.Replace)
	if err != nil {
		return report, err
	}
	known, err := b.ledger.ClassMap, error(nil)
	if given != nil {
		if known, err = known.extended(given); err != nil {
			return report, err
		}
	}
	res := resolve(b.ledger, known, in.candidates)
	report.Rejected = append(report.Rejected, res.rejected...)
	if len(report.Rejected) > 0 && q.Strict {
		report.Notes = append(report.Notes, "nothing was committed: --strict allows no rejected feature")
		return report, nil
	}
	if len(res.features) == 0 {
		return report, nil
	}
	l := b.ledger
	l.ClassMap = res.classes
	l = l.with(res.features)
	if err := l.frame(); err != nil {
		return report, err
	}
	digest, err := l.digest()
	if err != nil {
		return report, err
	}
	report.Accepted, report.Digest, report.Classes = len(res.features), digest, l.classes()
	report.Notes = append(report.Notes, noteList("reach over the cube's edge and are clipped there", in.clipped)...)
	if old := b.already(digest, q.State); old != nil {
		report.Revision, report.State = old.Revision, old.State
		return report, nil
	}
	var pixels burned
	if q.DryRun {
		pixels, err = l.burn(ctx, cfg.Root)
	} else {
		var r record
		r, pixels, err = b.commit(ctx, cfg, q.Set, l, digest, q.State, q.Actor, q.message())
		report.Revision, report.Created = r.Revision, err == nil
	}
	if err != nil {
		return report, err
	}
	report.Notes = append(report.Notes, noteList("hold no pixel's centre, so that nothing is burned", l.unburned(res.features, pixels.counts))...)
	return report, nil
}

// unburned names the added features that cover no pixel.
func (l ledger) unburned(added []feature, counts []int) []string {
	var names []string
	for i, f := range l.Features {
		if counts[i] == 0 && slices.ContainsFunc(added, func(a feature) bool { return a.Source == f.Source && a.ID == f.ID }) {
			names = append(names, f.Source+" "+f.ID)
		}
	}
	return names
}

func (q ImportRequest) message() string {
	names := make([]string, len(q.Files))
	for i, n := range q.Files {
		names[i] = baseName(n)
	}
	return "import " + listOf(names)
}

// noteList is one line about several features, or none.
func noteList(what string, names []string) []string {
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d features %s: %s", len(names), what, listOf(names))}
}

// fingerprint returns a file's first bytes and its SHA-256.
func fingerprint(path string) (head []byte, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fault.New(fault.Invalid, "the file cannot be read: %w", err).WithCure("check the path and its permissions")
	}
	defer f.Close()
	h := sha256.New()
	head = make([]byte, 512)
	n, err := io.ReadFull(io.TeeReader(f, h), head)
	if n == 0 {
		return nil, "", fault.New(fault.Invalid, "the file is empty or a folder").WithCure("name a GeoJSON or GeoTIFF file")
	}
	if err == nil {
		_, err = io.Copy(h, f)
	}
	if err != nil && err != io.ErrUnexpectedEOF { // a file shorter than the head is no fault
		return nil, "", fault.New(fault.Invalid, "the file cannot be read: %w", err).WithCure("copy it again")
	}
	return head[:n], hex.EncodeToString(h.Sum(nil)), nil
}

// maxTextBytes bounds a GeoJSON file, which is held in memory as a whole.
const maxTextBytes = 1 << 30

// readText reads a file of features.
func readText(path, source string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the file cannot be read: %w", err).WithCure("check the path and its permissions")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fault.New(fault.Invalid, "the file cannot be read: %w", err).WithCure("copy it again")
	}
	if info.Size() > maxTextBytes {
		return nil, fault.New(fault.TooLarge, "the file has %d MiB, and at most %d MiB of GeoJSON are read at once", info.Size()>>20, maxTextBytes>>20).
			WithCure("cut it into files of their own names: ogr2ogr -f GeoJSON -dialect sqlite -sql 'SELECT * FROM layer LIMIT 100000 OFFSET 0' PART.geojson %s", source)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fault.New(fault.Invalid, "the file cannot be read: %w", err).WithCure("copy it again")
	}
	return data, nil
}

// baseName is a file's name without folders, whichever way they are written.
func baseName(name string) string { return name[strings.LastIndexAny(name, `/\`)+1:] }

// hidePath puts the name that a file's owner knows in the place of the path it was read from.
func hidePath(text, path, source string) string {
	if abs, err := filepath.Abs(path); err == nil {
		text = strings.ReplaceAll(text, abs, source)
	}
	return strings.ReplaceAll(text, path, source)
}

func reject(source, feature string, err error) Rejection {
	return Rejection{Source: source, Feature: feature, Reason: err.Error(), Cure: fault.CureOf(err)}
}
