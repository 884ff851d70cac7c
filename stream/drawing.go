package stream

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/datasets/selection"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/strict"
)

// maxChoiceBytes bounds what filters, weights and windows keep in memory between runs.
const maxChoiceBytes = 512 << 20

// Shuffle is how a ticket wants its epoch mixed.
type Shuffle struct {
	// fixed is "" for what the version fixes.
	byVersion bool
	fixed     order.Shuffle
}

// ByVersion is the shuffle that was fixed when the version was committed.
var ByVersion = Shuffle{byVersion: true}

// Fixed is a shuffle whatever the version says.
func Fixed(s order.Shuffle) Shuffle { return Shuffle{fixed: s} }

// of is the shuffle for a version.
func (s Shuffle) of(v *datasets.Version) order.Shuffle {
	if s.byVersion {
		return v.Shuffle
	}
	return s.fixed
}

// MarshalJSON writes what a ticket may have: true, false or a name.
func (s Shuffle) MarshalJSON() ([]byte, error) {
	switch {
	case s.byVersion:
		return []byte("true"), nil
	case s.fixed == order.Base:
		return []byte("false"), nil
	}
	return json.Marshal(s.fixed.String())
}

// shuffleKey accepts true, false and the name of a shuffle.
func shuffleKey(dst *Shuffle) strict.Key {
	return strict.Key{Name: "shuffle", Set: func(raw json.RawMessage) error {
		var name string
		switch {
		case string(raw) == "true":
			*dst = ByVersion
			return nil
		case string(raw) == "false":
			*dst = Fixed(order.Base)
			return nil
		case json.Unmarshal(raw, &name) != nil || raw[0] != '"':
			return fault.New(fault.Invalid, "wants true, false, \"base\", \"uniform\" or \"window:BYTES\", not %s", raw).
				WithCure(`true shuffles as the version fixes it, false and "base" are the base order`)
		}
		s, err := order.ParseShuffle(name)
		*dst = Fixed(s)
		return err
	}}
}

// sequence is the order of a ticket's epoch, and the name of its algorithm. Epochs without filter, weights and window
// are of order.Algorithm, others of the version's own drawn one or of that which the ticket names.
func (e *Engine) sequence(ctx context.Context, v *datasets.Version, n int, r layout.Region, t SampleTicket) (order.Sequence, string, error) {
	shuffle := t.Shuffle.of(v)
	window, windowed := shuffle.Windowed()
	if t.Filter.text == "" && t.Weights.text == "" && !windowed {
		return order.New(v.Digest, t.Split, uint64(n), t.Seed, t.Epoch, shuffle == order.Uniform), order.Algorithm, nil
	}
	algorithm := v.Drawn
	if slices.Contains(order.DrawnAlgorithms(), t.Order) {
		algorithm = t.Order
	}
	ask := selection.Ask{Weights: t.Weights.text}
	if windowed {
		ask.Storage = &selection.Storage{Storage: storageOf(v, r.Group)}
		if algorithm == order.DrawnAlgorithm {
			ask.Storage.WindowBytes = window
		}
	}
	if t.Filter.text != "" {
		var err error
		if ask.Filter, err = cql2.ParseText(t.Filter.text); err != nil {
			return nil, "", inKey("filter", err)
		}
	}
	choice, err := e.choices.Get(ctx, v, t.Split, ask)
	if err != nil {
		return nil, "", fault.New(fault.KindOf(err), "ticket: %w", err)
	}
	key := order.Key{Algorithm: algorithm, Digest: v.Digest, Split: t.Split, Filter: t.Filter.text, Weights: t.Weights.text, Shuffle: shuffle, Seed: t.Seed, Epoch: t.Epoch}
	return order.Draw(key, choice), algorithm, nil
}

// storageOf is how the pixels of a version lie.
func storageOf(v *datasets.Version, g layout.Group) order.Storage {
	return order.Storage{Edge: g.ChunkSize(), Window: v.Size, Bytes: v.GroupBytes(g.ChunkSize())}
}
