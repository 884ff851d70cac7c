package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
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

const hashes = "##############################"

// end leaves the line; a bar that was never shown leaves none.
func (b *bar) end() {
	if b != nil && b.shown {
		fmt.Fprintln(b.out)
	}
}
