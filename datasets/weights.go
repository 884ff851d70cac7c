package datasets

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Balanced is the name of the weights that give every class the same share of an epoch.
const Balanced = "class_balanced"

// formOfWeights is how weights by class are written.
const formOfWeights = `write them as in {"class": {"maize": 2, "wheat": 0.5}}`

// ByClass reports whether weights are given class by class, and not the name of something.
func ByClass(weights string) bool { return strings.HasPrefix(weights, "{") }

// ClassWeights are what the samples of a class weigh.
type ClassWeights struct {
	// Text is canonical: {"class":{"VALUE":WEIGHT,…}} of every class there is, by ascending value, the numbers as RFC 8785
	// writes them.
	Text string
	of   map[string]float64
}

// Of is the weight of samples of a class by its name: 1 of one that was not named, 0 of "", which is none.
func (w ClassWeights) Of(class string) float64 {
	if weight, known := w.of[class]; known || class == "" {
		return weight
	}
	return 1
}

// ClassWeights reads weights by class: a JSON object {"class": {CLASS: WEIGHT, …}}, where a class is told by its value in
// digits or by its name, and weights are finite and not negative. A class that the labels do not have, or that is there
// twice, is fault.Invalid. A nil receiver has no labels.
func (l *LabelPin) ClassWeights(text string) (ClassWeights, error) {
	given, err := parseClassWeights(text)
	if err != nil {
		return ClassWeights{}, err
	}
	if l == nil {
		return ClassWeights{}, fault.New(fault.Invalid, "weights by class of a version that has no labels").WithCure("weight by a number of samples, such as scenes")
	}
	classes := slices.SortedFunc(slices.Values(l.Classes), func(a, b Class) int { return cmp.Compare(a.Value, b.Value) })
	weights, told := make([]float64, len(classes)), make([]bool, len(classes))
	values, names := map[string]int{}, map[string]int{}
	for i, c := range classes {
		weights[i], values[strconv.FormatInt(c.Value, 10)] = 1, i
		if c.Name != "" {
			names[c.Name] = i
		}
	}
	for _, g := range given {
		at, known := values[g.class]
		if !known {
			at, known = names[g.class]
		}
		if !known {
			return ClassWeights{}, fault.New(fault.Invalid, "weights: the labels have no class %q", g.class).WithCure("they have: %s", l.ClassList())
		}
		if told[at] {
			return ClassWeights{}, fault.New(fault.Invalid, "weights: class %s is there twice", l.ClassName(classes[at].Value)).WithCure("give a class one weight")
		}
		weights[at], told[at] = g.weight, true
	}
	return l.classWeights(classes, weights)
}

func (l *LabelPin) classWeights(classes []Class, weights []float64) (ClassWeights, error) {
	out := ClassWeights{of: map[string]float64{}}
	text := []byte(`{"class":{`)
	for i, c := range classes {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendQuote(text, strconv.FormatInt(c.Value, 10))
		text = append(text, ':')
		number, err := json.Marshal(weights[i]) // which writes numbers as RFC 8785 does
		if err != nil {
			return out, fault.New(fault.Internal, "weights: %w", err)
		}
		text = append(text, number...)
		name := l.ClassName(c.Value)
		if other, known := out.of[name]; known && other != weights[i] {
			twin := slices.IndexFunc(classes, func(o Class) bool { return l.ClassName(o.Value) == name })
			return out, fault.New(fault.Invalid, "weights: two classes are named %q, and samples do not tell which they have", name).
				WithCure("name both by their values, with one weight: {%q: %g, %q: %g}", strconv.FormatInt(classes[twin].Value, 10), max(other, weights[i]), strconv.FormatInt(c.Value, 10), max(other, weights[i]))
		}
		out.of[name] = weights[i]
	}
	out.Text = string(append(text, "}}"...))
	return out, nil
}

// ClassList names the classes for people.
func (l *LabelPin) ClassList() string {
	names := make([]string, len(l.Classes))
	for i, c := range l.Classes {
		names[i] = strconv.FormatInt(c.Value, 10)
		if c.Name != "" {
			names[i] = strconv.Quote(c.Name) + " (" + names[i] + ")"
		}
	}
	return strings.Join(names, ", ")
}

// givenWeight is one as it was written.
type givenWeight struct {
	class  string
	weight float64
}

// CheckClassWeights refuses what is no weights by class, whatever the labels.
func CheckClassWeights(text string) error {
	_, err := parseClassWeights(text)
	return err
}

func parseClassWeights(text string) ([]givenWeight, error) {
	var out []givenWeight
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	for _, want := range []json.Token{json.Delim('{'), "class", json.Delim('{')} {
		if got, err := dec.Token(); err != nil || got != want {
			return nil, fault.New(fault.Invalid, "weights: not an object with the one key \"class\"").WithCure(formOfWeights)
		}
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, badWeights(err)
		}
		class := key.(string) // inside an object the decoder yields strings as keys, or an error
		value, err := dec.Token()
		if err != nil {
			return nil, badWeights(err)
		}
		number, ok := value.(json.Number)
		weight, err := strconv.ParseFloat(string(number), 64)
		if !ok || err != nil || weight < 0 || math.IsInf(weight, 0) {
			return nil, fault.New(fault.Invalid, "weights: class %q has the weight %v, which is no finite number from 0 up", class, value).WithCure(formOfWeights)
		}
		out = append(out, givenWeight{class, math.Abs(weight)}) // of -0
	}
	for range 2 {
		if got, err := dec.Token(); err != nil || got != json.Delim('}') {
			return nil, fault.New(fault.Invalid, "weights: not an object with the one key \"class\"").WithCure(formOfWeights)
		}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "weights: something follows the object").WithCure(formOfWeights)
	}
	return out, nil
}

func badWeights(err error) error {
	return fault.New(fault.Invalid, "weights: %w", err).WithCure(formOfWeights)
}
