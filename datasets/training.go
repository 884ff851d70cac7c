package datasets

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// Training is what a recipe says of the order of its training split, where a ticket leaves it open.
type Training struct {
	// Filter is canonical CQL2 text; "" keeps all samples.
	Filter string
	// Weights is Balanced, the name of a number of samples or the text of ClassWeights; "" has each once.
	Weights string
	// Shuffle is what the version is mixed by; nil leaves it to the sizes of windows and chunks.
	Shuffle *order.Shuffle

	filterAt, weightsAt place
}

// Defaults are the filter and the weights of a split where a ticket says nothing: those of the recipe for the training
// split, and none for the others.
func (v *Version) Defaults(split string) (filter, weights string) {
	if split != Splits()[0] {
		return "", ""
	}
	def := v.commit.Definitions
	return def.Filter, def.Weights
}

func (d *decoder) training(o object) (t Training) {
	t.filterAt, t.weightsAt = o.value("filter"), o.value("weights")
	if text := o.text("filter"); text != "" {
		e, err := cql2.ParseText(text)
		if err != nil {
			d.fail(t.filterAt, fault.KindOf(err), "filter: "+err.Error(), fault.CureOf(err))
		} else {
			t.Filter = cql2.Text(e)
		}
	}
	if n := o.fields["weights"]; n != nil && n.Kind == yaml.MappingNode {
		t.Weights = d.classWeights(n)
	} else {
		t.Weights = o.text("weights")
	}
	if name := o.text("shuffle"); name != "" {
		s, err := order.ParseShuffle(name)
		switch {
		case err != nil:
			d.fail(o.value("shuffle"), fault.KindOf(err), err.Error(), fault.CureOf(err))
		case s == order.Base:
			d.fail(o.value("shuffle"), fault.Invalid, "shuffle: the base order mixes nothing", "write uniform or window:2GiB; a ticket may always ask for the base order")
		default:
			t.Shuffle = &s
		}
	}
	return t
}

// classWeights are weights by class as JSON text.
func (d *decoder) classWeights(n *yaml.Node) string {
	classes := d.object(n, "weights.", "class").fields["class"]
	if classes == nil || classes.Kind != yaml.MappingNode {
		d.fail(placeOf(n), fault.Invalid, "weights: neither a name nor weights by class", "write weights: {class: {maize: 2, wheat: 0.5}}")
		return ""
	}
	var parts []string
	for i := 0; i+1 < len(classes.Content); i += 2 {
		key, weight := classes.Content[i], follow(classes.Content[i+1])
		one := object{d: d, path: "weights.class.", fields: map[string]*yaml.Node{key.Value: weight}}
		name, err := json.Marshal(key.Value)
		number, err2 := json.Marshal(one.number(key.Value, 0))
		if err != nil || err2 != nil {
			d.fail(placeOf(key), fault.Invalid, fmt.Sprintf("weights.class: %q is no class", key.Value), "name a class of the labels")
			return ""
		}
		parts = append(parts, string(name)+":"+string(number))
	}
	text := `{"class":{` + strings.Join(parts, ",") + `}}`
	if err := CheckClassWeights(text); err != nil {
		d.fail(placeOf(n), fault.KindOf(err), err.Error(), "write weights: {class: {maize: 2, wheat: 0.5}}")
	}
	return text
}

// train settles what the recipe says of the training split, which must be of properties that its samples will have.
func (p *plan) train(context.Context) error {
	p.shuffle = p.defaultShuffle()
	t := &p.recipe.Training
	if t.Shuffle != nil {
		p.shuffle = *t.Shuffle
	}
	pin := p.labelPin()
	all := pin.Properties()
	if t.Filter != "" {
		e, err := cql2.ParseText(t.Filter)
		if err != nil {
			return t.filterAt.error(fault.KindOf(err), "filter: "+err.Error(), fault.CureOf(err))
		}
		for _, name := range cql2.Properties(e) {
			if !slices.ContainsFunc(all, func(p Property) bool { return p.Name == name }) {
				return t.filterAt.error(fault.Invalid, fmt.Sprintf("filter: samples have no property %q", name), "they have: "+strings.Join(PropertyNames(all), ", "))
			}
		}
	}
	switch {
	case t.Weights == "":
	case ByClass(t.Weights):
		w, err := pin.ClassWeights(t.Weights)
		if err != nil {
			return t.weightsAt.error(fault.KindOf(err), err.Error(), fault.CureOf(err))
		}
		t.Weights = w.Text
	case t.Weights == Balanced && pin == nil:
		return t.weightsAt.error(fault.Invalid, "weights: class_balanced of a version that has no labels", "name a label set, or weight by a number of samples")
	case t.Weights != Balanced && !slices.ContainsFunc(all, func(p Property) bool { return p.Name == t.Weights && p.Kind == NumberKind }):
		return t.weightsAt.error(fault.Invalid, fmt.Sprintf("weights: samples have no number %q", t.Weights),
			"use class_balanced, weights by class, or one of: "+strings.Join(PropertyNames(all, NumberKind), ", "))
	}
	return nil
}

// labelPin has the classes of the labels; nil without labels.
func (p *plan) labelPin() *LabelPin {
	if p.labels == nil {
		return nil
	}
	return &LabelPin{Classes: classesOf(p.labels)}
}
