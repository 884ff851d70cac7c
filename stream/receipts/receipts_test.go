package receipts

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func open(t *testing.T, path string, change ...func(*Config)) *Ledger {
	t.Helper()
	cfg := Config{Path: path, FlushEvery: time.Hour, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	l, err := Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func begin(t *testing.T, l *Ledger, run string, steps uint64) *Session {
	t.Helper()
	s, err := l.Begin(Opening{Run: run, Actor: "tests", Ticket: json.RawMessage(`{"dataset":"crops@v1","epoch":3}`), Samples: 100, Steps: steps})
	require.NoError(t, err)
	return s
}

// deliver hands over one step of two rows.
func deliver(s *Session, step int) {
	s.Delivered([]int64{int64(2 * step), int64(2*step + 1)}, []string{fmt.Sprint("id", 2*step), fmt.Sprint("id", 2*step+1)}, true)
}

// proof computes the chain of steps as the specification says it, by other means.
func chainOf(steps int) (h Hash) {
	for g := range steps {
		text := append([]byte{}, h[:]...)
		text = binary.LittleEndian.AppendUint32(text, 2)
		text = binary.LittleEndian.AppendUint64(text, uint64(2*g))
		text = binary.LittleEndian.AppendUint64(text, uint64(2*g+1))
		h = sha256.Sum256(fmt.Appendf(text, "id%d\nid%d", 2*g, 2*g+1))
	}
	return h
}

func TestWhatIsAcknowledgedIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receipts.log")
	l := open(t, path)
	s := begin(t, l, "r1", 50)
	for g := range 5 {
		deliver(s, g)
	}
	require.Zero(t, s.Record().Steps, "delivered is not acknowledged")
	require.NoError(t, s.Acknowledge(3))
	require.NoError(t, s.Acknowledge(2), "told before")
	err := s.Acknowledge(6)
	require.True(t, fault.Is(err, fault.Invalid), err)
	require.ErrorContains(t, err, "step 6 is acknowledged, 5 were delivered")
	n, err := l.Acknowledge(s.ID(), 4, nil, true)
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
	r := s.Record()
	require.Equal(t, chainOf(4), r.Chain)
	require.EqualValues(t, 8, r.Rows)
	require.Equal(t, []uint64{1, 2, 3, 4}, stepsOf(r.Marks))

	read, err := Read(path) // as after a kill: nothing was closed
	require.NoError(t, err)
	kept, err := read.Sessions("r1")
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Equal(t, asJSON(t, r), asJSON(t, kept[0]))
	_, err = read.Sessions("r2")
	require.True(t, fault.Is(err, fault.NotFound), err)
	_, err = l.Acknowledge("nobody", 1, nil, false)
	require.True(t, fault.Is(err, fault.NotFound), err)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func stepsOf(marks []Mark) []uint64 {
	var all []uint64
	for _, m := range marks {
		all = append(all, m.Steps)
	}
	return all
}

func TestPartsAndPadding(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "l"))
	whole, cut := begin(t, l, "a", 2), begin(t, l, "a", 2)
	whole.Delivered([]int64{4, 5, 6, -1}, []string{"x", "y", "z", ""}, true)
	cut.Delivered([]int64{4}, []string{"x"}, false)
	cut.Delivered([]int64{5, 6}, []string{"y", "z"}, false)
	cut.Delivered([]int64{-1}, []string{""}, true)
	whole.Delivered([]int64{-1, -1}, []string{"", ""}, true) // a step of padding alone
	cut.Delivered([]int64{-1, -1}, []string{"", ""}, true)
	require.NoError(t, whole.Acknowledge(2))
	require.NoError(t, cut.Acknowledge(2))
	require.Equal(t, whole.Record().Proof, cut.Record().Proof)
	require.EqualValues(t, 3, cut.Record().Rows)
	require.EqualValues(t, 2, cut.Record().Steps)
}

func TestTheClientsOwnChain(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "l"))
	s := begin(t, l, "r", 9)
	for g := range 6 {
		deliver(s, g)
	}
	right, wrong := chainOf(2), chainOf(5)
	_, err := l.Acknowledge(s.ID(), 2, &right, false)
	require.NoError(t, err)
	require.NoError(t, s.Acknowledge(3))
	_, err = l.Acknowledge(s.ID(), 4, &wrong, false)
	require.NoError(t, err)
	right = chainOf(6)
	_, err = l.Acknowledge(s.ID(), 6, &right, false)
	require.NoError(t, err)
	r := s.Record()
	require.EqualValues(t, 2, r.Agreed)
	require.Equal(t, &Seen{4, wrong}, r.Disputed, "the first dispute stays")
	require.EqualValues(t, 6, r.Steps)
}

// After a crash the server knows nothing of what it had delivered; the client's chain proves it.
func TestClaimsAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path)
	s := begin(t, l, "r", 9)
	for g := range 6 {
		deliver(s, g)
	}
	_, err := l.Acknowledge(s.ID(), 2, nil, true)
	require.NoError(t, err)
	require.NoError(t, s.Acknowledge(4)) // never written

	again := open(t, path)
	_, err = again.Acknowledge(s.ID(), 5, nil, false)
	require.True(t, fault.Is(err, fault.Precondition), err)
	require.ErrorContains(t, err, "after step 2")
	seen := chainOf(5)
	_, err = again.Acknowledge(s.ID(), 10, &seen, false)
	require.True(t, fault.Is(err, fault.Invalid), "more than there was: %v", err)
	n, err := again.Acknowledge(s.ID(), 5, &seen, true)
	require.NoError(t, err)
	require.EqualValues(t, 5, n)
	third, err := Read(path)
	require.NoError(t, err)
	r, err := third.Session(s.ID())
	require.NoError(t, err)
	require.EqualValues(t, 2, r.Steps)
	require.Equal(t, chainOf(2), r.Chain)
	require.Equal(t, &Seen{5, seen}, r.Claimed)
	require.JSONEq(t, `{"dataset":"crops@v1","epoch":3}`, string(r.Ticket))
}

func TestTheLastAcknowledgementsAreWaitedFor(t *testing.T) {
	now := time.Unix(1000, 0)
	l := open(t, filepath.Join(t.TempDir(), "l"), func(c *Config) { c.Now = func() time.Time { return now } })
	a, b := begin(t, l, "r", 3), begin(t, l, "r", 3)
	for _, s := range []*Session{a, b} {
		for g := range 3 {
			deliver(s, g)
		}
		s.End()
	}
	require.NoError(t, a.Acknowledge(3))
	now = now.Add(lingering + time.Second)
	l.expire()
	require.Zero(t, l.pending.Load())
	require.True(t, fault.Is(b.Acknowledge(3), fault.Precondition))
	require.EqualValues(t, 3, a.Record().Steps)
}

func TestWhoNeverAcknowledgesTakesNoMemory(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "l"))
	s := begin(t, l, "r", 1<<20)
	require.NoError(t, s.Acknowledge(0))
	for g := range maxPending + 10 {
		deliver(s, g)
	}
	require.Zero(t, l.pending.Load())
	require.Empty(t, s.pending)
	require.True(t, fault.Is(s.Acknowledge(1), fault.Precondition))
	seen := chainOf(7)
	_, err := l.Acknowledge(s.ID(), 7, &seen, false)
	require.NoError(t, err)
	require.EqualValues(t, 7, s.Record().Claimed.Steps)
}

func TestMarksStayFew(t *testing.T) {
	var marks []Mark
	for n := uint64(1); n <= 5000; n++ {
		marks = marked(marks, n, Hash{byte(n)})
		require.Less(t, len(marks), maxMarks)
		for i, m := range marks {
			stride := marks[0].Steps
			require.Equal(t, uint64(i+1)*stride, m.Steps)
			require.Equal(t, byte(m.Steps), m.Chain[0])
		}
		require.GreaterOrEqual(t, 2*len(marks)+2, int(min(n, maxMarks-1)))
	}
}

// The sums are what big integers say, and one changed value is found from them.
func TestSums(t *testing.T) {
	p := big.NewInt(prime)
	r := rand.New(rand.NewPCG(7, 7))
	var got, other Sums
	var want [8]*big.Int
	for j := range want {
		want[j] = new(big.Int)
	}
	for i := range 300 {
		x, v := uint64(i+1), valueOf(fmt.Sprint(r.Uint64()))
		if i > 290 {
			x = r.Uint64() >> 1
		}
		got.add(x, v)
		if i == 41 {
			v++
		}
		other.add(x, v)
		if i == 41 {
			v--
		}
		for j := range want {
			term := new(big.Int).Exp(new(big.Int).SetUint64(x), big.NewInt(int64(j)), p)
			want[j].Add(want[j], term.Mul(term, new(big.Int).SetUint64(v))).Mod(want[j], p)
		}
	}
	for j := range want {
		require.Equal(t, want[j].Uint64(), got[j], j)
	}
	diff := func(j int) uint64 { return reduced(other[j] + prime - got[j]) }
	require.EqualValues(t, 1, diff(0))
	require.EqualValues(t, 42, diff(1))
	require.EqualValues(t, 42*42, diff(2))
	var back Sums
	require.NoError(t, json.Unmarshal([]byte(asJSON(t, got)), &back))
	require.Equal(t, got, back)
}

func TestOldRunsAreDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	now := time.Unix(1000, 0)
	l := open(t, path, func(c *Config) {
		c.MaxSessions = 4
		c.Now = func() time.Time { now = now.Add(time.Second); return now }
	})
	live := begin(t, l, "live", 9)
	for i := range 3 {
		begin(t, l, fmt.Sprint("old", i/2), 9).End()
	}
	deliver(live, 0)
	begin(t, l, "new", 9).End() // old0 goes, with its two sessions
	runs, dropped := l.Runs()
	require.Len(t, runs, 3)
	require.EqualValues(t, 1, dropped.Runs)
	require.EqualValues(t, 2, dropped.Sessions)
	for range 9 {
		begin(t, l, "new", 9).End()
	}
	all, err := l.Sessions("new")
	require.NoError(t, err)
	require.Len(t, all, 3, "one run alone keeps its newest sessions")
	require.NoError(t, live.Acknowledge(1), "what is being read stays")
	require.NoError(t, l.Close())

	again := open(t, path, func(c *Config) { c.MaxSessions = 4 })
	runs, dropped = again.Runs()
	require.NotEmpty(t, runs)
	require.Positive(t, dropped.Sessions)
}

func TestTheFileIsWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path)
	s := begin(t, l, "r", 1<<20)
	var largest int64
	for g := range 5000 {
		deliver(s, g)
		_, err := l.Acknowledge(s.ID(), uint64(g+1), nil, true)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		largest = max(largest, info.Size())
	}
	require.Less(t, largest, int64(slack+1<<20))
	kept, err := Read(path)
	require.NoError(t, err)
	r, err := kept.Session(s.ID())
	require.NoError(t, err)
	require.Equal(t, asJSON(t, s.Record()), asJSON(t, r))
	require.EqualValues(t, 5000, r.Steps)
}

// A crash may leave any beginning of the file: what is read from it was true at some time, and never goes
// back as the beginning grows. One flipped bit loses at most the line it is in.
func TestEveryTornTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path)
	s := begin(t, l, "r", 99)
	for g := range 8 {
		deliver(s, g)
		_, err := l.Acknowledge(s.ID(), uint64(g+1), nil, true)
		require.NoError(t, err)
	}
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	last := uint64(0)
	for n := range len(whole) + 1 {
		part := empty(Config{})
		_, err := lines(bytes.NewReader(whole[:n]), part.replay)
		require.NoError(t, err)
		r, err := part.Session(s.ID())
		if err != nil {
			continue
		}
		require.GreaterOrEqual(t, r.Steps, last)
		require.Equal(t, chainOf(int(r.Steps)), r.Chain)
		last = r.Steps
	}
	require.EqualValues(t, 8, last)

	cut := filepath.Join(t.TempDir(), "cut")
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)-5], 0o600))
	again := open(t, cut)
	require.NoError(t, again.Close())
	text, err := os.ReadFile(cut)
	require.NoError(t, err)
	require.Equal(t, strings.Count(string(whole), "\n")-1, strings.Count(string(text), "\n"), "the torn line is gone")

	r := rand.New(rand.NewPCG(3, 1))
	for range 300 {
		bent := bytes.Clone(whole)
		bent[r.IntN(len(bent))] ^= 1 << r.IntN(8)
		got := empty(Config{})
		_, err := lines(bytes.NewReader(bent), got.replay)
		require.NoError(t, err)
		if rec, err := got.Session(s.ID()); err == nil {
			require.Equal(t, chainOf(int(rec.Steps)), rec.Chain)
		}
	}
}

// A durable acknowledgement waits for what another write has taken up and not yet written.
func TestDurableWaitsForTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path, func(c *Config) { c.FlushEvery = time.Millisecond })
	s := begin(t, l, "r", 9)
	deliver(s, 0)
	l.writing.Lock() // as a slow disk does
	_, err := l.Acknowledge(s.ID(), 1, nil, false)
	require.NoError(t, err)
	time.Sleep(20 * time.Millisecond) // for the ticker to begin
	answered := make(chan error, 1)
	go func() {
		_, err := l.Acknowledge(s.ID(), 1, nil, true)
		answered <- err
	}()
	select {
	case <-answered:
		t.Fatal("answered before the file has it")
	case <-time.After(50 * time.Millisecond):
	}
	l.writing.Unlock()
	require.NoError(t, <-answered)
	kept, err := Read(path)
	require.NoError(t, err)
	r, err := kept.Session(s.ID())
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Steps)
}

func TestAFullDiskLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path)
	s := begin(t, l, "r", 9)
	deliver(s, 0)
	deliver(s, 1)
	broken, err := os.Open(path) // for reading only: writes fail
	require.NoError(t, err)
	good := l.file.file
	l.file.file = broken
	_, err = l.Acknowledge(s.ID(), 1, nil, true)
	require.True(t, fault.Is(err, fault.Unavailable), err)
	l.file.file, l.file.torn = good, true
	_, err = good.WriteString("0123 half a li")
	require.NoError(t, err)
	_, err = l.Acknowledge(s.ID(), 2, nil, true)
	require.NoError(t, err)
	kept, err := Read(path)
	require.NoError(t, err)
	r, err := kept.Session(s.ID())
	require.NoError(t, err)
	require.EqualValues(t, 2, r.Steps)
}

func TestALaterFormatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	line, err := encode(nil, entry{Ledger: &header{Format: format + 1}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, line, 0o600))
	_, err = Open(Config{Path: path})
	require.True(t, fault.Is(err, fault.Unsupported), err)
	_, err = Read(path)
	require.True(t, fault.Is(err, fault.Unsupported), err)
	none, err := Read(filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err)
	runs, _ := none.Runs()
	require.Empty(t, runs)
}

func TestNamesAndTicketsAreBounded(t *testing.T) {
	for _, name := range []string{"", ".x", "a/b", "a b", strings.Repeat("x", 129), "é"} {
		require.True(t, fault.Is(CheckRun(name), fault.Invalid), name)
	}
	for _, name := range []string{"a", "2026-11-30T10:00:00+00:00", "unet_4.lr=0.1@host", strings.Repeat("x", 128)} {
		require.NoError(t, CheckRun(name), name)
	}
	l := open(t, filepath.Join(t.TempDir(), "l"))
	_, err := l.Begin(Opening{Run: "r", Ticket: make(json.RawMessage, MaxTicket+1)})
	require.True(t, fault.Is(err, fault.TooLarge), err)
}

func TestManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path, func(c *Config) { c.FlushEvery = time.Millisecond })
	var all sync.WaitGroup
	for rank := range 8 {
		s := begin(t, l, fmt.Sprint("r", rank%3), 200)
		all.Go(func() {
			for g := range 200 {
				deliver(s, g)
				if g%7 == rank%7 {
					if err := s.Acknowledge(uint64(g)); err != nil {
						t.Error(err)
					}
				}
				if g%50 == 0 {
					l.Runs()
				}
			}
			s.End()
			if err := s.Acknowledge(200); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.NoError(t, l.Close())
	kept, err := Read(path)
	require.NoError(t, err)
	runs, _ := kept.Runs()
	require.Len(t, runs, 3)
	for _, r := range runs {
		sessions, err := kept.Sessions(r.Name)
		require.NoError(t, err)
		for _, s := range sessions {
			require.Equal(t, chainOf(200), s.Chain)
		}
	}
}

// Whatever stands in a file, reading it ends, and what it holds can be written again.
func FuzzLines(f *testing.F) {
	l := empty(Config{})
	s := &Session{ledger: l, live: true, rec: Record{ID: "a1", Run: "r", Ticket: json.RawMessage(`{}`), Planned: 9}}
	deliver(s, 0)
	_ = s.Acknowledge(1)
	var seed []byte
	for _, e := range []entry{{Ledger: &header{Format: format}}, {Open: &s.rec}, {Ack: &s.rec}} {
		seed, _ = encode(seed, e)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-9])
	f.Add([]byte("00000000 {}\n\n00000000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := empty(Config{})
		got, err := lines(bytes.NewReader(data), l.replay)
		require.LessOrEqual(t, got.whole, int64(len(data)))
		if err != nil {
			require.True(t, fault.Is(err, fault.Unsupported), err)
		}
		var text []byte
		for _, e := range l.whole() {
			text, err = encode(text, e)
			require.NoError(t, err)
		}
		again := empty(Config{})
		_, err = lines(bytes.NewReader(text), again.replay)
		require.NoError(t, err)
		require.Len(t, again.sessions, len(l.sessions))
	})
}

func BenchmarkDelivered(b *testing.B) {
	l := empty(Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	s := &Session{ledger: l, live: true}
	positions, ids := make([]int64, 32), make([]string, 32)
	for i := range ids {
		positions[i], ids[i] = int64(i), fmt.Sprintf("%032x", i)
	}
	for b.Loop() {
		s.Delivered(positions, ids, true)
		_ = s.Acknowledge(s.sent.Steps)
	}
}

// An actor's name that is cut is cut between letters.
func TestALongActorIsCutBetweenLetters(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "receipts.log"))
	s, err := l.Begin(Opening{Run: "r", Actor: "a" + strings.Repeat("é", maxActor), Ticket: []byte("{}")})
	require.NoError(t, err)
	require.Equal(t, "a"+strings.Repeat("é", (maxActor-1)/2), s.rec.Actor)
}

// Damage anywhere in the file costs the lines that it is in, and no line behind them; it is counted, and told to
// the log with the numbers of the lines, each time the file is opened and after it was written anew.
func TestDamagedLinesAreToldAndLoseNoOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path)
	a, b := begin(t, l, "r", 9), begin(t, l, "r", 9)
	for _, s := range []*Session{a, b} {
		deliver(s, 0)
		_, err := l.Acknowledge(s.ID(), 1, nil, true)
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	text := strings.Split(strings.TrimSuffix(string(whole), "\n"), "\n") // ledger, open a, open b, ack a, ack b
	require.Len(t, text, 5)
	for name, c := range map[string]struct {
		bent           string
		a, b           int // steps that are known, -1 for no session
		damaged        uint64
		says, saysNone string
	}{
		"an opening": {strings.Replace(string(whole), `{"open"`, `{"opem"`, 1), -1, 1, 1, "lines=[2]", ""},
		"the header": {"x" + string(whole), 1, 1, 1, "lines=[1]", ""},
		"an acknowledgement": {strings.Replace(string(whole), `{"ack"`, `{"acl"`, 1), 0, 1, 1,
			"lines=[4]", "lost the line that opens"},
		"the end of a line":    {text[0] + "\n" + text[1] + "\v" + strings.Join(text[2:], "\n") + "\n", 1, 1, 1, "lines=[2]", ""},
		"a line lost":          {text[0] + "\n" + strings.Join(text[2:], "\n") + "\n", -1, 1, 0, "session=" + a.ID() + " run=r", "do not read"},
		"a hole":               {text[0] + "\n" + strings.Repeat("\x00", maxLine+9) + "\n" + strings.Join(text[1:], "\n") + "\n", 1, 1, 1, "lines=[2]", ""},
		"a torn last line":     {string(whole[:len(whole)-3]), 1, 0, 0, "cut off", "do not read"},
		"nothing":              {string(whole), 1, 1, 0, "", "receipts"},
		"a hole over two ends": {text[0] + "\n" + text[1][:40] + "\x00\x00" + text[2][30:] + "\n" + text[3] + "\n" + text[4] + "\n", -1, -1, 1, "lines=[2]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "l")
			require.NoError(t, os.WriteFile(path, []byte(c.bent), 0o600))
			for round := range 3 {
				var told bytes.Buffer
				l, err := Open(Config{Path: path, Log: slog.New(slog.NewTextHandler(&told, nil))})
				require.NoError(t, err)
				require.Equal(t, c.damaged, l.Damaged())
				if round == 0 {
					require.Contains(t, told.String(), c.says)
					if c.saysNone != "" {
						require.NotContains(t, told.String(), c.saysNone)
					}
				}
				for s, want := range map[*Session]int{a: c.a, b: c.b} {
					rec, err := l.Session(s.ID())
					if want < 0 {
						require.True(t, fault.Is(err, fault.NotFound), err)
						continue
					}
					require.NoError(t, err)
					require.EqualValues(t, want, rec.Steps)
					require.Equal(t, chainOf(want), rec.Chain)
				}
				if c.damaged > 0 {
					_, err = l.Sessions("gone")
					require.ErrorContains(t, err, "1 lines of the ledger's file cannot be read")
				}
				if round == 1 {
					l.writing.Lock()
					require.NoError(t, l.file.replace(l.whole()))
					l.writing.Unlock()
				}
				require.NoError(t, l.Close())
			}
		})
	}
}

// A session whose opening could not be written is in the file as soon as it can be, with all that it has read.
func TestASessionThatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l := open(t, path)
	broken, err := os.Open(path) // for reading only: writes fail
	require.NoError(t, err)
	good := l.file.file
	l.file.file = broken
	s := begin(t, l, "r", 9)
	deliver(s, 0)
	_, err = l.Acknowledge(s.ID(), 1, nil, true)
	require.True(t, fault.Is(err, fault.Unavailable), err)
	l.file.file = good
	deliver(s, 1)
	for steps := range uint64(2) {
		_, err = l.Acknowledge(s.ID(), steps+1, nil, true)
		require.NoError(t, err)
		kept, err := Read(path)
		require.NoError(t, err)
		r, err := kept.Session(s.ID())
		require.NoError(t, err)
		require.Equal(t, steps+1, r.Steps)
		require.JSONEq(t, `{"dataset":"crops@v1","epoch":3}`, string(r.Ticket))
		require.Zero(t, kept.Damaged())
	}
}
