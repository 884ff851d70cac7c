package catalog

import (
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Read returns every item that the changes put: Items, which it reads with ParseItem on every core, and Entries.
func (c Changes) Read() ([]Entry, error) {
	out := make([]Entry, len(c.Items), len(c.Items)+len(c.Entries))
	const each = 64 // items to a goroutine, so that starting one is little beside its work
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(c.Items); from += each {
		group.Go(func() error {
			for i := from; i < min(from+each, len(c.Items)); i++ {
				var err error
				if out[i], err = ParseItem(c.Items[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return append(out, c.Entries...), nil
}
