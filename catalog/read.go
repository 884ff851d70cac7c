package catalog

import (
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Read returns every item that the changes put: Items, which it reads with ParseItem on every core, and Entries.
func (c Changes) Read() ([]Entry, error) {
	out := make([]Entry, len(c.Items), len(c.Items)+len(c.Entries))
	if err := OnEveryCore(len(c.Items), func(i int) (err error) {
		out[i], err = ParseItem(c.Items[i])
		return err
	}); err != nil {
		return nil, err
	}
	return append(out, c.Entries...), nil
}

// OnEveryCore does n things, which are numbered from 0, in any order and many at a time. It returns the first error.
func OnEveryCore(n int, do func(i int) error) error {
	const each = 64 // to a goroutine, so that starting one is little beside its work
	some := func(from int) error {
		for i := from; i < min(from+each, n); i++ {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	}
	if n <= each {
		return some(0)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < n; from += each {
		group.Go(func() error { return some(from) })
	}
	return group.Wait()
}
