package receipts

import "slices"

// Limits of what is kept of masked rows.
const (
	// MaxMasked is how many rows of a session may be masked.
	MaxMasked  = 1000
	maxReasons = 32
	maxReason  = 500
)

// further is the reason of rows beyond those that are told apart.
const further = "damaged, as other chunks before"

// Masked is the rows of a session that came with weight 0 for one reason: some pixels of them are damaged.
type Masked struct {
	Why  string      `json:"why"`
	Rows []MaskedRow `json:"rows"`
}

// MaskedRow is one of them.
type MaskedRow struct {
	Step     uint64 `json:"step"`
	Position uint64 `json:"position"`
	ID       string `json:"id"`
}

// lost is a masked row with its reason.
type lost struct {
	MaskedRow
	why string
}

// Masked tells of a row that is masked, before Delivered tells of the rows that it is among.
func (s *Session) Masked(position int64, id, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost || s.masked >= MaxMasked {
		return
	}
	s.masked++
	s.unseen = append(s.unseen, lost{MaskedRow{s.sent.Steps, uint64(position), id}, why[:min(len(why), maxReason)]})
}

// tellMasked moves what is masked of the steps that are acknowledged into the record; s.mu is held.
func (s *Session) tellMasked() {
	for len(s.unseen) > 0 && s.unseen[0].Step < s.rec.Steps {
		s.rec.Masked = withRow(s.rec.Masked, s.unseen[0])
		s.unseen = s.unseen[1:]
	}
}

// withRow adds a row to those of its reason. What is there stays as it is, for others may hold it.
func withRow(all []Masked, row lost) []Masked {
	out := append([]Masked(nil), all...)
	if len(out) >= maxReasons && !slices.ContainsFunc(out, row.among) {
		row.why = further
	}
	i := slices.IndexFunc(out, row.among)
	if i < 0 {
		return append(out, Masked{row.why, []MaskedRow{row.MaskedRow}})
	}
	out[i].Rows = append(out[i].Rows[:len(out[i].Rows):len(out[i].Rows)], row.MaskedRow)
	return out
}

func (l lost) among(m Masked) bool { return m.Why == l.why }

// maskedSize is about what masked rows take.
func maskedSize(all []Masked) int {
	n := 0
	for _, m := range all {
		n += 64 + len(m.Why) + 96*len(m.Rows)
	}
	return n
}

// MaskedPositions are those of the rows that are masked.
func (r *Record) MaskedPositions() map[uint64]bool {
	out := map[uint64]bool{}
	for _, m := range r.Masked {
		for _, row := range m.Rows {
			out[row.Position] = true
		}
	}
	return out
}
