package predictions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
	"github.com/terrapin-eo/terrapin/store"
)

// runRecord is a run's commit.json, written last: it makes the prediction exist.
type runRecord struct {
	commit.Head

	// Inputs is the digest of what the run was made from.
	Inputs        string         `json:"inputs"`
	Model         string         `json:"model"`
	ModelDigest   string         `json:"model_digest"`
	Dataset       string         `json:"dataset,omitempty"`
	DatasetDigest string         `json:"dataset_digest,omitempty"`
	Cube          string         `json:"cube"`
	Snapshot      string         `json:"snapshot"`
	Cell          string         `json:"cell"`
	Slices        []cube.SliceID `json:"slices"`
	Area          cube.Window    `json:"area"`
	Names         []string       `json:"names"`
	DType         cube.DType     `json:"dtype"`
	Classes       []Class        `json:"classes,omitempty"`
	// Coverage is the share of the area's pixels that were written; earlier releases did not say it.
	Coverage *float64 `json:"coverage,omitempty"`
	// Key is where the raster lies; its name is that of its content.
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func runFolder(run string) string { return "predictions/" + run }

func readRun(ctx context.Context, root *store.Bucket, run string) (runRecord, error) {
	var r runRecord
	err := commit.Read(ctx, root, runFolder(run), "prediction", &r)
	return r, err
}

// Publish makes the run visible, all at once. A run of the same id and content that is there already
// is returned as it is; other content under the same id is a conflict.
func (r *Run) Publish(ctx context.Context) (Item, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.item != nil {
		again := *r.item
		again.Created = false
		return again, nil
	}
	if r.closed {
		return Item{}, fault.New(fault.Precondition, "publish run %s: it was given up", r.ID()).WithCure("begin a run")
	}
	if !slices.Contains(r.written, 1) {
		return Item{}, fault.New(fault.Precondition, "publish run %s: no window was written", r.ID()).WithCure("write at least one window")
	}
	item, err := r.publish(ctx)
	if err != nil {
		return Item{}, fault.New(fault.KindOf(err), "publish run %s: %w", r.ID(), err)
	}
	r.item, r.closed = &item, true
	r.release()
	return item, nil
}

func (r *Run) publish(ctx context.Context) (Item, error) {
	root, digest := r.cfg.Root, r.content()
	old, err := readRun(ctx, root, r.ID())
	if err == nil {
		return r.existing(old, digest)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return Item{}, err
	}
	rec := r.record(digest)
	if err := r.writeRaster(ctx, &rec); err != nil {
		return Item{}, err
	}
	if rec.STAC, err = r.describe(rec); err != nil {
		return Item{}, err
	}
	err = commit.Write(ctx, root, runFolder(r.ID()), &rec)
	if errors.Is(err, store.ErrConflict) {
		if old, err = readRun(ctx, root, r.ID()); err != nil {
			return Item{}, err
		}
		return r.existing(old, digest)
	}
	if err != nil {
		return Item{}, err
	}
	item := rec.published()
	item.Created = true
	return item, nil
}

// existing returns the run that is there, if it says the same.
func (r *Run) existing(old runRecord, digest string) (Item, error) {
	if old.Inputs != r.inputs {
		return Item{}, r.taken(old)
	}
	if old.Digest != digest {
		return Item{}, fault.New(fault.Conflict, "it was published on %s by %s with other values", old.Created.Format("2006-01-02 15:04:05Z07:00"), old.Actor).
			WithCure("choose another run id for the new values")
	}
	return old.published(), nil
}

// content is the digest of the stitched values and their validity.
func (r *Run) content() string {
	h := sha256.New()
	h.Write([]byte(r.inputs + "\n"))
	h.Write(r.data)
	h.Write(r.valid)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func (r *Run) record(digest string) runRecord {
	s := r.spec
	rec := runRecord{
		Head: commit.Head{
			Kind: "prediction", Name: s.Run, Revision: "v1", Digest: digest, Actor: s.Actor, Created: r.cfg.now().Truncate(time.Microsecond),
		},
		Inputs: r.inputs, Model: s.Model, ModelDigest: r.model.Digest,
		Dataset: s.Dataset, DatasetDigest: s.DatasetDigest, Cube: s.Cube.Spec().Name, Snapshot: s.Cube.Snapshot(), Cell: s.Cell,
		Area: s.Area, Names: s.Names, DType: s.DType, Classes: s.Classes,
	}
	coverage := float64(bytes.Count(r.written, []byte{1})) / float64(len(r.written))
	rec.Coverage = &coverage
	for _, sl := range r.slices {
		rec.Slices = append(rec.Slices, sl.ID)
	}
	return rec
}

// grid is the frame of the run's area.
func (r *Run) grid() cube.Grid {
	g, a := r.region.Grid, r.spec.Area
	t := g.Transform
	t[2], t[5] = g.Transform.Apply(float64(a.Col), float64(a.Row))
	return cube.Grid{CRS: g.CRS, Transform: t, Width: a.Width, Height: a.Height}
}

// writeRaster writes the COG to the bucket under the name of its content and reads it back.
func (r *Run) writeRaster(ctx context.Context, rec *runRecord) error {
	dir, err := os.MkdirTemp(r.cfg.Dir, "prediction-")
	if err != nil {
		return fault.New(fault.Unavailable, "make a folder for the raster: %w", err).WithCure("check the space and permissions of the temporary folder")
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "prediction.tif")
	err = gdal.WriteCOG(ctx, path, gdal.COG{
		Grid: r.grid(), DType: rec.DType, Bands: rec.Names, Data: r.data, Mask: r.valid,
		Metadata: map[string]string{"TERRAPIN_RUN": rec.Name, "TERRAPIN_MODEL": rec.Model, "TERRAPIN_DATASET": rec.Dataset, "TERRAPIN_DATASET_DIGEST": rec.DatasetDigest},
	})
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Unavailable, "read the raster back: %w", err)
	}
	defer f.Close()
	if rec.SHA256, rec.Size, err = checksum(f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fault.New(fault.Unavailable, "read the raster back: %w", err)
	}
	rec.Key = "predictions/" + rec.Name + "/prediction-" + rec.SHA256[:16] + ".tif"
	if _, err := r.cfg.Root.WriteFrom(ctx, rec.Key, f, store.Condition{}); err != nil {
		return err
	}
	return r.verify(ctx, *rec)
}

// verify holds what arrived in the bucket to the checksum.
func (r *Run) verify(ctx context.Context, rec runRecord) error {
	body, _, err := r.cfg.Root.Open(ctx, rec.Key, store.Range{})
	if err != nil {
		return err
	}
	defer body.Close()
	sum, size, err := checksum(body)
	if err == nil && (sum != rec.SHA256 || size != rec.Size) {
		err = fault.New(fault.Corrupt, "%s arrived as %d bytes with SHA-256 %s, not %d with %s", rec.Key, size, sum, rec.Size, rec.SHA256).
			WithCure("check the storage, then publish again")
	}
	return err
}

func checksum(body io.Reader) (string, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, body)
	if err != nil {
		return "", 0, fault.New(fault.Unavailable, "read the raster: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// List describes the published predictions, newest first.
func List(ctx context.Context, root *store.Bucket) ([]Entry, error) {
	runs, err := root.Folders(ctx, "predictions")
	if err != nil {
		return nil, err
	}
	list := []Entry{}
	for _, run := range runs {
		r, err := readRun(ctx, root, run)
		if errors.Is(err, store.ErrNotFound) {
			continue // a run that was not published
		}
		if err != nil {
			return nil, err
		}
		list = append(list, r.entry())
	}
	slices.SortStableFunc(list, func(a, b Entry) int { return b.Created.Compare(a.Created) })
	return list, nil
}
