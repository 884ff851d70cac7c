package labels

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/terrapin-eo/terrapin/fault"
)

// classMap gives names their values. A nil map is a set whose classes are bare numbers.
type classMap map[string]int64

// maxClass is the largest magnitude of a class value: what every reader of JSON holds exactly.
const maxClass = 1 << 53

const classesForms = `give JSON {"name": value}, YAML lines name: value, or CSV lines name,value, with whole numbers`

// readClasses reads a classes file. Names and values are each unique.
func readClasses(path string) (classMap, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the classes file %s: %w", filepath.Base(path), err).WithCure("check the path")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var m classMap
	if looksLikeCSV(path, data) {
		m, err = classesFromCSV(data)
	} else {
		m, err = classesFromYAML(data)
	}
	if err == nil && len(m) == 0 {
		err = errors.New("it names no class")
	}
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "classes file %s: %w", filepath.Base(path), err).WithCure(classesForms)
	}
	return m, nil
}

func looksLikeCSV(path string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv", ".txt":
		return true
	case ".json", ".yaml", ".yml":
		return false
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return bytes.ContainsRune(line, ',') && !bytes.ContainsAny(line, "{:")
}

// classesFromYAML reads JSON too, which is YAML.
func classesFromYAML(data []byte) (classMap, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it is not a map of names to values")
	}
	m, pairs := classMap{}, doc.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		if err := m.add(name.Value, value.Value, value.Line); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func classesFromCSV(data []byte) (classMap, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.Comment = 2, true, '#'
	m := classMap{}
	for first := true; ; first = false {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, err
		}
		if _, err := strconv.ParseInt(strings.TrimSpace(row[1]), 10, 64); err != nil && first {
			continue // a heading
		}
		line, _ := r.FieldPos(0)
		if err := m.add(row[0], row[1], line); err != nil {
			return nil, err
		}
	}
}

func (m classMap) add(name, value string, line int) error {
	name = strings.TrimSpace(name)
	v, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	switch {
	case name == "":
		return fmt.Errorf("line %d: a class without a name", line)
	case err != nil || v > maxClass || v < -maxClass:
		return fmt.Errorf("line %d: class %q has the value %q, which is no whole number", line, name, value)
	}
	if _, twice := m[name]; twice {
		return fmt.Errorf("line %d: class %q stands there twice", line, name)
	}
	m[name] = v
	return nil
}

func (m classMap) check() error {
	byValue := map[int64]string{}
	for _, name := range m.names() {
		if other, taken := byValue[m[name]]; taken {
			return fmt.Errorf("classes %q and %q share the value %d", other, name, m[name])
		}
		byValue[m[name]] = name
	}
	return nil
}

func (m classMap) names() []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(m[a], m[b]), cmp.Compare(a, b)) })
	return names
}

// has reports whether some name stands for a value.
func (m classMap) has(v int64) bool {
	for _, o := range m {
		if o == v {
			return true
		}
	}
	return false
}

// String lists the classes for a message: "1 = maize, 2 = wheat".
func (m classMap) String() string {
	const most = 20
	var parts []string
	for i, n := range m.names() {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(m)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%d = %s", m[n], n))
	}
	return strings.Join(parts, ", ")
}

// classes lists the map and every used value it does not name, in order of the values.
func (m classMap) classes(used map[int64]bool) []Class {
	out := []Class{}
	for _, n := range m.names() {
		out = append(out, Class{m[n], n})
	}
	for v := range used {
		if !m.has(v) {
			out = append(out, Class{v, strconv.FormatInt(v, 10)})
		}
	}
	slices.SortFunc(out, func(a, b Class) int { return cmp.Compare(a.Value, b.Value) })
	return out
}

// extended returns the map with another one's classes added; a name or a value that means something
// else already is a conflict.
func (m classMap) extended(o classMap) (classMap, error) {
	out := classMap{}
	for n, v := range m {
		out[n] = v
	}
	for n, v := range o {
		if old, there := out[n]; there && old != v {
			return nil, fault.New(fault.Conflict, "class %q is %d in this set, not %d", n, old, v).
				WithCure("keep the set's value (%s), or start anew with --replace", m)
		}
		out[n] = v
	}
	if err := out.check(); err != nil {
		return nil, fault.New(fault.Conflict, "%w: the set knows %s", err, m).
			WithCure("give new classes values that are free, or start anew with --replace")
	}
	return out, nil
}

// numbered makes a map from names: 1, 2, … in their order, without the value of unlabelled pixels.
func numbered(names []string) classMap {
	names = slices.Clone(names)
	slices.Sort(names)
	m := classMap{}
	next := int64(1)
	for _, n := range slices.Compact(names) {
		if next == unlabelled {
			next++
		}
		m[n] = next
		next++
	}
	return m
}
