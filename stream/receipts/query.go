package receipts

import (
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Dropped counts what the ledger no longer holds, and the time of the last of it.
type Dropped struct {
	Runs     uint64    `json:"runs"`
	Sessions uint64    `json:"sessions"`
	Until    time.Time `json:"until"`
}

// Run is one line about a run.
type Run struct {
	Name     string    `json:"run"`
	Sessions int       `json:"sessions"`
	Steps    uint64    `json:"steps"`
	Opened   time.Time `json:"opened"`
	Last     time.Time `json:"last"`
	// Newest is the last session that was opened.
	Newest Record `json:"newest"`
}

// Runs lists all runs, those heard of last first.
func (l *Ledger) Runs() ([]Run, Dropped) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Run, 0, len(l.runs))
	for name, r := range l.runs {
		line := Run{Name: name, Sessions: len(r.sessions)}
		for i, s := range r.sessions {
			rec := s.Record()
			if i == 0 {
				line.Opened = rec.Opened
			}
			line.Newest = rec
			line.Steps += rec.Acknowledged()
			if rec.Last.After(line.Last) {
				line.Last = rec.Last
			}
		}
		list = append(list, line)
	}
	slices.SortFunc(list, func(a, b Run) int {
		if c := b.Last.Compare(a.Last); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list, l.dropped
}

// Damaged counts the lines of the ledger's file that could not be read. What only they told is in no receipt.
func (l *Ledger) Damaged() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.damaged
}

// Sessions lists the sessions of a run in the order in which they were opened.
func (l *Ledger) Sessions(name string) ([]Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[name]
	if r == nil {
		if l.damaged > 0 {
			return nil, fault.New(fault.NotFound, "no receipts of a run %.140q; %d lines of the ledger's file cannot be read", name, l.damaged).
				WithCure("`terrapin run ls` lists the runs that can be read; the server's log names the lines")
		}
		return nil, fault.New(fault.NotFound, "no receipts of a run %.140q", name).
			WithCure("`terrapin run ls` lists the runs; old ones are dropped when the ledger is full")
	}
	list := make([]Record, len(r.sessions))
	for i, s := range r.sessions {
		list[i] = s.Record()
	}
	return list, nil
}

// Session finds a session by its id.
func (l *Ledger) Session(id string) (Record, error) {
	s := l.find(id)
	if s == nil {
		return Record{}, fault.New(fault.NotFound, "no session %.40q in the ledger of receipts", id).WithCure("`terrapin run show NAME` lists those of a run")
	}
	return s.Record(), nil
}
