package datasets

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/labels"
)

// The columns of the manifest that say which classes a sample has: the name of the one that most of its labelled pixels
// have ("" for none), and the pixels of each value that occurs. They follow from the label raster and are in no digest.
const (
	ClassColumn  = "class"
	CountsColumn = "label_counts"
)

var countType = arrow.StructOf(required("value", arrow.PrimitiveTypes.Int64), required("pixels", arrow.PrimitiveTypes.Int64))

// classCount is how many pixels of a sample have a class.
type classCount struct {
	value  int64
	pixels int32
}

// countLabels counts the labelled pixels of a window by value, in the order of the values, into found, which is empty; buf
// holds the labels of a strip of the grid around it.
func countLabels(found []classCount, buf []byte, strip, w cube.Window, rev *labels.Revision) []classCount {
	size, at := rev.DType.Size(), 0
	for row := w.Row; row < w.Row+w.Height; row++ {
		line := buf[((row-strip.Row)*strip.Width+w.Col)*size:]
		for col := range w.Width {
			v := rev.DType.Get(line[col*size:])
			if v == rev.Ignore || math.IsNaN(v) {
				continue
			}
			if value := int64(v); at >= len(found) || found[at].value != value {
				at = slices.IndexFunc(found, func(c classCount) bool { return c.value == value })
				if at < 0 {
					at = len(found)
					found = append(found, classCount{value: value})
				}
			}
			found[at].pixels++
		}
	}
	slices.SortFunc(found, func(a, b classCount) int { return cmp.Compare(a.value, b.value) })
	return found
}

// ClassName is the name of a class of the version's labels, or its value in digits where it has none.
func (l *LabelPin) ClassName(value int64) string { return className(l.Classes, value) }

func className(classes []Class, value int64) string {
	for _, c := range classes {
		if c.Value == value && c.Name != "" {
			return c.Name
		}
	}
	return strconv.FormatInt(value, 10)
}

// dominant is the class that most labelled pixels have, of several the one of the least value; "" without any.
func dominant(counts []classCount, classes []Class) string {
	if len(counts) == 0 {
		return ""
	}
	most := counts[0]
	for _, c := range counts[1:] {
		if c.pixels > most.pixels {
			most = c
		}
	}
	return className(classes, most.value)
}

func appendCounts(b array.Builder, counts []classCount) {
	l := b.(*array.ListBuilder)
	l.Append(true)
	for _, c := range counts {
		structOf(l.ValueBuilder(), func(k int, f array.Builder) {
			f.(*array.Int64Builder).Append([]int64{c.value, int64(c.pixels)}[k])
		})
	}
}
