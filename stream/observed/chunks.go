package observed

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/terrapin-eo/terrapin/cube/read"
)

// chunks asks a reader whenever somebody looks.
type chunks struct {
	reader                                                   *read.Reader
	found, evicted, kept, budget, ranges, readBytes, seconds *prometheus.Desc
}

func newChunks(reader *read.Reader) *chunks {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("terrapin_chunk"+name, help, labels, nil)
	}
	return &chunks{
		reader:    reader,
		found:     desc("s_total", "Chunks that reading wanted, by where they were: decoded in the cache or on their way there, or in the store.", "from"),
		evicted:   desc("s_evicted_total", "Decoded chunks that made room for others."),
		kept:      desc("_cache_bytes", "Decoded bytes that are kept."),
		budget:    desc("_cache_budget_bytes", "Decoded bytes that may be kept."),
		ranges:    desc("_ranges_total", "Ranges read from objects."),
		readBytes: desc("_read_bytes_total", "Bytes of these ranges."),
		seconds:   desc("_decode_seconds_total", "Seconds spent in decoders, of all processors together."),
	}
}

// Describe tells what there is.
func (c *chunks) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.found, c.evicted, c.kept, c.budget, c.ranges, c.readBytes, c.seconds} {
		to <- d
	}
}

// Collect tells the figures of this moment.
func (c *chunks) Collect(to chan<- prometheus.Metric) {
	s := c.reader.Stats()
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	tell(c.found, prometheus.CounterValue, float64(s.Hits), "cache")
	tell(c.found, prometheus.CounterValue, float64(s.Misses), "store")
	tell(c.evicted, prometheus.CounterValue, float64(s.Evictions))
	tell(c.kept, prometheus.GaugeValue, float64(s.Bytes))
	tell(c.budget, prometheus.GaugeValue, float64(c.reader.CacheBytes()))
	tell(c.ranges, prometheus.CounterValue, float64(s.Ranges))
	tell(c.readBytes, prometheus.CounterValue, float64(s.BytesRead))
	tell(c.seconds, prometheus.CounterValue, s.Decoding.Seconds())
}
