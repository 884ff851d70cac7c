package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/predictions"
	"github.com/terrapin-eo/terrapin/store"
)

func (c *cli) modelCommand() *cobra.Command {
	group := &cobra.Command{Use: "model", Short: "models: register, list, show"}
	group.AddCommand(c.modelRegisterCommand(), c.modelListCommand(), c.modelShowCommand())
	return group
}

// modelRegisterArgs are a model's facts; its weights, if any, come as the one file.
type modelRegisterArgs struct {
	predictions.Model
	Files  []string `json:"files,omitempty"`
	Layout []string `json:"layout,omitempty"`
}

func (c *cli) modelRegisterCommand() *cobra.Command {
	var a modelRegisterArgs
	var facts, artifact string
	cmd := &cobra.Command{
		Use: "register ID", Short: "register a model before it predicts", Args: cobra.ExactArgs(1),
		Long: `Registers a model under an id for ever: framework, task, inputs, classes, and the dataset version it was
trained on. --facts FILE (YAML or JSON) holds the fields; flags win over it. The weights are copied.

With --json: {"id", "digest", "created", "document": the STAC item, …}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if facts != "" {
				if err := readFacts(facts, &a.Model, cmd); err != nil {
					return err
				}
			}
			a.ID = args[0]
			if artifact != "" {
				a.Files = []string{artifact}
			}
			return c.invoke(cmd.Context(), modelRegisterVerb, a, a.Files, func(doc json.RawMessage) {
				m := decoded[predictions.Registered](doc)
				fmt.Fprintf(c.out, "model %s registered, digest %s\n", m.ID, m.Digest)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&facts, "facts", "", "YAML or JSON file with the model's fields")
	f.StringVar(&artifact, "artifact", "", "file of the weights, copied into the data directory")
	f.StringVar(&a.Name, "name", "", "name for people")
	f.StringVar(&a.Framework, "framework", "", "such as PyTorch")
	f.StringVar(&a.Task, "task", "", "mlm task (default semantic-segmentation)")
	f.StringVar(&a.Dataset, "dataset", "", "dataset version it was trained on, NAME@vN")
	return cmd
}

// readFacts fills the model from a file, keeping what flags said.
func readFacts(path string, m *predictions.Model, cmd *cobra.Command) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fault.New(fault.Invalid, "facts: %w", err).WithCure("name a file that exists")
	}
	flags := *m
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return fault.New(fault.Invalid, "facts %s: %w", path, err)
	}
	raw, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(raw, m)
	}
	if err != nil {
		return fault.New(fault.Invalid, "facts %s: %w", path, err)
	}
	for name, keep := range map[string]func(){
		"name": func() { m.Name = flags.Name }, "framework": func() { m.Framework = flags.Framework },
		"task": func() { m.Task = flags.Task }, "dataset": func() { m.Dataset = flags.Dataset }} {
		if cmd.Flags().Changed(name) {
			keep()
		}
	}
	return nil
}

var modelRegisterVerb = verb{name: "model.register", access: commits, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a modelRegisterArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	if err := cube.CheckName("model", a.ID); err != nil {
		return nil, 0, err
	}
	m := a.Model
	m.Actor = c.actor
	if m.Dataset != "" {
		v, err := datasets.Open(ctx, w.root, m.Dataset)
		if err != nil {
			return nil, 0, err
		}
		m.Dataset, m.DatasetDigest = v.Ref(), v.Digest
	}
	sources, err := gather(c, a.Files, a.Layout)
	if err != nil {
		return nil, 0, err
	}
	defer sources.remove()
	if len(sources.paths) > 1 {
		return nil, 0, fault.New(fault.Invalid, "%d files for the weights of model %q", len(sources.paths), m.ID).WithCure("pack them into one file")
	}
	if len(sources.paths) == 1 {
		if m.Artifact, err = w.keepWeights(ctx, m, sources.paths[0]); err != nil {
			return nil, 0, err
		}
	}
	registered, err := predictions.RegisterModel(ctx, w.root, m)
	return registered, exitOK, err
}}

// keepWeights copies a model's weights into the bucket, named by their content, so that registering
// again changes nothing.
func (w *workspace) keepWeights(ctx context.Context, m predictions.Model, path string) (*predictions.Artifact, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "weights: %w", err).WithCure("name a file that exists")
	}
	defer in.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, in)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "read %s: %w", path, err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, fault.New(fault.Unavailable, "read %s: %w", path, err)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	key := "models/" + m.ID + "/weights-" + digest[:16] + filepath.Ext(path)
	if _, err := w.root.WriteFrom(ctx, key, in, store.Condition{IfAbsent: true}); err != nil && !fault.Is(err, fault.Conflict) {
		return nil, err
	}
	return &predictions.Artifact{Href: "assets/" + key, SHA256: digest, Size: size}, nil
}

func (c *cli) modelListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "the registered models", Args: cobra.NoArgs,
		Long: `Lists the registered models.

With --json: [{"id", "digest", "framework", "task", "dataset", …}].`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), modelListVerb, struct{}{}, nil, func(doc json.RawMessage) {
				for _, m := range decoded[[]predictions.Registered](doc) {
					fmt.Fprintf(c.out, "%-24s %-12s trained on %s\n", m.ID, m.Framework, m.Dataset)
				}
			})
		},
	}
}

var modelListVerb = verb{name: "model.ls", run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	list, err := predictions.Models(ctx, w.root)
	return list, exitOK, err
}}

// modelArgs name a model.
type modelArgs struct {
	ID string `json:"id"`
}

func (c *cli) modelShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "one model, as its STAC item and facts", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.invoke(cmd.Context(), modelShowVerb, modelArgs{args[0]}, nil, nil)
		},
	}
}

var modelShowVerb = verb{name: "model.show", run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a modelArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	m, err := predictions.OpenModel(ctx, w.root, a.ID)
	return m, exitOK, err
}}
