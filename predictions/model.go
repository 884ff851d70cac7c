package predictions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Model is what a registered model says about itself.
type Model struct {
	// ID names the model for ever; another model is another id.
	ID string `json:"id"`
	// Name for people; "" means ID.
	Name         string `json:"name,omitempty"`
	Description  string `json:"description,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	// Framework such as "PyTorch" or "scikit-learn", with its version.
	Framework        string `json:"framework,omitempty"`
	FrameworkVersion string `json:"framework_version,omitempty"`
	// Task is one of mlm's; "" means "semantic-segmentation".
	Task string `json:"task,omitempty"`
	// Inputs are the model's inputs; bands name those of the cube.
	Inputs []Input `json:"inputs,omitempty"`
	// Classes of the output; none means that it predicts numbers.
	Classes []Class `json:"classes,omitempty"`
	// Artifact says where the weights are.
	Artifact *Artifact `json:"artifact,omitempty"`
	// Dataset is the version the model was trained on, "NAME@vN", and its digest, which is looked up
	// where it is not given.
	Dataset       string `json:"dataset,omitempty"`
	DatasetDigest string `json:"dataset_digest,omitempty"`
	// Parameters is the number of weights, 0 if unknown.
	Parameters int64 `json:"parameters,omitempty"`
	// Hyperparameters and Metrics are kept as given.
	Hyperparameters map[string]any `json:"hyperparameters,omitempty"`
	Metrics         map[string]any `json:"metrics,omitempty"`
	Actor           string         `json:"actor,omitempty"`
}

// Input is one input of a model. Shape uses -1 for free sizes.
type Input struct {
	Name  string   `json:"name"`
	Bands []string `json:"bands,omitempty"`
	Shape []int    `json:"shape,omitempty"`
	Dims  []string `json:"dims,omitempty"`
	DType string   `json:"dtype,omitempty"`
}

// Artifact is a file of weights.
type Artifact struct {
	Href string `json:"href"`
	// SHA256 in hex and Size in bytes, where known.
	SHA256 string `json:"sha256,omitempty"`
	Size   int64  `json:"size,omitempty"`
	// Type is the artifact type of mlm, such as "torch.save".
	Type string `json:"type,omitempty"`
}

// Registered is a model in the bucket.
type Registered struct {
	Model
	// Digest covers everything the model says but its actor.
	Digest     string    `json:"digest"`
	Registered time.Time `json:"registered"`
	// Created is false where the same model had been registered before.
	Created bool `json:"created"`
	// Document is the model's STAC item.
	Document json.RawMessage `json:"document"`
}

// modelRecord is a model's commit.json.
type modelRecord struct {
	commit.Head
	Model Model `json:"model"`
}

// Tasks are the tasks of a model that mlm knows.
var Tasks = []string{
	"regression", "classification", "scene-classification", "detection", "object-detection", "segmentation",
	"semantic-segmentation", "instance-segmentation", "panoptic-segmentation", "similarity-search", "generative",
	"image-captioning", "super-resolution", "downscaling",
}

var (
	dimension = regexp.MustCompile(`^[a-z_-]+$`)
	hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)
	reference = regexp.MustCompile(`^([a-z0-9][a-z0-9._-]{0,62})@(v[1-9][0-9]*)$`)
)

// RegisterModel makes a model known for ever. The same model again is no error; another one under the
// same id is a conflict.
func RegisterModel(ctx context.Context, root *store.Bucket, m Model) (Registered, error) {
	if err := m.check(); err != nil {
		return Registered{}, err
	}
	if m.Dataset != "" && m.DatasetDigest == "" {
		var err error
		if m.DatasetDigest, err = datasetDigest(ctx, root, m.Dataset); err != nil {
			return Registered{}, fault.New(fault.KindOf(err), "register model %q: %w", m.ID, err)
		}
	}
	r := modelRecord{
		Head: commit.Head{
			Kind: "model", Name: m.ID, Revision: "v1", Actor: m.Actor, Created: time.Now().UTC().Truncate(time.Microsecond),
		},
		Model: m,
	}
	var err error
	if r.Digest, err = m.digest(); err != nil {
		return Registered{}, err
	}
	if r.STAC, err = r.describe(); err != nil {
		return Registered{}, err
	}
	err = commit.Write(ctx, root, modelFolder(m.ID), &r)
	if err == nil {
		reg := r.registered()
		reg.Created = true
		return reg, nil
	}
	if !errors.Is(err, store.ErrConflict) {
		return Registered{}, err
	}
	old, err := OpenModel(ctx, root, m.ID)
	if err != nil {
		return Registered{}, err
	}
	if old.Digest != r.Digest {
		return Registered{}, fault.New(fault.Conflict, "model %q was registered on %s by %s and says something else",
			m.ID, old.Registered.Format(time.DateOnly), old.Actor).WithCure("register the new model under another id")
	}
	return old, nil
}

// OpenModel reads a registered model. An unknown one is fault.NotFound and says which there are.
func OpenModel(ctx context.Context, root *store.Bucket, id string) (Registered, error) {
	if err := cube.CheckName("model", id); err != nil {
		return Registered{}, err
	}
	var r modelRecord
	err := commit.Read(ctx, root, modelFolder(id), "model", &r)
	if errors.Is(err, store.ErrNotFound) {
		missing := fault.New(fault.NotFound, "there is no model %q", id)
		known, err := root.Folders(ctx, "models")
		if err != nil {
			return Registered{}, err
		}
		if len(known) == 0 {
			return Registered{}, missing.WithCure("register it first: terrapin model register %s", id)
		}
		return Registered{}, missing.WithCure("these are registered: %s", strings.Join(known, ", "))
	}
	if err != nil {
		return Registered{}, err
	}
	return r.registered(), nil
}

// Models lists the registered models in order of their ids.
func Models(ctx context.Context, root *store.Bucket) ([]Registered, error) {
	ids, err := root.Folders(ctx, "models")
	if err != nil {
		return nil, err
	}
	list := []Registered{}
	for _, id := range ids {
		m, err := OpenModel(ctx, root, id)
		if fault.Is(err, fault.NotFound) {
			continue // weights of a registration that was not finished
		}
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func modelFolder(id string) string { return "models/" + id }

func (r modelRecord) registered() Registered {
	m := r.Model
	m.Actor = r.Actor
	return Registered{Model: m, Digest: r.Digest, Registered: r.Created, Document: r.STAC.Items[0]}
}

// check fills in defaults and refuses what no STAC document could say.
func (m *Model) check() error {
	if err := cube.CheckName("model", m.ID); err != nil {
		return err
	}
	if m.Task == "" {
		m.Task = "semantic-segmentation"
	}
	if !slices.Contains(Tasks, m.Task) {
		return fault.New(fault.Invalid, "model %q: unknown task %q", m.ID, m.Task).WithCure("use one of %s", strings.Join(Tasks, ", "))
	}
	if m.Dataset != "" && !reference.MatchString(m.Dataset) {
		return fault.New(fault.Invalid, "model %q: dataset %q is no version", m.ID, m.Dataset).WithCure("name it NAME@vN")
	}
	if a := m.Artifact; a != nil && (a.Href == "" || a.SHA256 != "" && !hexDigest.MatchString(a.SHA256) || a.Size < 0) {
		return fault.New(fault.Invalid, "model %q: its artifact needs an href, and a SHA-256 of 64 lower-case hex digits if one is given", m.ID).
			WithCure("correct the artifact or leave it out")
	}
	seen := map[int64]bool{}
	for _, c := range m.Classes {
		if c.Name == "" || seen[c.Value] {
			return fault.New(fault.Invalid, "model %q: class %d has no name or stands there twice", m.ID, c.Value).WithCure("give each value one name")
		}
		seen[c.Value] = true
	}
	for i := range m.Inputs {
		if err := m.Inputs[i].check(); err != nil {
			return fault.New(fault.Invalid, "model %q: input %d: %w", m.ID, i, err)
		}
	}
	return nil
}

func (in *Input) check() error {
	if in.Name == "" {
		in.Name = "image"
	}
	if in.DType == "" {
		in.DType = string(cube.Float32)
	}
	if _, err := cube.ParseDType(in.DType); err != nil {
		return err
	}
	if in.Dims == nil && in.Shape == nil {
		in.Dims, in.Shape = []string{"batch", "bands", "height", "width"}, []int{-1, max(1, len(in.Bands)), -1, -1}
	}
	if len(in.Dims) != len(in.Shape) || len(in.Dims) == 0 {
		return fault.New(fault.Invalid, "shape %v does not go with dims %v", in.Shape, in.Dims).WithCure("give one size, or -1, for each dimension")
	}
	for i, d := range in.Dims {
		if !dimension.MatchString(d) || slices.Contains(in.Dims[:i], d) || in.Shape[i] < -1 {
			return fault.New(fault.Invalid, "dimension %q of size %d", d, in.Shape[i]).
				WithCure("use distinct lower-case names such as batch, time, bands, height, width and sizes from -1 up")
		}
	}
	return nil
}

// digest covers the model as it is registered.
func (m Model) digest() (string, error) {
	m.Actor = ""
	data, err := cube.Canonical(m)
	if err != nil {
		return "", fault.New(fault.Invalid, "model %q: %w", m.ID, err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// datasetDigest looks a version up by what every commit in the bucket has.
func datasetDigest(ctx context.Context, root *store.Bucket, version string) (string, error) {
	m := reference.FindStringSubmatch(version)
	if m == nil {
		return "", fault.New(fault.Invalid, "dataset %q is no version", version).WithCure("name it NAME@vN")
	}
	var head commit.Head
	err := commit.Read(ctx, root, "datasets/"+m[1]+"/"+m[2], "dataset", &head)
	if errors.Is(err, store.ErrNotFound) {
		return "", fault.New(fault.NotFound, "there is no dataset version %q", version).WithCure("list them: terrapin dataset ls")
	}
	return head.Digest, err
}

// datasetCollection is the id of a version's STAC collection.
func datasetCollection(version string) string {
	return "dataset-" + strings.Replace(version, "@", "-", 1)
}
