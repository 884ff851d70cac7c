package read

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClassesOfMemory(t *testing.T) {
	last := 0
	for n := 1; n < 1<<22; n += 1 + n/300 {
		class, size := classOf(n)
		require.GreaterOrEqual(t, size, n)
		require.LessOrEqual(t, size, max(n+63, n+n/8))
		require.GreaterOrEqual(t, class, last)
		last = class
		again, same := classOf(size)
		require.Equal(t, [2]int{class, size}, [2]int{again, same}, "a class is its own")
	}
	class, size := classOf(1 << 40)
	assert.Less(t, class, len(pools))
	assert.Equal(t, 1<<40, size)
}

// Every range holds the chunks it says, keeps the limits, and lies in one object; no two neighbours could
// have been one.
func TestCoalesce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		gap, most := int64(rng.IntN(400)-100), int64(100+rng.IntN(2000))
		var jobs []job
		at := uint64(0)
		for object := byte(1); object < 4; object++ {
			for at = uint64(rng.IntN(500)); rng.IntN(12) > 0; {
				j := job{}
				j.key.object[0], j.key.offset, j.key.length = object, at, uint64(1+rng.IntN(400))
				if rng.IntN(20) == 0 {
					j.key.text = "file:///virtual"
				}
				jobs = append(jobs, j)
				at += j.key.length * uint64(rng.IntN(2))
				at += uint64(rng.IntN(300)) * uint64(rng.IntN(2))
			}
		}
		spans := coalesce(nil, jobs, gap, most)
		n := 0
		for i, s := range spans {
			end := s.offset
			for _, j := range s.jobs {
				require.Equal(t, jobs[n], j)
				require.Equal(t, s.jobs[0].key.object, j.key.object)
				if end > s.offset {
					require.Less(t, int64(j.key.offset)-int64(end), max(gap, 1))
				}
				end = max(end, j.end())
				n++
			}
			require.Equal(t, s.size, end-s.offset)
			require.True(t, len(s.jobs) == 1 || int64(s.size) <= most && !s.jobs[0].virtual())
			if i > 0 && spans[i-1].jobs[0].key.object == s.jobs[0].key.object && !s.jobs[0].virtual() && !spans[i-1].jobs[0].virtual() {
				p := spans[i-1]
				apart, whole := int64(s.offset)-int64(p.offset+p.size), int64(max(s.jobs[0].end(), p.offset+p.size)-p.offset)
				require.True(t, apart > 0 && apart >= gap || whole > most, "%d apart, %d together", apart, whole)
			}
		}
		require.Len(t, jobs, n)
	}
}

func put(c *cache, id, bytes int) {
	held, l, mine := c.claim(key{offset: uint64(id)})
	if mine {
		held = &chunk{planes: 1, buf: borrow(bytes)}
		held.holders.Store(1)
		c.finish(key{offset: uint64(id)}, l, held, nil)
	}
	held.release()
}

func kept(c *cache, from, to int) (n int) {
	for id := from; id < to; id++ {
		if c.has(key{offset: uint64(id)}) {
			n++
		}
	}
	return n
}

// One pass over far more than fits leaves what is used over and over.
func TestAScanLeavesWhatIsUsed(t *testing.T) {
	c := newCache(1 << 20)
	for range 4 {
		for id := range 50 {
			put(c, id, 8192)
		}
	}
	for id := 1000; id < 3000; id++ {
		put(c, id, 8192)
	}
	assert.Equal(t, 50, kept(c, 0, 50))
	assert.LessOrEqual(t, c.bytes(), int64(1<<20))
	assert.Greater(t, c.bytes(), int64(900<<10), "the budget is used")
}

// What is asked for again soon after it left comes back to stay.
func TestWhatComesBackStays(t *testing.T) {
	c := newCache(1 << 20)
	for id := range 300 {
		put(c, id, 8192)
	}
	require.False(t, c.has(key{offset: 150}))
	put(c, 150, 8192)
	for id := 1000; id < 2000; id++ {
		put(c, id, 8192)
	}
	assert.True(t, c.has(key{offset: 150}))
}

// In epochs of random order over more than fits, the least recently used first would find one in
// twenty; what is wanted next cannot be known here, so three in ten is the most.
func TestRandomOrderFindsSome(t *testing.T) {
	c := newCache(1 << 20) // about 120 chunks
	rng := rand.New(rand.NewPCG(1, 2))
	hits := 0
	for epoch := range 6 {
		for _, id := range rng.Perm(400) {
			if epoch > 1 && c.has(key{offset: uint64(id)}) {
				hits++
			}
			put(c, id, 8192)
		}
	}
	rate := float64(hits) / (4 * 400)
	assert.Greater(t, rate, 0.15, "120 of 400 fit")
}

func keysOf(from, to int) (list []key) {
	for id := from; id < to; id++ {
		list = append(list, key{offset: uint64(id)})
	}
	return list
}

// What is expected stays while anything else can go, and goes once it is not.
func TestWhatIsExpectedStays(t *testing.T) {
	c := newCache(1 << 20)
	for id := range 60 {
		put(c, id, 8192)
	}
	c.want(keysOf(0, 60), 9)
	c.want(keysOf(0, 5), 9)
	for id := 1000; id < 2000; id++ {
		for range 3 {
			put(c, id, 8192)
		}
	}
	assert.Equal(t, 60, kept(c, 0, 60))
	c.unwant(keysOf(0, 60), 9)
	for id := 2000; id < 3000; id++ {
		for range 4 {
			put(c, id, 8192)
		}
	}
	assert.Equal(t, 5, kept(c, 0, 60), "somebody else expects them still")
	c.unwant(keysOf(0, 5), 9)
	c.unwant(keysOf(0, 5), 9)
	assert.Empty(t, c.shards[0].wants.of)
	assert.Zero(t, c.shards[0].wants.bytes)
	c.want(keysOf(0, 500), 10)
	for id := range 500 {
		put(c, id, 8192)
	}
	assert.LessOrEqual(t, c.bytes(), int64(1<<20), "the budget holds though everything is expected")
}

// Of what is expected the last goes first, whatever came first; what has been read is expected no more, and what is read
// again later is.
func TestWhatIsExpectedLastGoesFirst(t *testing.T) {
	c := newCache(1 << 20)
	for step := range 20 { // ten chunks each
		c.want(keysOf(10*step, 10*step+10), uint64(100+step))
	}
	c.want(keysOf(0, 5), 105)
	for id := 199; id >= 100; id-- {
		put(c, id, 8192)
	}
	assert.Equal(t, 100, kept(c, 100, 200))
	for id := range 60 {
		put(c, id, 8192)
	}
	assert.Equal(t, 60, kept(c, 0, 60))
	assert.Equal(t, 60, kept(c, 100, 160))
	assert.LessOrEqual(t, kept(c, 160, 200), 10)
	assert.True(t, c.worth(key{offset: 70}, 8192))
	assert.False(t, c.worth(key{offset: 195}, 8192), "all that is kept is read before")
	assert.False(t, c.worth(key{offset: 777}, 8192))
	assert.EqualValues(t, 100, c.reached(100))
	for id := range 10 {
		put(c, id, 8192)
	}
	_, first := c.shard(key{offset: 0})
	assert.EqualValues(t, 105, c.shards[0].wants.next(first), "the other use is yet to come")
	for id := 80; id < 95; id++ {
		put(c, id, 8192)
	}
	assert.Equal(t, 5, kept(c, 0, 5))
	assert.Zero(t, kept(c, 5, 10), "nobody wants them any more")
	assert.EqualValues(t, 107, c.reached(107))
	assert.EqualValues(t, 107, c.reached(104), "who is behind may go on from there")
}

// Who has read what it expected takes back its own expectation, and nobody else's.
func TestNobodyTakesBackWhatAnotherExpects(t *testing.T) {
	c := newCache(1 << 20)
	k := keysOf(5, 6)
	s, hash := c.shard(k[0])
	next := func() uint64 { return s.wants.next(hash) }
	read := func() { put(c, 5, 8192) }
	for _, at := range [][2]uint64{{7, 7}, {7, 8}, {8, 7}} { // of A, who reads first, and of B
		c.want(k, at[0])
		c.want(k, at[1])
		c.reached(8)
		read()
		assert.EqualValues(t, max(at[0], at[1]), next(), "%v", at)
		c.unwant(k, at[0])
		assert.Equal(t, at[1], next(), "%v: B waits for it still", at)
		read()
		assert.EqualValues(t, uint64(never), next(), "%v", at)
		c.unwant(k, at[1])
		assert.Empty(t, s.wants.of)
	}
	c.want(k, 8)
	c.want(k, 8)
	c.unwant(k, 8) // of one who has not read
	assert.EqualValues(t, 8, next())
	c.unwant(k, 8)
	assert.Zero(t, c.expected())
}

// In epochs of random order that are known beforehand, far more is found than without.
func TestKnownOrderFindsMore(t *testing.T) {
	hits := func(ahead int) (n int) {
		c := newCache(1 << 20) // about 120 chunks
		rng := rand.New(rand.NewPCG(1, 2))
		var order []int
		for range 6 {
			order = append(order, rng.Perm(400)...)
		}
		for i, id := range order {
			if i+ahead < len(order) && ahead > 0 {
				c.want(keysOf(order[i+ahead], order[i+ahead]+1), uint64(i+ahead))
			}
			c.reached(uint64(i))
			if i >= 800 && c.has(key{offset: uint64(id)}) {
				n++
			}
			put(c, id, 8192)
		}
		return n
	}
	assert.Greater(t, float64(hits(400)), 1.6*float64(hits(0)))
}

func TestMasks(t *testing.T) {
	assert.Zero(t, maskOf([]int{3}, 65), "more than a mask has room for")
	assert.Equal(t, mask(0b1110), maskOf([]int{3, 1}, 9).rounded(9), "the one between comes with them")
	assert.Equal(t, mask(0b10011), maskOf([]int{4, 0, 1}, 9).rounded(9))
	assert.Zero(t, maskOf([]int{0, 1, 2, 3}, 4).rounded(4))
	assert.Zero(t, maskOf([]int{0, 2}, 3).rounded(3))
	var runs [][2]int
	require.NoError(t, (mask(1)<<63 | 0b1100110).runs(func(from, to int) error {
		runs = append(runs, [2]int{from, to})
		return nil
	}))
	assert.Equal(t, [][2]int{{1, 3}, {5, 7}, {63, 64}}, runs)
}
