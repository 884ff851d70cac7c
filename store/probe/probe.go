// Package probe finds out whether a store keeps the promises that commits stand on, by trying them: it
// races writers against each other and counts. It owns the objects below .probe/ and removes them; it
// refuses to call a store good that lost one acknowledged write. The invariant: a check passes only on
// what was observed, never on what a store calls itself.
package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

const (
	folder = ".probe/"
	// maxSkew is the difference of clocks beyond which a commit is refused, too.
	maxSkew = 600 * time.Second
	// abandoned is how old the objects of a killed probe are when the next one removes them.
	abandoned = time.Hour
)

// Config says how hard to try. The zero value is right for a first look.
type Config struct {
	// Writers race for one object, Swaps times. 16 and 20 if 0.
	Writers, Swaps int
	// Rounds of the race to create; 3 if 0.
	Rounds int
}

// Problem is a promise the store does not keep.
type Problem struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
	Cure   string `json:"cure"`
}

// Report says what was found. Facts are counts and times for people and scripts.
type Report struct {
	OK       bool           `json:"ok"`
	Problems []Problem      `json:"problems"`
	Facts    map[string]any `json:"facts"`
}

// otherStore is the cure of what cannot be mended from outside.
const otherStore = "keep the data in another store; this one may serve readers, but nothing may commit to it"

type prober struct {
	cfg    Config
	at     *store.Bucket
	report *Report
}

// Run tries everything below .probe/ of a bucket. The error says that the store could not be asked;
// whatever it does wrong is a problem of the report.
func Run(ctx context.Context, b *store.Bucket, cfg Config) (Report, error) {
	if cfg.Writers == 0 {
		cfg.Writers = 16
	}
	if cfg.Swaps == 0 {
		cfg.Swaps = 20
	}
	if cfg.Rounds == 0 {
		cfg.Rounds = 3
	}
	report := Report{Problems: []Problem{}, Facts: map[string]any{}}
	p := &prober{cfg: cfg, at: b.Sub(folder + rand.Text()), report: &report}
	err := sweep(ctx, b)
	for _, check := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"reading what was just written", p.readAfterWrite},
		{"ranges", p.ranges},
		{"conditional writes", p.conditions},
		{"the race to create one object", p.createRace},
		{"the race to replace one object", p.swapRounds},
		{"ETags under a race", p.etagRace},
		{"counting by many writers", p.swapRace},
		{"listing and deleting", p.listing},
	} {
		if err == nil {
			err = p.judge(check.what, check.run(ctx))
		}
	}
	if cleanErr := p.clean(ctx); err == nil {
		err = cleanErr
	}
	if err != nil {
		return Report{}, fmt.Errorf("probe %s: %w", b.URL(), err)
	}
	report.OK = len(report.Problems) == 0
	return report, nil
}

// broken is a promise that was observed not to be kept.
type broken struct{ reason, cure string }

func (b *broken) Error() string { return b.reason }

func breaks(cure, format string, args ...any) error {
	return &broken{fmt.Sprintf(format, args...), cure}
}

// judge makes a problem of what the store did wrong, and returns what kept it from being asked.
func (p *prober) judge(what string, err error) error {
	var b *broken
	switch {
	case err == nil:
		return nil
	case errors.As(err, &b):
		p.report.Problems = append(p.report.Problems, Problem{Object: p.at.URL(), Reason: what + ": " + b.reason, Cure: b.cure})
		return nil
	case fault.Is(err, fault.Unsupported) || fault.Is(err, fault.Internal) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.Corrupt):
		p.report.Problems = append(p.report.Problems, Problem{Object: p.at.URL(), Reason: what + ": " + err.Error(), Cure: otherStore})
		return nil
	}
	return err
}

func (p *prober) write(ctx context.Context, key, value string, c store.Condition) (store.Info, error) {
	return p.at.Write(ctx, key, []byte(value), c)
}

func (p *prober) readAfterWrite(ctx context.Context) error {
	var puts, gets []time.Duration
	for i := range 8 {
		value := fmt.Sprintf("value %d", i)
		began := time.Now()
		written, err := p.write(ctx, "seen", value, store.Condition{})
		if err != nil {
			return err
		}
		puts = append(puts, time.Since(began))
		if i == 0 {
			p.clock(written)
		}
		began = time.Now()
		data, info, err := p.at.Read(ctx, "seen", store.Range{})
		if errors.Is(err, store.ErrNotFound) {
			return breaks(otherStore, "an object is not there right after it was written")
		}
		if err != nil {
			return err
		}
		gets = append(gets, time.Since(began))
		if string(data) != value {
			return breaks(otherStore, "an object reads as it was before the last write")
		}
		stat, err := p.at.Stat(ctx, "seen")
		if err != nil {
			return err
		}
		if info.ETag != written.ETag || stat.ETag != written.ETag {
			return breaks(otherStore, "the ETag is %q when written, %q when read and %q when asked for", written.ETag, info.ETag, stat.ETag)
		}
	}
	p.report.Facts["put_ms"], p.report.Facts["get_ms"] = median(puts), median(gets)
	return nil
}

func median(times []time.Duration) float64 {
	slices.Sort(times)
	return math.Round(float64(times[len(times)/2].Microseconds())/10) / 100
}

// clock compares the store's time with this machine's.
func (p *prober) clock(written store.Info) {
	if written.Modified.IsZero() {
		return
	}
	skew := time.Since(written.Modified).Round(time.Second)
	p.report.Facts["clock_skew_seconds"] = -int(skew.Seconds())
	if skew > maxSkew || skew < -maxSkew {
		p.report.Problems = append(p.report.Problems, Problem{Object: p.at.URL(), Cure: "set this machine's clock (NTP), or the store's",
			Reason: fmt.Sprintf("the store's clock differs from this machine's by %s; ages decide what may be collected", skew.Abs())})
	}
}

func (p *prober) ranges(ctx context.Context) error {
	content := make([]byte, 100_000)
	rand.Read(content)
	if _, err := p.at.Write(ctx, "range", content, store.Condition{}); err != nil {
		return err
	}
	for _, r := range []store.Range{{Length: 1}, {Offset: 99_999, Length: 1}, {Offset: 777, Length: 65_536}, {Offset: 50_000}} {
		got, info, err := p.at.Read(ctx, "range", r)
		if err != nil {
			return err
		}
		want := content[r.Offset:]
		if r.Length > 0 {
			want = want[:r.Length]
		}
		if !bytes.Equal(got, want) || info.Size != int64(len(content)) {
			return breaks(otherStore, "%d bytes at %d read as something else", r.Length, r.Offset)
		}
	}
	if _, _, err := p.at.Open(ctx, "range", store.Range{Offset: 200_000}); !errors.Is(err, store.ErrRange) {
		return breaks(otherStore, "a range beyond the end is answered")
	}
	return nil
}

// conditions tries each condition where it holds and where it does not.
func (p *prober) conditions(ctx context.Context) error {
	first, err := p.write(ctx, "condition", "1", store.Condition{IfAbsent: true})
	if err != nil {
		return err
	}
	second, err := p.write(ctx, "condition", "2", store.Condition{IfMatch: first.ETag})
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		key  string
		c    store.Condition
	}{
		{"create over an object", "condition", store.Condition{IfAbsent: true}},
		{"replace an object that was replaced before", "condition", store.Condition{IfMatch: first.ETag}},
		{"replace with an ETag that never was", "condition", store.Condition{IfMatch: "00000000000000000000000000000000"}},
		{"replace an object that is not there", "absent", store.Condition{IfMatch: second.ETag}},
	} {
		_, err := p.write(ctx, c.key, "3", c.c)
		if err == nil {
			return breaks(otherStore, "a write that must be refused was done: %s", c.what)
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	data, _, err := p.at.Read(ctx, "condition", store.Range{})
	if err != nil {
		return err
	}
	if string(data) != "2" {
		return breaks(otherStore, "a refused write was done all the same")
	}
	return nil
}

func (p *prober) listing(ctx context.Context) error {
	keys := []string{"list/a!", "list/a-b", "list/a.b", "list/a/b", "list/b/c", "list/b/ü"}
	for _, key := range slices.Backward(keys) {
		if _, err := p.write(ctx, key, "x", store.Condition{}); err != nil {
			return err
		}
	}
	got, err := p.listed(ctx)
	if err != nil {
		return err
	}
	if !slices.Equal(got, keys) {
		return breaks(otherStore, "wrote %q and listed %q", keys, got)
	}
	for _, key := range keys[:3] {
		if err := p.at.Delete(ctx, key); err != nil {
			return err
		}
		if _, err := p.at.Stat(ctx, key); !errors.Is(err, store.ErrNotFound) {
			return breaks(otherStore, "a deleted object is still there")
		}
	}
	if got, err = p.listed(ctx); err != nil {
		return err
	}
	if !slices.Equal(got, keys[3:]) {
		return breaks(otherStore, "deleted objects are still listed")
	}
	return nil
}

func (p *prober) listed(ctx context.Context) ([]string, error) {
	var keys []string
	for info, err := range p.at.List(ctx, "list/") {
		if err != nil {
			return nil, err
		}
		keys = append(keys, info.Key)
	}
	return keys, nil
}

// clean removes what this probe wrote, also when it was interrupted.
func (p *prober) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return remove(ctx, p.at, "", func(store.Info) bool { return true })
}

// sweep removes what killed probes left long ago.
func sweep(ctx context.Context, b *store.Bucket) error {
	return remove(ctx, b, folder, func(i store.Info) bool { return time.Since(i.Modified) > abandoned })
}

func remove(ctx context.Context, b *store.Bucket, prefix string, which func(store.Info) bool) error {
	var keys []string
	for info, err := range b.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if which(info) {
			keys = append(keys, info.Key)
		}
	}
	for _, key := range keys {
		if err := b.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
