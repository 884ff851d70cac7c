package catalog

// Stager is a Catalog that makes what it stores of an item before it is put, on whatever core is free, and takes several sets
// of changes at a time. A load asks for both.
type Stager interface {
	// Stage makes it, for changes of an origin, and returns about how many bytes it takes. The entry is only good for being put
	// after that, in this catalog and from that origin: its Document may be gone. Stage is safe for concurrent use.
	Stage(e *Entry, from Origin) (bytes int)
	// Abreast is how many sets of changes that put items are best under way at a time, and how many items each best has.
	Abreast() (sets, items int)
}
