package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/catalog/bulk"
)

// barWidth is the number of cells of a progress bar.
const barWidth = 30

// bar is one line on a terminal that says how far long work is.
type bar struct {
	out   io.Writer
	shown bool
}

// newBar returns a bar on standard error, or nil where that is no terminal.
func (c *cli) newBar() *bar {
	f, ok := c.err.(*os.File)
	if !ok {
		return nil
	}
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return nil
	}
	return &bar{out: f}
}

// show draws the line anew.
func (b *bar) show(what string, done, total int) {
	if total == 0 {
		return
	}
	b.shown = true
	filled := barWidth * done / total
	fmt.Fprintf(b.out, "\r%s %*d/%d [%-*s]", what, len(fmt.Sprint(total)), done, total, barWidth, hashes[:filled])
}

// count draws the line of work whose end is not known.
func (b *bar) count(what string, done int) {
	if b == nil {
		return
	}
	b.shown = true
	fmt.Fprintf(b.out, "\r%d %s\x1b[K", done, what)
}

// rate draws the line of a load, whose end is not always known.
func (b *bar) rate(p bulk.Progress, since time.Duration) {
	b.shown = true
	fmt.Fprintf(b.out, "\r%s\x1b[K", rateLine(p, since))
}

// rateLine says how far a load is.
func rateLine(p bulk.Progress, since time.Duration) string {
	share := ""
	if p.Size > 0 {
		share = fmt.Sprintf(" of %.1f", float64(p.Size)/1e6)
	}
	return fmt.Sprintf("%s: %d items, %.0f a second, %d rejected, %.1f%s MB read", p.Source, p.Items, float64(p.Items)/max(since.Seconds(), 1e-3), p.Rejected, float64(p.Read)/1e6, share)
}

const hashes = "##############################"

// end leaves the line; a bar that was never shown leaves none.
func (b *bar) end() {
	if b != nil && b.shown {
		fmt.Fprintln(b.out)
	}
}
