package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// begin and span are the ten years in which the items lie; revisits is how often each cell was seen in them.
var begin = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	span     = 10 * 365.25 * 24 * time.Hour
	revisits = 60
)

// dataset makes the items of one size: item i is the same whoever asks for it, whenever.
type dataset struct {
	n         int
	seed      uint64
	cells     []cell
	templates [][]*template
	documents [][]byte // the collections
	turn      []turn   // whose item is the i-th of 20
}

type turn struct{ kind, before int }

func newDataset(dir string, n int, seed uint64) (*dataset, error) {
	d := &dataset{n: n, seed: seed, cells: landCells(seed)}
	left := make([]int, len(kinds))
	for k, kind := range kinds {
		templates, doc, err := readTemplates(dir, kind)
		if err != nil {
			return nil, err
		}
		d.templates, d.documents, left[k] = append(d.templates, templates), append(d.documents, doc), kind.share
	}
	for more := true; more; {
		more = false
		for k := range left {
			if left[k] > 0 {
				d.turn = append(d.turn, turn{k, kinds[k].share - left[k]})
				left[k]--
				more = true
			}
		}
	}
	return d, nil
}

// place says what item i is: the kind, its number there, the cell and the time.
func (d *dataset) place(i int) (kind, k int, c cell, at time.Time) {
	t := d.turn[i%len(d.turn)]
	kind, k = t.kind, i/len(d.turn)*kinds[t.kind].share+t.before
	cells := d.cellsOf(kind)
	visit := k / cells
	c = d.cells[(k+visit*7)%cells]
	slot := float64(span) / revisits
	into := slot * (float64(visit) + 0.95*unit(d.seed, uint64(kind), uint64(k), 1))
	return kind, k, c, begin.Add(time.Duration(into)).Truncate(time.Millisecond)
}

// cellsOf is in how many cells a kind has its items.
func (d *dataset) cellsOf(kind int) int {
	round := len(d.turn) * revisits
	return min(len(d.cells), (d.n*kinds[kind].share+round-1)/round)
}

// fresh is the number of the first item from which on all are later than the n items there are, as new scenes are.
func (d *dataset) fresh() int {
	i := d.n
	for k, kind := range kinds {
		i = max(i, (d.cellsOf(k)*revisits+kind.share-1)/kind.share*len(d.turn))
	}
	return i
}

// name is the collection and id of item i.
func (d *dataset) name(i int) (collection, id string) {
	kind, k, c, at := d.place(i)
	return kinds[kind].id, d.id(d.template(kind, k), c, at)
}

func (d *dataset) template(kind, k int) *template {
	all := d.templates[kind]
	return all[mix(d.seed, uint64(kind), uint64(k), 2)%uint64(len(all))]
}

func (d *dataset) id(t *template, c cell, at time.Time) string {
	return mark.ReplaceAllStringFunc(t.idForm, func(m string) string {
		return field(strings.Trim(m, "@{}"), c, at)
	})
}

// field is a value that follows from cell and time.
func field(name string, c cell, at time.Time) string {
	switch name {
	case "tile":
		return c.code
	case "path":
		return pad(c.path, 3)
	case "row":
		return pad(c.row, 3)
	case "day":
		return at.Format("20060102")
	case "clock":
		return at.Format("150405")
	case "isoday":
		return at.Format("2006-01-02")
	case "datetime":
		return at.Format("2006-01-02T15:04:05.000Z")
	case "zone":
		return strconv.Itoa(c.zone)
	case "band":
		return c.band
	case "square":
		return c.square
	case "epsg":
		return strconv.Itoa(c.epsg)
	}
	panic("no such field: " + name)
}

// item appends the JSON of item i to b.
func (d *dataset) item(b []byte, i int) []byte {
	kind, k, c, at := d.place(i)
	t := d.template(kind, k)
	geometry, bbox := d.footprint(t, kind, k, c)
	for p, name := range t.fields {
		b = append(b, t.parts[p]...)
		switch name {
		case "id":
			b = append(b, d.id(t, c, at)...)
		case "geometry":
			b = append(b, geometry...)
		case "bbox":
			b = append(b, bbox...)
		case "cloud":
			b = strconv.AppendFloat(b, d.cloud(kind, k), 'f', -1, 64)
		case "platform":
			all := kinds[kind].platforms
			b = append(b, all[mix(d.seed, uint64(kind), uint64(k), 3)%uint64(len(all))]...)
		default:
			b = append(b, field(name, c, at)...)
		}
	}
	return append(b, t.parts[len(t.fields)]...)
}

// cloud is a share of clouds as they are: a quarter nearly clear, nearly a third nearly closed, the rest even. Six
// digits make equal ones rare, so that the order of a page is the same for every server.
func (d *dataset) cloud(kind, k int) float64 {
	which, u := unit(d.seed, uint64(kind), uint64(k), 4), unit(d.seed, uint64(kind), uint64(k), 5)
	v := 100 * u
	switch {
	case which < 0.25:
		v = 10 * u * u
	case which < 0.55:
		v = 100 - 15*u*u
	}
	return math.Round(v*1e6) / 1e6
}

// footprint is the template's outline, laid over the cell with the wobble of an orbit.
func (d *dataset) footprint(t *template, kind, k int, c cell) (geometry, bbox []byte) {
	scale := kinds[kind].scale
	w, h := (c.east-c.west)*scale, (c.north-c.south)*scale
	wobble := 0.1
	if scale < 1 {
		wobble = 1 - scale
	}
	x := c.west + ((c.east-c.west)-w)/2 + (unit(d.seed, uint64(kind), uint64(k), 6)-0.5)*wobble*(c.east-c.west)
	y := c.south + ((c.north-c.south)-h)/2 + (unit(d.seed, uint64(kind), uint64(k), 7)-0.5)*wobble*(c.north-c.south)
	number := func(b []byte, v float64) []byte {
		return strconv.AppendFloat(b, math.Round(v*1e6)/1e6, 'f', -1, 64)
	}
	geometry = append(geometry, `{"type":"Polygon","coordinates":[[`...)
	for i, p := range t.ring {
		if i > 0 {
			geometry = append(geometry, ',')
		}
		geometry = append(number(append(geometry, '['), x+p[0]*w), ',')
		geometry = append(number(geometry, y+p[1]*h), ']')
	}
	geometry = append(geometry, "]]}"...)
	bbox = append(bbox, '[')
	for i, v := range []float64{x, y, x + w, y + h} {
		if i > 0 {
			bbox = append(bbox, ',')
		}
		bbox = number(bbox, v)
	}
	return geometry, append(bbox, ']')
}

// files are where write put a dataset.
type files struct {
	Collections string
	Items       []string // by kind.file
	Bytes       int64
}

// write puts the items, each kind into its file, and the collections into dir, unless they are there already.
func (d *dataset) write(dir string) (files, error) {
	out := files{Collections: filepath.Join(dir, "collections.ndjson"),
		Items: []string{filepath.Join(dir, "items-0.ndjson"), filepath.Join(dir, "items-1.ndjson")}}
	done := filepath.Join(dir, "complete")
	stamp := d.stamp()
	if have, err := os.ReadFile(done); err != nil || string(have) != stamp {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return out, err
		}
		if err := d.writeAll(out); err != nil {
			return out, err
		}
		if err := os.WriteFile(done, []byte(stamp), 0o644); err != nil {
			return out, err
		}
	}
	for _, path := range out.Items {
		info, err := os.Stat(path)
		if err != nil {
			return out, err
		}
		out.Bytes += info.Size()
	}
	return out, nil
}

// stamp tells a dataset from others, of another make too.
func (d *dataset) stamp() string {
	probe := bytes.Join([][]byte{d.item(nil, 0), d.item(nil, d.n/2), d.item(nil, d.n-1), bytes.Join(d.documents, nil)}, nil)
	return fmt.Sprintf("%d items, seed %d, %x\n", d.n, d.seed, sha256.Sum256(probe))
}

func (d *dataset) writeAll(out files) error {
	if err := os.WriteFile(out.Collections, append(bytes.Join(d.documents, []byte("\n")), '\n'), 0o644); err != nil {
		return err
	}
	var writers []*bufio.Writer
	for _, path := range out.Items {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // flushed below; a second close at most
		writers = append(writers, bufio.NewWriterSize(f, 1<<20))
	}
	var b []byte
	for i := range d.n {
		kind, _, _, _ := d.place(i)
		b = append(d.item(b[:0], i), '\n')
		if _, err := writers[kinds[kind].file].Write(b); err != nil {
			return err
		}
	}
	for _, w := range writers {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
