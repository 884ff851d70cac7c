//go:build !linux

package terrapin

import "context"

// overRing: shared memory needs Linux.
func (c *Client) overRing(context.Context, any) (source, error) {
	return nil, noRing("it needs Linux")
}
