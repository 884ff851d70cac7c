package storetest

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/store"
)

// createRace: of 32 writers that create one key, one wins and the object is the winner's.
func createRace(t *testing.T, b *store.Bucket) {
	for round := range 5 {
		key := "race/" + strconv.Itoa(round)
		var wins atomic.Int32
		var winner atomic.Value
		var start, done sync.WaitGroup
		start.Add(1)
		for i := range 32 {
			done.Go(func() {
				start.Wait()
				value := strconv.Itoa(i)
				_, err := b.Write(t.Context(), key, []byte(value), store.Condition{IfAbsent: true})
				if err == nil {
					wins.Add(1)
					winner.Store(value)
				} else {
					assert.ErrorIs(t, err, store.ErrConflict)
				}
			})
		}
		start.Done()
		done.Wait()
		require.EqualValues(t, 1, wins.Load())
		assert.Equal(t, winner.Load(), get(t, b, key))
	}
}

// counter: 16 writers add 10 each by compare and swap; no acknowledged addition is lost. The value
// has a fixed width, so that sizes never tell two objects apart.
func counter(t *testing.T, b *store.Bucket) {
	const writers, each = 16, 10
	put(t, b, "counter", "00000000")
	var done sync.WaitGroup
	for range writers {
		done.Go(func() {
			for added := 0; added < each; {
				data, info, err := b.Read(t.Context(), "counter", store.Range{})
				if !assert.NoError(t, err) {
					return
				}
				n, err := strconv.Atoi(string(data))
				if !assert.NoError(t, err) {
					return
				}
				next := []byte(strconv.Itoa(100000000 + n + 1))[1:]
				switch _, err := b.Write(t.Context(), "counter", next, store.Condition{IfMatch: info.ETag}); {
				case err == nil:
					added++
				case !errors.Is(err, store.ErrConflict):
					assert.NoError(t, err)
					return
				}
			}
		})
	}
	done.Wait()
	assert.Equal(t, "00000160", get(t, b, "counter"))
}

// wholeObjects: while a key is overwritten, every reader sees one writer's bytes, whole, and the
// Info that belongs to them.
func wholeObjects(t *testing.T, b *store.Bucket) {
	value := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 50_000+1000*(i%26)) }
	_, err := b.Write(t.Context(), "k", value(0), store.Condition{})
	require.NoError(t, err)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !stop.Load() {
				data, info, err := b.Read(t.Context(), "k", store.Range{})
				if !assert.NoError(t, err) {
					return
				}
				if !assert.Equal(t, value(int(data[0]-'a')), data) || !assert.EqualValues(t, len(data), info.Size) {
					return
				}
			}
		})
	}
	for i := range 60 {
		_, err := b.Write(t.Context(), "k", value(i), store.Condition{})
		require.NoError(t, err)
	}
	stop.Store(true)
	readers.Wait()
}
