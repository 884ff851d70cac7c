package datasets

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// pin settles resolution, bands, and, where there is one cell, slices and contracts.
func (p *plan) pin(context.Context) error {
	err := p.pinBands()
	if err != nil {
		return err
	}
	for _, check := range []func() error{p.checkWindows, p.checkLabels} {
		if err := check(); err != nil {
			return err
		}
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

// checkLabels refuses labels of another cube, and those whose pixels are not the windows'.
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
		return fault.New(fault.Unsupported, "label set %s lies on the pixels of %s, and the finest resolution of the features is %s", p.labels.Set, first.Name, p.region.Group.Name).
			WithCure("choose features of %s (%s) and coarser ones, or leave labels out", first.Name, strings.Join(first.BandNames(), ", "))
	}
	return nil
}

// pinBands finds the features' homes: each on the band axis of its resolution, the finest of which has the windows.
func (p *plan) pinBands() error {
	type spot struct{ group, index int }
	var all []string
	known := map[string]spot{}
	groups := p.view.Groups()
	for k, g := range groups {
		for i, b := range g.Bands {
			all, known[b.Name] = append(all, b.Name), spot{k, i}
		}
	}
	wanted := p.recipe.Features
	if len(wanted) == 0 {
		wanted = groups[0].BandNames()
	}
	found := make([]group, len(groups))
	asked := make([]int, len(groups)) // the first feature of each
	for i, name := range wanted {
		at, ok := known[name]
		if !ok {
			what := fmt.Sprintf("feature %q is no band of cube %s, and features other than band names are not built yet", name, p.recipe.Cube)
			return p.recipe.features[i].error(fault.Unsupported, what, didYouMean(name, all))
		}
		if g := &found[at.group]; len(g.bands) == 0 {
			asked[at.group] = i
		}
		found[at.group].bands, found[at.group].index = append(found[at.group].bands, name), append(found[at.group].index, at.index)
	}
	fine := -1
	for k, g := range found {
		if len(g.bands) > 0 && (fine < 0 || groups[k].Grid.Transform[0] < groups[fine].Grid.Transform[0]) {
			fine = k
		}
	}
	for k := range found {
		if len(found[k].bands) == 0 {
			continue
		}
		var err error
		if found[k].region, err = p.view.Region(groups[k].Name); err != nil {
			return err
		}
		if found[k].scale, err = nested(groups[k], groups[fine]); err != nil {
			return p.recipe.features[asked[k]].error(fault.KindOf(err), fmt.Sprintf("feature %q: %v", wanted[asked[k]], err), "choose features of resolutions that are whole multiples of the finest: "+perGroup(groups))
		}
		p.groups = append(p.groups, found[k])
	}
	slices.SortFunc(p.groups, func(a, b group) int { return a.scale - b.scale })
	p.region = p.groups[0].region
	return nil
}

// nested is how many pixels of a finer resolution lie along the edge of one of another.
func nested(coarse, fine layout.Group) (int, error) {
	n, ok := coarse.Over(fine)
	if !ok {
		return 0, fault.New(fault.Unsupported, "pixels of %s are not whole pixels of %s", coarse.Name, fine.Name)
	}
	return n, nil
}

// perGroup lists the bands of each resolution.
func perGroup(groups []layout.Group) string {
	parts := make([]string, len(groups))
	for i, g := range groups {
		parts[i] = g.Name + " has " + strings.Join(g.BandNames(), ", ")
	}
	return strings.Join(parts, "; ")
}
