package bulk

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/tidwall/gjson"
)

// node is a place in the schema of a table: a leaf, a record, a list or a map of others.
type node struct {
	name string
	kind nodeKind
	// def is the level of definition from which on it is not null. A list's item is there from the level item on, and
	// another one of the same list at the level of repetition repeat.
	def, item, repeat int16
	children          []*node
	leaf              *leaf
	// first is the first leaf below, whose levels tell of the node.
	first *leaf
}

type nodeKind int

const (
	leafNode nodeKind = iota
	recordNode
	listNode
	mapNode
)

// maxNodes bounds how deep a schema goes.
const maxNodes = 64

// columnTree reads a schema: the nodes of its columns and the leaves in their order.
type columnTree struct {
	schema *schema.Schema
	// form says what the bytes of a leaf are, by the names that lead to it.
	form   func(path []string, n schema.Node) leafForm
	leaves []*leaf
	// bad is the first value of a row that cannot be written.
	bad error
}

// of reads a node and what is below it. path has the names of fields, down to the node's.
func (t *columnTree) of(n schema.Node, path []string, def, rep int16) (*node, error) {
	if len(path) > maxNodes || rep > maxNodes {
		return nil, fmt.Errorf("its columns are nested more than %d deep", maxNodes)
	}
	switch n.RepetitionType() {
	case parquet.Repetitions.Optional:
		def++
	case parquet.Repetitions.Repeated: // a list that does not say so
		item, err := t.bare(n, path, def+1, rep+1)
		if err != nil {
			return nil, err
		}
		return &node{name: n.Name(), kind: listNode, def: def, item: def + 1, repeat: rep + 1, children: []*node{item}, first: item.first}, nil
	}
	return t.bare(n, path, def, rep)
}

// bare reads a node whose own repetition is known already.
func (t *columnTree) bare(n schema.Node, path []string, def, rep int16) (*node, error) {
	group, isGroup := n.(*schema.GroupNode)
	if !isGroup {
		l := &leaf{column: t.schema.Column(len(t.leaves)), form: t.form(path, n), bad: &t.bad}
		t.leaves = append(t.leaves, l)
		return &node{name: n.Name(), kind: leafNode, def: def, leaf: l, first: l}, nil
	}
	if group.NumFields() == 0 {
		return nil, fmt.Errorf("group %q has no columns", n.Name())
	}
	out := &node{name: n.Name(), kind: recordNode, def: def}
	isList := n.ConvertedType() == schema.ConvertedTypes.List || n.LogicalType().Equals(schema.ListLogicalType{})
	isMap := n.ConvertedType() == schema.ConvertedTypes.Map || n.ConvertedType() == schema.ConvertedTypes.MapKeyValue || n.LogicalType().Equals(schema.MapLogicalType{})
	if inner := group.Field(0); (isList || isMap) && group.NumFields() == 1 && inner.RepetitionType() == parquet.Repetitions.Repeated {
		out.kind, out.item, out.repeat = listNode, def+1, rep+1
		one, single := inner.(*schema.GroupNode)
		var child *node
		var err error
		switch {
		case isMap && single && one.NumFields() == 2:
			out.kind = mapNode
			child, err = t.bare(inner, path, def+1, rep+1)
		case single && one.NumFields() == 1 && inner.Name() != "array" && inner.Name() != n.Name()+"_tuple":
			child, err = t.of(one.Field(0), path, def+1, rep+1)
		default:
			child, err = t.bare(inner, path, def+1, rep+1)
		}
		if err != nil {
			return nil, err
		}
		out.children, out.first = []*node{child}, child.first
		return out, nil
	}
	for i := range group.NumFields() {
		child, err := t.of(group.Field(i), append(slices.Clone(path), group.Field(i).Name()), def, rep)
		if err != nil {
			return nil, err
		}
		out.children = append(out.children, child)
	}
	out.first = out.children[0].first
	return out, nil
}

var errLargeRow = fmt.Errorf("the row has more than %d bytes as JSON", MaxDocument)

// value takes the node's next value as JSON; nil is null.
func (n *node) value() ([]byte, error) {
	if n.kind == leafNode {
		return n.leaf.next()
	}
	_, def, err := n.first.peek()
	if err != nil {
		return nil, err
	}
	if def < n.def {
		return nil, n.skip()
	}
	switch n.kind {
	case recordNode:
		return n.record()
	case mapNode:
		return n.pairs(def)
	}
	return n.list(def)
}

// skip takes the one entry that every leaf below a null has.
func (n *node) skip() error {
	if n.kind == leafNode {
		_, err := n.leaf.next()
		return err
	}
	for _, child := range n.children {
		if err := child.skip(); err != nil {
			return err
		}
	}
	return nil
}

// record writes an object; what is null is left out, as tables do not tell it from what is not there.
func (n *node) record() ([]byte, error) {
	out := []byte{'{'}
	for _, child := range n.children {
		v, err := child.value()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", child.name, err)
		}
		if v != nil {
			out = appendMember(out, child.name, v)
		}
	}
	return append(out, '}'), nil
}

func appendMember(out []byte, name string, value []byte) []byte {
	if len(out) > 1 {
		out = append(out, ',')
	}
	return append(append(append(out, quoted(name)...), ':'), value...)
}

// each calls with every item of a list.
func (n *node) each(def int16, item func() error) error {
	if def < n.item {
		return n.skip()
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if n.first.ended() {
			return nil
		}
		if rep, _, err := n.first.peek(); err != nil || rep != n.repeat {
			return err
		}
	}
}

func (n *node) list(def int16) ([]byte, error) {
	out := []byte{'['}
	err := n.each(def, func() error {
		v, err := n.children[0].value()
		if err != nil {
			return err
		}
		if v == nil {
			v = []byte("null")
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if out = append(out, v...); len(out) > MaxDocument {
			return errLargeRow
		}
		return nil
	})
	return append(out, ']'), err
}

// pairs writes a map as an object.
func (n *node) pairs(def int16) ([]byte, error) {
	out := []byte{'{'}
	pair := n.children[0]
	err := n.each(def, func() error {
		key, err := pair.children[0].value()
		if err != nil {
			return err
		}
		value, err := pair.children[1].value()
		if err != nil || key == nil || value == nil {
			return err
		}
		name := gjson.ParseBytes(key)
		if name.Type != gjson.String {
			return fmt.Errorf("the keys of a map are no strings")
		}
		if out = appendMember(out, name.Str, value); len(out) > MaxDocument {
			return errLargeRow
		}
		return nil
	})
	return append(out, '}'), err
}

// sides makes a bbox of an object of its sides; one that is a list is as it should be.
func sides(value []byte) []byte {
	box := gjson.ParseBytes(value)
	if !box.IsObject() {
		return value
	}
	for _, names := range [][]string{{"xmin", "ymin", "zmin", "xmax", "ymax", "zmax"}, {"xmin", "ymin", "xmax", "ymax"}} {
		var list []string
		for _, name := range names {
			if side := box.Get(name); side.Type == gjson.Number {
				list = append(list, side.Raw)
			}
		}
		if len(list) == len(names) {
			return []byte(listOf(list))
		}
	}
	return nil
}

// sortByID orders documents so that a file always gives them in the same order.
func sortByID(docs []json.RawMessage) {
	slices.SortFunc(docs, func(a, b json.RawMessage) int {
		return cmp.Or(cmp.Compare(gjson.GetBytes(a, "id").Str, gjson.GetBytes(b, "id").Str), bytes.Compare(a, b))
	})
}
