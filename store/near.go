package store

// Near is an object of which the machine may have bytes in memory already. One goroutine uses it.
type Near interface {
	// ReadNow fills dst with the bytes from offset on, if that needs neither a device nor a network; if it does, or if anything
	// is wrong, it reports false and dst holds nothing of meaning.
	ReadNow(offset int64, dst []byte) bool
	Close() error
}

// NearDriver is a Driver that knows what is in memory.
type NearDriver interface {
	// Near opens an object, or returns nil.
	Near(key string) Near
}

// Near opens an object for what of it can be had at once. It returns nil where the back end cannot tell, or where there is
// no such object: whoever reads it in the ordinary way learns why.
func (b *Bucket) Near(key string) Near {
	d, ok := b.driver.(NearDriver)
	if !ok || checkKey(key) != nil {
		return nil
	}
	return d.Near(b.prefix + key)
}

// HasNear reports whether Near may return anything.
func (b *Bucket) HasNear() bool {
	_, ok := b.driver.(NearDriver)
	return ok
}
