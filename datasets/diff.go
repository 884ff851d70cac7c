package datasets

import (
	"bytes"
	"context"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Difference is the document of `dataset diff`.
type Difference struct {
	A string `json:"a"`
	B string `json:"b"`
	// Same is true where both have one digest.
	Same bool `json:"same"`
	// Samples counts the samples by what became of them.
	Samples struct {
		Added     int `json:"added"`
		Removed   int `json:"removed"`
		Unchanged int `json:"unchanged"`
		Changed   int `json:"changed"`
	} `json:"samples"`
	// Changes counts, among the changed samples, what changed; a sample may count more than once.
	Changes struct {
		Split  int `json:"split"`
		Place  int `json:"place"`
		Slots  int `json:"slots"`
		Label  int `json:"label"`
		Pixels int `json:"pixels"`
	} `json:"changes"`
	// Changed lists the samples that differ, by id, up to a limit.
	Changed   []SampleChange `json:"changed"`
	Truncated bool           `json:"truncated"`
	// Slices are the slices that only one version uses.
	SlicesAdded   []string `json:"slices_added"`
	SlicesRemoved []string `json:"slices_removed"`
	// Definitions names what differs besides the samples.
	Definitions []string `json:"definitions"`
}

// SampleChange says what became of one sample.
type SampleChange struct {
	ID   string   `json:"id"`
	What []string `json:"what"` // added, removed, or what changed
}

// maxListed bounds how many samples a Difference lists.
const maxListed = 1000

// manifestRow is what a manifest says of a sample.
type manifestRow struct {
	split, label, pixels, leaf string
	place                      [4]int32
	slots                      string
}

// Diff compares two versions by sample, label and pixels, through their manifests.
func Diff(ctx context.Context, root *store.Bucket, a, b string) (Difference, error) {
	var sides [2]*Version
	var rows [2]map[string]manifestRow
	for i, ref := range []string{a, b} {
		v, err := Open(ctx, root, ref)
		if err != nil {
			return Difference{}, err
		}
		sides[i] = v
		if rows[i], err = readManifest(ctx, v); err != nil {
			return Difference{}, fault.New(fault.KindOf(err), "diff %s: %w", v.Ref(), err)
		}
	}
	d := Difference{A: sides[0].Ref(), B: sides[1].Ref(), Same: sides[0].Digest == sides[1].Digest,
		Changed: []SampleChange{}, Definitions: changedDefinitions(sides[0].commit.Definitions, sides[1].commit.Definitions)}
	d.SlicesRemoved, d.SlicesAdded = onlyIn(sides[0], sides[1]), onlyIn(sides[1], sides[0])
	d.compare(rows[0], rows[1])
	return d, nil
}

func (d *Difference) compare(a, b map[string]manifestRow) {
	all := make([]string, 0, len(a))
	for id := range a {
		all = append(all, id)
	}
	for id := range b {
		if _, there := a[id]; !there {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	for _, id := range all {
		x, inA := a[id]
		y, inB := b[id]
		var what []string
		switch {
		case !inA:
			d.Samples.Added++
			what = []string{"added"}
		case !inB:
			d.Samples.Removed++
			what = []string{"removed"}
		case x.leaf == y.leaf:
			d.Samples.Unchanged++
			continue
		default:
			d.Samples.Changed++
			what = d.changes(x, y)
		}
		if len(d.Changed) == maxListed {
			d.Truncated = true
			continue
		}
		d.Changed = append(d.Changed, SampleChange{ID: id, What: what})
	}
}

func (d *Difference) changes(x, y manifestRow) []string {
	var what []string
	for _, c := range []struct {
		name    string
		differs bool
		count   *int
	}{
		{"split", x.split != y.split, &d.Changes.Split},
		{"place", x.place != y.place, &d.Changes.Place},
		{"slots", x.slots != y.slots, &d.Changes.Slots},
		{"label", x.label != y.label, &d.Changes.Label},
		{"pixels", x.pixels != y.pixels, &d.Changes.Pixels},
	} {
		if c.differs {
			*c.count++
			what = append(what, c.name)
		}
	}
	return what
}

// onlyIn are the items of the slices that a uses and b does not.
func onlyIn(a, b *Version) []string {
	out := []string{}
	for _, s := range a.Slices {
		if _, there := b.Slice(s.ID); !there {
			out = append(out, s.Item)
		}
	}
	return out
}

// readManifest reads the manifest of a version by sample id.
func readManifest(ctx context.Context, v *Version) (map[string]manifestRow, error) {
	data, _, err := v.root.Read(ctx, folder(v.Name, v.Version)+"/"+manifestFile, store.Range{})
	if err != nil {
		return nil, err
	}
	pf, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return nil, fault.New(fault.Corrupt, "manifest: %w", err)
	}
	defer pf.Close()
	r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: rowGroup}, memory.DefaultAllocator)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "manifest: %w", err)
	}
	table, err := r.ReadTable(ctx)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "manifest: %w", err)
	}
	defer table.Release()
	out := make(map[string]manifestRow, table.NumRows())
	tr := array.NewTableReader(table, rowGroup)
	defer tr.Release()
	for tr.Next() {
		record := tr.Record()
		text, numbers := map[string]*array.String{}, [4]*array.Int32{}
		for _, name := range []string{"id", "split", "label_sha256", "pixels_sha256", "leaf"} {
			text[name] = record.Column(manifestSchema.FieldIndices(name)[0]).(*array.String)
		}
		for k, name := range []string{"row", "col", "height", "width"} {
			numbers[k] = record.Column(manifestSchema.FieldIndices(name)[0]).(*array.Int32)
		}
		slots := record.Column(manifestSchema.FieldIndices("slots")[0])
		for i := range int(record.NumRows()) {
			row := manifestRow{split: text["split"].Value(i), label: text["label_sha256"].Value(i), pixels: text["pixels_sha256"].Value(i),
				leaf: text["leaf"].Value(i), slots: slots.ValueStr(i)}
			for k := range numbers {
				row.place[k] = numbers[k].Value(i)
			}
			out[text["id"].Value(i)] = row
		}
	}
	return out, nil
}

// changedDefinitions names the parts of the definitions that differ.
func changedDefinitions(a, b definitions) []string {
	pa, pb := a.parts(), b.parts()
	out := []string{}
	for i := range pa {
		if pa[i].text != pb[i].text {
			out = append(out, pa[i].name)
		}
	}
	return out
}
