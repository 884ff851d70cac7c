package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream"
)

// streamReport is the document of `stream`.
type streamReport struct {
	Dataset          string  `json:"dataset"`
	Split            string  `json:"split"`
	Batches          int     `json:"batches"`
	Samples          int     `json:"samples"`
	Masked           int     `json:"masked,omitempty"`
	Bytes            int64   `json:"bytes"`
	SHA256           string  `json:"sha256,omitempty"`
	Seconds          float64 `json:"seconds"`
	SamplesPerSecond float64 `json:"samples_per_second"`
	*streamCost

	chunks stream.Chunks
}

// streamCost is what reading took, with --bench.
type streamCost struct {
	Decoded int64 `json:"chunks_decoded"`
	Kept    int64 `json:"chunks_kept"`
	// Joined were on their way for another batch.
	Joined    int64 `json:"chunks_joined"`
	BytesRead int64 `json:"bytes_read"`
	// FirstBatch is how long the first batch took, and Stalled how long was waited for the others; Stall is its share of
	// the time after the first.
	FirstBatch float64        `json:"first_batch_seconds"`
	Stalled    float64        `json:"stall_seconds"`
	Stall      float64        `json:"stall"`
	Mixing     *stream.Mixing `json:"mixing,omitempty"`
	// Unmeasured is why there is no Mixing.
	Unmeasured string `json:"mixing_unmeasured,omitempty"`
}

func (c *cli) streamCommand() *cobra.Command {
	t := map[string]any{}
	var split, filter, weights, shuffle, dtype, values, augment, onError string
	var seed, epoch uint64
	var batch int
	var ordered, bench, explain bool
	var trace string
	var step time.Duration
	cmd := &cobra.Command{
		Use: "stream NAME[@VERSION]", Short: "read one epoch of a split as a trainer would, and say how fast", Args: cobra.ExactArgs(1),
		Long: `Reads every batch of an epoch in this process, without a network, and reports samples per second and the
SHA-256 of everything a trainer would have been given, in order: ids, positions, image, valid, times and
label of each batch, and symmetry where there is one. Two runs with the same version, split, seed, epoch and batch size agree.

--bench leaves the SHA-256 out, which takes longer than reading, and says besides how many chunks were decoded, and
how many were at hand (kept, or on their way for another batch); how long the first batch took, and which share of the time after it was spent waiting (with --step 50ms
as if training took so long for each batch); and how well the order mixes (docs/spec/order.md, measures of mixing), beside
those of a uniform order. --trace FILE writes down what takes how long, for https://ui.perfetto.dev. --explain reads nothing: it says in which order how many batches come, and how many chunks,
ranges and bytes a batch needs.

With --json: {"dataset", "split", "batches", "samples", "bytes", "sha256", "seconds", "samples_per_second"}, with "masked" where
samples are; of --bench {…, "chunks_decoded", "chunks_kept", "chunks_joined", "bytes_read", "first_batch_seconds", "stall_seconds", "stall", "mixing": {"distinct_chunks", "distinct_blocks",
"distinct_scenes", "largest_chunk_share", "delta_entropy", "spearman", "label_chi2", "epoch_overlap", "uniform": {…}}}, of --explain {"samples", "steps", "rows", "order", "shuffle", "window": {"block", "groups", "samples", "chunks_per_sample"}, "batch_bytes",
"looked_at_steps", "chunks_per_batch", "reads_per_batch", "read_bytes_per_batch"}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.server != "" {
				return usagef("stream reads --data; use the Python client or any Arrow Flight client with a server")
			}
			t["dataset"], t["split"], t["seed"], t["epoch"], t["batch_size"], t["shuffle"] = args[0], split, seed, epoch, batch, !ordered
			for key, value := range map[string]string{
				"filter": filter, "weights": weights, "dtype": dtype, "values": values, "augment": augment, "on_error": onError,
			} {
				switch {
				case value == "none" && (key == "filter" || key == "weights"):
					t[key] = false
				case value != "":
					t[key] = value
				}
			}
			if shuffle != "" {
				if ordered {
					return usagef("--ordered and --shuffle exclude each other")
				}
				t["shuffle"] = shuffle
			}
			ticket, err := json.Marshal(t)
			if err != nil {
				return err
			}
			if bench && explain {
				return usagef("--bench and --explain exclude each other")
			}
			if step < 0 || step > 0 && !bench {
				return usagef("--step is a time that --bench spends on each batch")
			}
			return c.stream(cmd.Context(), ticket, streamFlags{bench: bench, explain: explain, trace: trace, step: step})
		},
	}
	f := cmd.Flags()
	f.StringVar(&split, "split", "train", "train, validate or test")
	f.Uint64Var(&seed, "seed", 0, "seed of the shuffle")
	f.Uint64Var(&epoch, "epoch", 0, "epoch")
	f.IntVar(&batch, "batch-size", 32, "samples per batch")
	f.BoolVar(&ordered, "ordered", false, "base order instead of a shuffle")
	f.StringVar(&shuffle, "shuffle", "", "uniform or window:BYTES, such as window:2GiB, instead of what the version fixes")
	f.StringVar(&filter, "filter", "", "CQL2 that samples have to pass, such as \"labelled > 0.5\"; none, whatever the version's default")
	f.StringVar(&weights, "weights", "", "class_balanced, a number of samples by which they come more often, or weights by class such as '{\"class\": {\"maize\": 2}}'; none, whatever the version's default")
	f.StringVar(&dtype, "dtype", "", "float32 converts images to it")
	f.StringVar(&values, "values", "", "raw or physical, instead of what the version fixes")
	f.StringVar(&augment, "augment", "", "flips or d4: lay windows by symmetries of the square")
	f.StringVar(&onError, "on-error", "", "mask: damaged samples get weight 0, instead of ending the epoch")
	f.BoolVar(&bench, "bench", false, "read as fast as can be: no SHA-256")
	f.DurationVar(&step, "step", 0, "with --bench: spend so long on each batch, as training would, such as 50ms")
	f.BoolVar(&explain, "explain", false, "say what would be read, and read nothing")
	f.StringVar(&trace, "trace", "", "write what takes how long to this new file, as Chrome trace events")
	return cmd
}

// streamFlags say what `stream` does besides reading.
type streamFlags struct {
	bench, explain bool
	trace          string
	step           time.Duration
}

func (c *cli) stream(ctx context.Context, raw []byte, f streamFlags) error {
	ticket, err := stream.ParseTicket(raw)
	if err != nil {
		return err
	}
	w, err := openReading(ctx, c.place(), c.logger())
	if err != nil {
		return err
	}
	defer w.close()
	traced, err := w.trace(f.trace)
	if err != nil {
		return err
	}
	defer traced()
	engine := w.engine()
	run, err := engine.Open(ctx, ticket)
	if err != nil {
		return err
	}
	defer run.Close()
	if f.explain {
		return c.explain(ctx, run)
	}
	report := streamReport{Dataset: ticket.Samples.Dataset, Split: ticket.Samples.Split}
	sum := sha256.New()
	take := func(b *stream.Batch) { hashBatch(sum, b) }
	if f.bench {
		take = func(*stream.Batch) { time.Sleep(f.step) }
	}
	waits, err := report.read(ctx, run, take)
	if err != nil {
		return err
	}
	if !f.bench {
		report.SHA256 = hex.EncodeToString(sum.Sum(nil))
		return c.sayStreamed(report, "sha256 "+report.SHA256)
	}
	cost := report.chunks
	report.streamCost = &streamCost{Decoded: cost.Decoded, Kept: cost.Kept, Joined: cost.Joined, BytesRead: cost.BytesRead}
	report.stalls(waits)
	how := fmt.Sprintf("%d chunks decoded, %d at hand, %.1f MB read\n  first batch after %.2f s, then %.1f %% of the time waiting for pixels",
		cost.Decoded, cost.Kept+cost.Joined, float64(cost.BytesRead)/1e6, report.FirstBatch, 100*report.Stall)
	mixing, err := engine.Mixing(ctx, *ticket.Samples)
	switch {
	case fault.Is(err, fault.TooLarge):
		report.Unmeasured = err.Error()
		how += "\n  mixing    " + report.Unmeasured
	case err != nil:
		return err
	default:
		report.Mixing = &mixing
		how += sayMixing(mixing)
	}
	return c.sayStreamed(report, how)
}

// read takes all batches and returns how long each was waited for.
func (r *streamReport) read(ctx context.Context, run *stream.Run, take func(*stream.Batch)) (waits []time.Duration, err error) {
	started := time.Now()
	for {
		asked := time.Now()
		batch, err := run.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		waits = append(waits, time.Since(asked))
		r.Batches++
		r.Samples += len(batch.IDs)
		r.Masked += batch.Masked()
		r.chunks = batch.Chunks
		for _, values := range pixelsOf(batch) {
			r.Bytes += int64(len(values))
		}
		take(batch)
		batch.Release()
	}
	r.Seconds = time.Since(started).Seconds()
	r.SamplesPerSecond = float64(r.Samples) / max(r.Seconds, 1e-9)
	return waits, nil
}

// stalls sums up how long was waited.
func (r *streamReport) stalls(waits []time.Duration) {
	for i, w := range waits {
		if i == 0 {
			r.FirstBatch = w.Seconds()
		} else {
			r.Stalled += w.Seconds()
		}
	}
	r.Stall = r.Stalled / max(r.Seconds-r.FirstBatch, 1e-9)
}

func (c *cli) sayStreamed(r streamReport, how string) error {
	if r.Masked > 0 {
		how += fmt.Sprintf("\n  %d samples masked: some of their pixels are damaged; `terrapin store fsck --full` names them", r.Masked)
	}
	if c.json {
		c.printJSON(r)
		return nil
	}
	fmt.Fprintf(c.out, "%s %s: %d samples in %d batches, %.1f MB in %.2f s, %.0f samples/s\n  %s\n", r.Dataset, r.Split,
		r.Samples, r.Batches, float64(r.Bytes)/1e6, r.Seconds, r.SamplesPerSecond, how)
	return nil
}

// sayMixing shows the measures beside those of a uniform order.
func sayMixing(m stream.Mixing) string {
	number := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return strconv.FormatFloat(*v, 'f', 3, 64)
	}
	out := "\n  mixing                        this order   a uniform one"
	for _, line := range []struct {
		name          string
		this, uniform *float64
	}{
		{"distinct chunks, of expected", &m.DistinctChunks, &m.Uniform.DistinctChunks},
		{"distinct blocks, of expected", &m.DistinctBlocks, &m.Uniform.DistinctBlocks},
		{"distinct scenes, of expected", &m.DistinctScenes, &m.Uniform.DistinctScenes},
		{"share of the largest chunk", &m.LargestChunkShare, &m.Uniform.LargestChunkShare},
		{"entropy of distances", m.DeltaEntropy, m.Uniform.DeltaEntropy},
		{"correlation with storage", m.Spearman, m.Uniform.Spearman},
		{"chi2 of classes, of expected", m.LabelChi2, m.Uniform.LabelChi2},
		{"pairs met again next epoch", m.EpochOverlap, m.Uniform.EpochOverlap},
	} {
		out += fmt.Sprintf("\n    %-28s %9s %15s", line.name, number(line.this), number(line.uniform))
	}
	return out
}

// explain says what a run would read.
func (c *cli) explain(ctx context.Context, run *stream.Run) error {
	e, err := run.Explain(ctx)
	if err != nil {
		return err
	}
	if c.json {
		c.printJSON(e)
		return nil
	}
	window := ""
	if w := e.Window; w != nil {
		window = fmt.Sprintf("\n  window    of %d samples from groups of %d×%d chunks, of %d in all", w.Samples, w.Block, w.Block, w.Groups)
		if w.Chunks > 0 {
			window += fmt.Sprintf("; %.2f chunks decoded for a sample if the cache holds it", w.Chunks)
		}
	}
	fmt.Fprintf(c.out, "%d samples in %d batches of %.1f MB\n  order     %s, %s%s\n  a batch   %.1f chunks in %.1f reads of %.1f MB together, if nothing is at hand (mean of %d)\n",
		e.Samples, e.Steps, float64(e.BatchBytes)/1e6, e.Order, e.Shuffle, window, e.Chunks, e.Reads, e.ReadBytes/1e6, e.Looked)
	return nil
}

// hashBatch feeds everything a batch holds to a hash.
func hashBatch(sum hash.Hash, b *stream.Batch) {
	for i, id := range b.IDs {
		fmt.Fprintf(sum, "%s %d\n", id, b.Positions[i])
	}
	for _, t := range b.Times {
		_ = binary.Write(sum, binary.LittleEndian, t) // a hash takes everything
	}
	for _, values := range append(pixelsOf(b), b.Symmetries) {
		sum.Write(values)
	}
}

// pixelsOf are the arrays of a batch's pixels.
func pixelsOf(b *stream.Batch) [][]byte {
	out := [][]byte{b.Image, b.Valid, b.Label}
	for _, p := range b.Further {
		out = append(out, p.Image, p.Valid)
	}
	return out
}
