package postgres

import "github.com/terrapin-eo/terrapin/catalog"

var _ catalog.Sizer = (*Catalog)(nil)

// Sizes tells how many connections each pool may have, has and uses.
func (c *Catalog) Sizes() map[string]int {
	read, write := c.read.Stat(), c.write.Stat()
	return map[string]int{
		"readers": int(read.MaxConns()), "readers_open": int(read.TotalConns()), "readers_in_use": int(read.AcquiredConns()),
		"writers": int(write.MaxConns()), "writers_open": int(write.TotalConns()), "writers_in_use": int(write.AcquiredConns()),
	}
}
