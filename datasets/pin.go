package datasets

import (
	"context"
	"fmt"
	"strings"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// pin settles resolution, bands, and, where there is one cell, slices and contracts.
func (p *plan) pin(context.Context) error {
	group, err := p.pinBands()
	if err != nil {
		return err
	}
	if p.region, err = p.view.Region(group); err != nil {
		return err
	}
	if err := p.checkLabels(); err != nil {
		return err
	}
	p.homes = homes{plan: p}
	if p.region.Tiled() {
		return p.lookBack()
	}
	if p.line, err = choose(p.region.Slices, p.recipe.Time); err != nil {
		return err
	}
	return p.checkContracts()
}

// lookBack settles the time that the samples of a tiled cube look back from; each finds its own slices.
func (p *plan) lookBack() error {
	all, rule := p.region.Slices, p.recipe.Time
	if len(all) == 0 {
		return noScenes()
	}
	p.homes.at, p.homes.cut = reference(all, rule)
	whole := lookBack(all, rule, p.homes.at, p.homes.cut)
	p.line.report = whole.report
	if len(whole.slices) == 0 {
		return noSliceInTime(all, whole.report.Reference)
	}
	return nil
}

func (p *plan) checkContracts() error {
	if p.recipe.Values == Raw {
		return oneContract(p.line.slices)
	}
	return nil
}

// checkLabels refuses labels of another cube, and those whose pixels are not the features'.
func (p *plan) checkLabels() error {
	if p.labels == nil {
		return nil
	}
	spec := p.view.Spec()
	if p.labels.Cube != p.recipe.Cube || p.labels.Grid != spec.Grid {
		return fault.New(fault.Conflict, "label set %s lies on cube %s, not on %s", p.labels.Set, p.labels.Cube, p.recipe.Cube).
			WithCure("import the labels onto cube %s, or name cube %s in the recipe", p.recipe.Cube, p.labels.Cube)
	}
	if first := spec.Groups()[0]; p.region.Group.Name != first.Name {
		return fault.New(fault.Unsupported, "label set %s lies on the pixels of %s, the features are of %s", p.labels.Set, first.Name, p.region.Group.Name).
			WithCure("choose features of %s (%s), or leave labels out", first.Name, strings.Join(first.BandNames(), ", "))
	}
	return nil
}

// pinBands finds the features' homes on the band axis of their resolution, which is one.
func (p *plan) pinBands() (group string, err error) {
	type spot struct {
		group string
		index int
	}
	var all []string
	index := map[string]spot{}
	groups := p.view.Groups()
	for _, g := range groups {
		for i, b := range g.Bands {
			all, index[b.Name] = append(all, b.Name), spot{g.Name, i}
		}
	}
	p.bands = p.recipe.Features
	if len(p.bands) == 0 {
		p.bands = groups[0].BandNames()
	}
	for i, name := range p.bands {
		at, ok := index[name]
		if !ok {
			what := fmt.Sprintf("feature %q is no band of cube %s, and features other than band names are not built yet", name, p.recipe.Cube)
			return "", p.recipe.features[i].error(fault.Unsupported, what, didYouMean(name, all))
		}
		if group == "" {
			group = at.group
		}
		if at.group != group {
			what := fmt.Sprintf("feature %q is of %s, feature %q of %s: samples of several resolutions are not built yet", name, at.group, p.bands[0], group)
			return "", p.recipe.features[i].error(fault.Unsupported, what, "choose features of one resolution: "+perGroup(groups))
		}
		p.index = append(p.index, at.index)
	}
	return group, nil
}

// perGroup lists the bands of each resolution.
func perGroup(groups []layout.Group) string {
	parts := make([]string, len(groups))
	for i, g := range groups {
		parts[i] = g.Name + " has " + strings.Join(g.BandNames(), ", ")
	}
	return strings.Join(parts, "; ")
}
