package terrapin

import (
	"encoding/json"

	"github.com/terrapin-eo/terrapin/fault"
)

// Ticket says which samples are read, in which order; docs/spec/ticket.md has every key. The zero value of a field leaves
// it to the server.
type Ticket struct {
	// Dataset is NAME@vN, or NAME for the newest version.
	Dataset string `json:"dataset"`
	// Digest is that of the version, which is refused if it is another.
	Digest string `json:"digest,omitempty"`
	Split  string `json:"split,omitempty"`
	Seed   uint64 `json:"seed"`
	Epoch  uint64 `json:"epoch"`
	// Shuffle is true, false, "uniform" or "window:BYTES"; nil is true, which is as the version fixes it.
	Shuffle any `json:"shuffle,omitempty"`
	// Filter is CQL2 text; Weights is class_balanced, a number that samples have or a text such as
	// {"class": {"maize": 2, "wheat": 0.5}}. Both may be false for none, and nil for the version's default.
	Filter  any    `json:"filter,omitempty"`
	Weights any    `json:"weights,omitempty"`
	Order   string `json:"order,omitempty"`
	// DType is "float32" for images of float32, Values "raw" or "physical" instead of what the version fixes, and so
	// Normalise.
	DType     string `json:"dtype,omitempty"`
	Values    string `json:"values,omitempty"`
	Normalise *bool  `json:"normalise,omitempty"`
	// Augment is "flips" or "d4": the column symmetry says how a window is laid.
	Augment string `json:"augment,omitempty"`
	// OnError is "mask" for rows of weight 0 where a chunk is damaged, instead of an error.
	OnError string `json:"on_error,omitempty"`
	// BatchSize is the samples of a rank in a step.
	BatchSize int `json:"batch_size,omitempty"`
	Rank      int `json:"rank"`
	WorldSize int `json:"world_size,omitempty"`
	// Start is the position, counted over all ranks, at which the first step begins.
	Start uint64 `json:"start"`
	// Tail is short, drop or pad.
	Tail string `json:"tail,omitempty"`
	// MessageBytes cuts steps into messages of about so many bytes.
	MessageBytes int `json:"message_bytes,omitempty"`
	// Run is the name that receipts are kept under; "" keeps none.
	Run string `json:"run,omitempty"`
}

// Windows says which windows of a cube are read, each once, row by row.
type Windows struct {
	Cube    string      `json:"cube"`
	Version string      `json:"version,omitempty"`
	Cell    string      `json:"cell,omitempty"`
	Bounds  *[4]float64 `json:"bounds,omitempty"`
	// Time are the first and the last time, as RFC 3339, dates or "..".
	Time  *[2]string `json:"time,omitempty"`
	Bands []string   `json:"bands,omitempty"`
	// Size is the edge of a window in pixels, Overlap what neighbours share of it.
	Size      int    `json:"size,omitempty"`
	Overlap   int    `json:"overlap,omitempty"`
	BatchSize int    `json:"batch_size,omitempty"`
	Start     uint64 `json:"start"`
	// MessageBytes cuts batches into messages of about so many bytes.
	MessageBytes int `json:"message_bytes,omitempty"`
	// DType is "float32" for images of float32, Values "raw" or "physical". Normalise names the dataset version whose values
	// they are and whose statistics are applied.
	DType     string `json:"dtype,omitempty"`
	Values    string `json:"values,omitempty"`
	Normalise string `json:"normalise,omitempty"`
}

// plan is how the positions of an epoch are cut into steps.
type plan struct {
	start, samples, steps uint64
	batch, world, rank    uint64
	pad                   bool
}

// planOf reads what the server has made of a ticket, and its facts.
func planOf(ticket, facts json.RawMessage) (plan, error) {
	var t struct {
		Start uint64 `json:"start"`
		Batch uint64 `json:"batch_size"`
		World uint64 `json:"world_size"`
		Rank  uint64 `json:"rank"`
		Tail  string `json:"tail"`
	}
	var f struct {
		Samples uint64 `json:"samples"`
		Steps   uint64 `json:"steps"`
	}
	if err := json.Unmarshal(ticket, &t); err != nil {
		return plan{}, fault.New(fault.Corrupt, "the ticket of the stream does not read: %w", err)
	}
	if err := json.Unmarshal(facts, &f); err != nil {
		return plan{}, fault.New(fault.Corrupt, "the facts of the stream do not read: %w", err)
	}
	const most = 1 << 20
	p := plan{start: t.Start, samples: f.Samples, steps: f.Steps, batch: t.Batch, world: max(1, t.World), rank: t.Rank, pad: t.Tail == "pad"}
	if p.batch < 1 || p.batch > most || p.world > most || p.rank >= p.world || p.start > p.samples || p.steps > p.samples {
		return plan{}, fault.New(fault.Corrupt, "the stream is of no plan: %d samples from %d, %d steps, batches of %d, rank %d of %d",
			p.samples, p.start, p.steps, p.batch, p.rank, p.world)
	}
	return p, nil
}

// after is the position at which the epoch goes on after some steps of all ranks.
func (p plan) after(steps uint64) uint64 { return min(p.samples, p.start+steps*p.world*p.batch) }

// part is where the rank's part of a step begins, how many samples it has, and how many rows.
func (p plan) part(step uint64) (first, samples, rows uint64) {
	first = min(p.samples, p.start+step*p.world*p.batch+p.rank*p.batch)
	samples = min(p.batch, p.samples-first)
	if rows = samples; p.pad {
		rows = p.batch
	}
	return first, samples, rows
}
