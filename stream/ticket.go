package stream

import (
	"encoding/json"
	"math"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/receipts"
	"github.com/terrapin-eo/terrapin/stream/strict"
)

// Limits that no sensible ticket comes near; beyond them a number is a mistake.
const (
	maxBatchSize = 1 << 20
	maxWorldSize = 1 << 20
	maxWindow    = 1 << 14
	// MaxMessageBytes is the most that one message may carry (1 GiB).
	MaxMessageBytes = 1 << 30
)

// Ticket says what to read: exactly one of its two forms is set.
type Ticket struct {
	// Samples reads a dataset version as training batches.
	Samples *SampleTicket
	// Windows reads an area of a cube window by window, for inference.
	Windows *WindowTicket
}

// SampleTicket names a part of a dataset version's order of one epoch.
type SampleTicket struct {
	// Dataset is "NAME@vN", or "NAME" for its newest version.
	Dataset string `json:"dataset"`
	// Digest, where given, must be the version's: a state of another dataset is refused.
	Digest string `json:"digest,omitempty"`
	Split  string `json:"split"`
	Seed   uint64 `json:"seed"`
	Epoch  uint64 `json:"epoch"`
	// Shuffle says how the epoch is mixed; the zero value is the base order, the samples sorted by id.
	Shuffle Shuffle `json:"shuffle"`
	// Filter keeps the samples for which it is true: CQL2 text, in its canonical form once it was parsed.
	Filter Setting `json:"filter,omitzero"`
	// Weights is "class_balanced", a number that samples have, or the text of weights by class, by which they come more or
	// less often.
	Weights Setting `json:"weights,omitzero"`
	// Conversion is what the numbers of images become where it is not what the version fixes.
	Conversion
	// Augment names the symmetries by which windows are laid, each as its position says; "" lays none.
	Augment order.Augment `json:"augment,omitempty"`
	// OnError says what a sample is whose pixels are damaged: "refuse", or "", makes an error of it, "mask" a row of weight 0.
	OnError string `json:"on_error,omitempty"`
	// Order, where given, must be the algorithm of the order.
	Order     string `json:"order,omitempty"`
	BatchSize int    `json:"batch_size"`
	Rank      int    `json:"rank"`
	WorldSize int    `json:"world_size"`
	// Start is the position, of all ranks together, of the first step.
	Start uint64 `json:"start"`
	// Tail is "short", "drop" or "pad"; "" is short for one rank and drop for more.
	Tail string `json:"tail,omitempty"`
	// MessageBytes cuts batches into messages of about that size; 0 sends a batch whole.
	MessageBytes int `json:"message_bytes,omitempty"`
	// Run names the run that receipts are kept under; "" keeps none.
	Run string `json:"run,omitempty"`
}

// WindowTicket names an area of a cube, read once in row-major order.
type WindowTicket struct {
	Cube string `json:"cube"`
	// Version is a snapshot id, a tag or a branch; "" is the newest snapshot.
	Version string `json:"version"`
	// Cell is the path of a cell, or the name of a resolution, which stands for the whole cube; "" is the
	// resolution of Bands, else the first.
	Cell string `json:"cell,omitempty"`
	// Bounds is min x, min y, max x, max y in the cube's CRS, snapped outward to pixels; nil is all.
	Bounds []float64 `json:"bounds,omitempty"`
	// Time is first and last acquisition time, both included; nil is all.
	Time []string `json:"time,omitempty"`
	// Bands in the order wanted; nil is all.
	Bands        []string `json:"bands,omitempty"`
	Size         int      `json:"size"`
	Overlap      int      `json:"overlap"`
	BatchSize    int      `json:"batch_size"`
	Start        uint64   `json:"start"`
	MessageBytes int      `json:"message_bytes,omitempty"`
	// DType is "float32" for float32 whatever is done besides, or "".
	DType cube.DType `json:"dtype,omitempty"`
	// Values is "raw" or "physical"; "" is raw, or what the version of Normalise fixes.
	Values datasets.Values `json:"values,omitempty"`
	// Normalise names the dataset version whose statistics are applied; "" applies none.
	Normalise string `json:"normalise,omitempty"`
}

// ParseTicket reads a ticket written by hand or by a client. A key "cube" makes it a window ticket,
// everything else is a sample ticket.
func ParseTicket(data []byte) (Ticket, error) {
	var probe map[string]json.RawMessage
	if json.Unmarshal(data, &probe) == nil && probe["cube"] != nil && probe["dataset"] == nil {
		w, err := parseWindows(data)
		return Ticket{Windows: w}, err
	}
	s, err := parseSamples(data)
	return Ticket{Samples: s}, err
}

// JSON is the ticket as a client could have written it, with every default filled in.
func (t Ticket) JSON() []byte {
	var v any = t.Samples
	if t.Windows != nil {
		v = t.Windows
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic("stream: a ticket of plain values does not marshal: " + err.Error())
	}
	return data
}

func parseSamples(data []byte) (*SampleTicket, error) {
	t := &SampleTicket{Split: "train", Shuffle: ByVersion, BatchSize: 32, WorldSize: 1}
	seen, err := strict.Object("ticket", data, append([]strict.Key{
		strict.Text("dataset", &t.Dataset),
		strict.Text("digest", &t.Digest),
		strict.Text("split", &t.Split),
		strict.Uint("seed", &t.Seed),
		strict.Uint("epoch", &t.Epoch),
		shuffleKey(&t.Shuffle),
		strict.Text("order", &t.Order),
		strict.Int("batch_size", &t.BatchSize, 1, maxBatchSize),
		strict.Int("rank", &t.Rank, 0, maxWorldSize-1),
		strict.Int("world_size", &t.WorldSize, 1, maxWorldSize),
		strict.Uint("start", &t.Start),
		strict.Text("tail", &t.Tail),
		strict.Int("message_bytes", &t.MessageBytes, 1, MaxMessageBytes),
		strict.Text("run", &t.Run),
		settingKey("filter", &t.Filter, filterOf),
		settingKey("weights", &t.Weights, weightsOf),
		strict.Choice("augment", (*string)(&t.Augment), order.Augments()...),
		strict.Choice("on_error", &t.OnError, "refuse", mask),
	}, t.Conversion.keys()...))
	if err != nil {
		return nil, err
	}
	if !seen["dataset"] || t.Dataset == "" {
		return nil, fault.New(fault.Invalid, "ticket: key \"dataset\" is missing").
			WithCure(`name a dataset version, such as {"dataset": "crops@v3"}, or a cube, such as {"cube": "s2"}`)
	}
	return t, t.check()
}

func (t *SampleTicket) check() error {
	if t.Rank >= t.WorldSize {
		return fault.New(fault.Invalid, "ticket: key \"rank\": %d is not below world_size %d", t.Rank, t.WorldSize).
			WithCure("ranks count from 0 to world_size-1")
	}
	switch t.Tail {
	case "short":
		if t.WorldSize > 1 {
			return fault.New(fault.Invalid, "ticket: key \"tail\": \"short\" would give %d ranks different batches at the end", t.WorldSize).
				WithCure(`use "drop" or "pad", so that every rank makes the same steps`)
		}
	case "", "drop", "pad":
	default:
		return fault.New(fault.Invalid, "ticket: key \"tail\": unknown tail %q", t.Tail).WithCure(`use "short", "drop" or "pad"`)
	}
	if t.Start > math.MaxInt64 {
		return fault.New(fault.Invalid, "ticket: key \"start\": %d is no position", t.Start).WithCure("positions count from 0 to the number of samples")
	}
	if t.Run != "" {
		if err := receipts.CheckRun(t.Run); err != nil {
			return inKey("run", err)
		}
	}
	return nil
}

func parseWindows(data []byte) (*WindowTicket, error) {
	t := &WindowTicket{Size: 256, BatchSize: 8}
	_, err := strict.Object("ticket", data, []strict.Key{
		strict.Text("cube", &t.Cube),
		strict.Text("version", &t.Version),
		strict.Text("cell", &t.Cell),
		strict.Numbers("bounds", &t.Bounds, 4),
		strict.Texts("time", &t.Time),
		strict.Texts("bands", &t.Bands),
		strict.Int("size", &t.Size, 1, maxWindow),
		strict.Int("overlap", &t.Overlap, 0, maxWindow-1),
		strict.Int("batch_size", &t.BatchSize, 1, maxBatchSize),
		strict.Uint("start", &t.Start),
		strict.Int("message_bytes", &t.MessageBytes, 1, MaxMessageBytes),
		dtypeKey(&t.DType), valuesKey(&t.Values),
		strict.OptionalText("normalise", &t.Normalise),
	})
	if err != nil {
		return nil, err
	}
	return t, t.check()
}

func (t *WindowTicket) check() error {
	switch {
	case t.Cube == "":
		return fault.New(fault.Invalid, "ticket: key \"cube\" is empty").WithCure(`name a cube, such as {"cube": "s2"}`)
	case t.Overlap >= t.Size:
		return fault.New(fault.Invalid, "ticket: key \"overlap\": %d is not below size %d", t.Overlap, t.Size).
			WithCure("neighbouring windows share overlap pixels; choose less than size")
	case t.Bounds != nil && (t.Bounds[0] >= t.Bounds[2] || t.Bounds[1] >= t.Bounds[3]):
		return fault.New(fault.Invalid, "ticket: key \"bounds\": %v encloses no area", t.Bounds).
			WithCure("give [min x, min y, max x, max y] in the cube's CRS")
	case t.Time != nil && len(t.Time) != 2:
		return fault.New(fault.Invalid, "ticket: key \"time\": wants [first, last], not %d times", len(t.Time)).
			WithCure(`give two RFC 3339 times or dates, such as ["2021-03-01", "2021-06-30"]; ".." leaves an end open`)
	case t.Bands != nil && len(t.Bands) == 0:
		return fault.New(fault.Invalid, "ticket: key \"bands\": an empty list").WithCure("name bands, or leave the key out for all")
	}
	return nil
}
