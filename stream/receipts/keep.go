package receipts

import (
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// replay takes an entry of the file.
func (l *Ledger) replay(e entry) error {
	switch {
	case e.Ledger != nil:
		if e.Ledger.Format > format {
			return fault.New(fault.Unsupported, "%s has format %d, this release knows %d", l.cfg.Path, e.Ledger.Format, format).
				WithCure("use the release that wrote it, or move the file away to begin a new ledger")
		}
		l.dropped, l.damaged = e.Ledger.Dropped, l.damaged+e.Ledger.Damaged
	case e.Open != nil && CheckRun(e.Open.Run) == nil && l.sessions[e.Open.ID] == nil:
		l.add(&Session{ledger: l, rec: *e.Open, lost: true})
	case e.Ack != nil:
		if s := l.sessions[e.Ack.ID]; s != nil {
			ticket, run := s.rec.Ticket, s.rec.Run
			s.rec = *e.Ack
			s.rec.Ticket, s.rec.Run = ticket, run
			l.count(s, s.rec.size())
		} else if len(l.orphans) < maxTold {
			l.orphans[e.Ack.ID] = e.Ack.Run
		}
	}
	return nil
}

// tell takes what was found in the file beside its entries, and tells the log of what is lost.
func (l *Ledger) tell(f found) {
	l.damaged += f.damaged
	if f.damaged > 0 {
		l.cfg.Log.Warn("lines of the receipts do not read and are passed over: what only they tell is in no receipt, and no epoch that needs them is verified",
			"file", l.cfg.Path, "damaged", f.damaged, "lines", f.firsts, "of", f.lines)
	}
	for id, run := range l.orphans {
		l.cfg.Log.Warn("a session of the receipts has lost the line that opens it: what it has read is in no receipt", "session", id, "run", run)
	}
	if torn := f.size - f.whole; torn > 0 {
		l.cfg.Log.Info("the last line of the receipts was not written to its end and is cut off", "file", l.cfg.Path, "bytes", torn)
	}
	l.orphans = nil
}

// touch notes that the file does not know a session as it is, and its size.
func (l *Ledger) touch(s *Session, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[s.rec.ID] == s {
		l.dirty[s] = true
		l.count(s, size)
	}
}

// flushNowAndThen writes what was acknowledged until the ledger is closed.
func (l *Ledger) flushNowAndThen() {
	tick := time.NewTicker(l.cfg.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.expire()
			if err := l.flush(); err != nil {
				l.cfg.Log.Error("receipts are not written", "error", err, "cure", fault.CureOf(err))
			}
		}
	}
}

func (l *Ledger) expire() {
	if l.pending.Load() == 0 {
		return
	}
	now := l.cfg.Now()
	for _, s := range l.all() {
		s.expire(now)
	}
}

func (l *Ledger) all() []*Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*Session, 0, len(l.sessions))
	for _, r := range l.runs {
		all = append(all, r.sessions...)
	}
	return all
}

// flush writes the sessions that have changed. Who comes while another writes waits, and finds written what that one took.
func (l *Ledger) flush() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	changed := make([]*Session, 0, len(l.dirty))
	for s := range l.dirty {
		changed = append(changed, s)
	}
	clear(l.dirty)
	l.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	entries := make([]entry, len(changed))
	for i, s := range changed {
		r := s.Record()
		if s.unopened {
			entries[i].Open = &r
			continue
		}
		r.Ticket = nil
		entries[i].Ack = &r
	}
	err := l.append(entries)
	for _, s := range changed {
		if err == nil {
			s.unopened = false
			continue
		}
		r := s.Record()
		l.touch(s, r.size())
	}
	return err
}

// slack is how much larger than its records a file may grow before it is written anew.
const slack = 4 << 20

// open writes that a session begins. Where that fails it is written with what is acknowledged first.
func (l *Ledger) open(s *Session) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	r := s.Record()
	err := l.append([]entry{{Open: &r}})
	if err != nil {
		s.unopened = true
		l.touch(s, r.size())
	}
	return err
}

// append appends entries, and writes the file anew where most of it is outdated; writing is held.
func (l *Ledger) append(entries []entry) error {
	if l.file == nil {
		return fault.New(fault.Precondition, "the ledger of receipts is closed")
	}
	if err := l.file.append(entries); err != nil {
		return err
	}
	l.mu.Lock()
	outdated := l.file.size > int64(2*l.size+slack)
	l.mu.Unlock()
	if !outdated {
		return nil
	}
	return l.file.replace(l.whole())
}

// whole is everything there is, as entries of a new file.
func (l *Ledger) whole() []entry {
	l.mu.Lock()
	entries := []entry{{Ledger: &header{Format: format, Dropped: l.dropped, Damaged: l.damaged}}}
	l.mu.Unlock()
	for _, s := range l.all() {
		r := s.Record()
		entries = append(entries, entry{Open: &r})
	}
	return entries
}

// Close writes what is not written yet and closes the file.
func (l *Ledger) Close() error {
	if l.file == nil {
		return nil // was only read
	}
	close(l.stop)
	l.stopped.Wait()
	err := l.flush()
	l.writing.Lock()
	defer l.writing.Unlock()
	closed := l.file.close()
	l.file = nil
	if err != nil {
		return err
	}
	return closed
}
