package probe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// patience is how many refusals the race to change one object may cost for each success: of 16 writers
// 15 lose in the worst round.
const patience = 60

// additions is how often each writer adds to the counter.
const additions = 4

// An object is replaced and read this often, or as often as fits in racing, to see whether ETags and bodies
// belong together. On a busy machine 4 s had room for half of it, and versitygw passed one time in thirty.
const (
	replacements = 400
	readings     = 4000
	racing       = 12 * time.Second
)

// atOnce lets every writer try the same thing at the same moment and lists those that were told that
// they succeeded; the others must be refused by the condition.
func (p *prober) atOnce(ctx context.Context, try func(ctx context.Context, writer int) error) ([]int, error) {
	var mu sync.Mutex
	var winners []int
	var start sync.WaitGroup
	start.Add(1)
	group, gctx := errgroup.WithContext(ctx)
	for i := range p.cfg.Writers {
		group.Go(func() error {
			start.Wait()
			switch err := try(gctx, i); {
			case errors.Is(err, store.ErrConflict):
				return nil
			case err != nil:
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			winners = append(winners, i)
			return nil
		})
	}
	start.Done()
	err := group.Wait()
	return winners, err
}

// createRace lets all writers create one object at once: one may win, and the object is the winner's.
func (p *prober) createRace(ctx context.Context) error {
	for round := range p.cfg.Rounds {
		key := "create/" + strconv.Itoa(round)
		winners, err := p.atOnce(ctx, func(ctx context.Context, writer int) error {
			_, err := p.write(ctx, key, strconv.Itoa(writer), store.Condition{IfAbsent: true})
			return err
		})
		if err != nil {
			return err
		}
		data, _, err := p.at.Read(ctx, key, store.Range{})
		if err != nil {
			return err
		}
		if n := len(winners); n != 1 || strconv.Itoa(winners[0]) != string(data) {
			return breaks(otherStore, "of %d writers %d were told that they had created the object; one may be", p.cfg.Writers, n)
		}
	}
	p.report.Facts["create_race"] = fmt.Sprintf("%d writers, %d rounds, one winner each", p.cfg.Writers, p.cfg.Rounds)
	return nil
}

// swapRounds lets all writers replace the same version of an object at the same moment: one of them may be
// told that it did. This is where a gateway that looks first and writes then is caught.
func (p *prober) swapRounds(ctx context.Context) error {
	const key = "swap"
	base, err := p.write(ctx, key, "start", store.Condition{})
	if err != nil {
		return err
	}
	acknowledged, kept := 0, 0
	for round := range p.cfg.Swaps {
		winners, err := p.atOnce(ctx, func(ctx context.Context, writer int) error {
			_, err := p.write(ctx, key, fmt.Sprintf("%04d by %04d", round, writer), store.Condition{IfMatch: base.ETag})
			return err
		})
		if err != nil {
			return err
		}
		acknowledged, kept = acknowledged+len(winners), kept+min(1, len(winners))
		if base, err = p.at.Stat(ctx, key); err != nil {
			return err
		}
	}
	p.report.Facts["swaps_acknowledged"], p.report.Facts["swaps_kept"] = acknowledged, kept
	switch {
	case kept != acknowledged:
		return breaks(otherStore, "%d of %d writes that the store acknowledged as compared and swapped (If-Match) were lost: commits would vanish without an error",
			acknowledged-kept, acknowledged)
	case kept*2 < p.cfg.Swaps:
		return breaks(otherStore, "in %d of %d rounds no writer could replace the object (If-Match)", p.cfg.Swaps-kept, p.cfg.Swaps)
	}
	return nil
}

// swapRace lets all writers add to one counter by compare-and-swap, and counts what is left of what was
// acknowledged. Every body that is read beside an ETag must be the one that was written with it.
func (p *prober) swapRace(ctx context.Context) error {
	const key = "counter"
	if _, err := p.write(ctx, key, counter(0), store.Condition{}); err != nil {
		return err
	}
	seen := &pairs{values: map[string]string{}}
	var conflicts atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	for range p.cfg.Writers {
		group.Go(func() error {
			for added := 0; added < additions; {
				swapped, err := p.swap(gctx, key, seen)
				if err != nil {
					return err
				}
				if swapped {
					added++
				} else if conflicts.Add(1) > int64(patience*p.cfg.Writers*additions) {
					return breaks(otherStore, "%d compare-and-swaps (If-Match) were refused in a row of which some have to succeed", conflicts.Load())
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	data, _, err := p.at.Read(ctx, key, store.Range{})
	if err != nil {
		return err
	}
	kept, err := strconv.Atoi(string(data))
	if err != nil {
		return breaks(otherStore, "the counter reads %q", data)
	}
	wanted := p.cfg.Writers * additions
	p.report.Facts["additions_acknowledged"], p.report.Facts["additions_kept"], p.report.Facts["additions_refused"] = wanted, kept, conflicts.Load()
	if kept != wanted {
		return breaks(otherStore, "%d of %d writes that the store acknowledged as compared and swapped (If-Match) were lost: commits would vanish without an error", wanted-kept, wanted)
	}
	if mixed := seen.found(); mixed != "" {
		return breaks(otherStore, "%s", mixed)
	}
	return nil
}

// etagRace lets a quarter of the writers replace an object again and again while the others read it: an ETag
// that is read with a body must be the one that this body was written with, or a compare-and-swap compares
// the wrong thing.
func (p *prober) etagRace(ctx context.Context) error {
	const key = "etag"
	seen := &pairs{values: map[string]string{}}
	var puts, reads atomic.Int64
	put := func(ctx context.Context) error {
		value := fmt.Sprintf("%06d", puts.Add(1))
		info, err := p.write(ctx, key, value, store.Condition{})
		if err == nil {
			seen.note(info.ETag, value)
		}
		return err
	}
	if err := put(ctx); err != nil {
		return err
	}
	began := time.Now()
	enough := func() bool {
		return time.Since(began) > racing || seen.found() != "" || (puts.Load() > replacements && reads.Load() > readings)
	}
	group, gctx := errgroup.WithContext(ctx)
	for i := range p.cfg.Writers {
		group.Go(func() error {
			for !enough() {
				if i%4 == 0 {
					if err := put(gctx); err != nil {
						return err
					}
					continue
				}
				data, info, err := p.at.Read(gctx, key, store.Range{})
				if err != nil {
					return err
				}
				seen.note(info.ETag, string(data))
				reads.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	p.report.Facts["replacements_under_readers"], p.report.Facts["reads_beside_replacements"] = puts.Load(), reads.Load()
	if mixed := seen.found(); mixed != "" {
		return breaks(otherStore, "%s", mixed)
	}
	return nil
}

// swap reads the counter and tries to replace it by one more.
func (p *prober) swap(ctx context.Context, key string, seen *pairs) (bool, error) {
	data, info, err := p.at.Read(ctx, key, store.Range{})
	if err != nil {
		return false, err
	}
	seen.note(info.ETag, string(data))
	n, err := strconv.Atoi(string(data))
	if err != nil {
		return false, fault.New(fault.Corrupt, "the counter reads %q", data)
	}
	next := counter(n + 1)
	written, err := p.write(ctx, key, next, store.Condition{IfMatch: info.ETag})
	if errors.Is(err, store.ErrConflict) {
		return false, nil
	}
	if err == nil {
		seen.note(written.ETag, next)
	}
	return err == nil, err
}

// counter has a fixed width, so that sizes never tell two values apart.
func counter(n int) string { return fmt.Sprintf("%08d", n) }

// pairs notes which body came with which ETag.
type pairs struct {
	mu     sync.Mutex
	values map[string]string
	mixed  string
}

func (s *pairs) note(etag, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.values[etag]
	if ok && known != value {
		s.mixed = fmt.Sprintf("the ETag %s came with %q and with %q: an answer may hold the ETag of one object and the body of another, and a compare-and-swap with it would lose a commit", etag, known, value)
	}
	s.values[etag] = value
}

// found says what was mixed up, or "".
func (s *pairs) found() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mixed
}
