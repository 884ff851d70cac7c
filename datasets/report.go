package datasets

// Report is what a commit says: the document of `dataset commit`.
type Report struct {
	Dataset string `json:"dataset"`
	Version string `json:"version"`
	// Created is false where the recipe gave the digest of a version that exists.
	Created bool   `json:"created"`
	Digest  string `json:"digest"`
	// Samples counts the samples of each split.
	Samples    map[string]int `json:"samples"`
	Leakage    Leakage        `json:"leakage"`
	Collection string         `json:"collection"`

	Cube     string       `json:"cube"`
	Snapshot string       `json:"snapshot"`
	Labels   *LabelReport `json:"labels,omitempty"`
	Time     TimeReport   `json:"time"`
	// LeftOut counts the windows that became no sample, by reason; dropped ones are in Leakage.
	LeftOut map[string]int `json:"left_out"`
	// StatisticsSamples is how many training samples the statistics were taken from.
	StatisticsSamples int         `json:"statistics_samples"`
	Statistics        []BandStats `json:"statistics"`
	// ReadAmplification is how many pixels are decoded for each pixel of a sample when samples are
	// drawn uniformly and nothing is cached.
	ReadAmplification float64 `json:"read_amplification"`
	// Shuffle is the version's default, Orders what it and others cost and give.
	Shuffle string        `json:"shuffle"`
	Orders  []OrderReport `json:"orders,omitempty"`
	// Filter and Weights are the defaults of the training split, where the recipe has any.
	Filter  string   `json:"filter,omitempty"`
	Weights string   `json:"weights,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// LabelReport names the label revision that was pinned.
type LabelReport struct {
	Set      string `json:"set"`
	Revision string `json:"revision"`
	Digest   string `json:"digest"`
}

// TimeReport says which moment the samples look back from.
type TimeReport struct {
	// Cutoff is the reference time, RFC 3339, or "no cut-off".
	Cutoff string `json:"cutoff"`
	// Reference is the reference time t of the samples.
	Reference    string `json:"reference"`
	Availability string `json:"availability"`
	// Slices is how many slices the samples use; Unavailable how many were left out only because
	// they became available after the reference time.
	Slices      int `json:"slices"`
	Unavailable int `json:"unavailable"`
}

// Leakage is the audit of a split, computed from the final samples.
type Leakage struct {
	// SharedPixels counts source pixels that lie in samples of two splits.
	SharedPixels int64 `json:"shared_pixels"`
	// MinDistance is the least distance between samples of two splits in metres; nil where only one
	// split has samples.
	MinDistance *float64 `json:"min_distance_m"`
	// Dropped counts the samples taken out because they were too near another split, DroppedFrom by
	// split.
	Dropped     int            `json:"dropped"`
	DroppedFrom map[string]int `json:"dropped_from"`
	// Blocks counts the blocks on the ground that hold samples, by split; SharedBlocks those that
	// hold samples of two splits.
	Blocks       map[string]int `json:"blocks"`
	SharedBlocks int            `json:"shared_blocks"`
}
