package icechunk

import (
	"context"
	"fmt"
	"slices"

	"github.com/terrapin-eo/terrapin/fault"
)

// Feature flags the official library knows, by number; 1 and 2 are reserved.
const (
	moveNodeFlag  = 3
	createTagFlag = 4
	deleteTagFlag = 5
)

var flagNames = map[uint16]string{moveNodeFlag: "move_node", createTagFlag: "create_tag", deleteTagFlag: "delete_tag"}

// Flag is a feature that the owner of a repository may forbid to every client.
type Flag struct {
	ID      uint16
	Name    string // "" = set by a newer library and unknown here
	Set     bool   // the owner decided; else the default holds
	Enabled bool
}

// Flags lists the feature flags, known ones and others that are set, in order of their numbers.
func (r *Repo) Flags(ctx context.Context) ([]Flag, error) {
	st, err := r.state(ctx)
	if err != nil {
		return nil, fmt.Errorf("list feature flags: %w", err)
	}
	numbers := slices.Concat([]uint16{moveNodeFlag, createTagFlag, deleteTagFlag}, st.info.enabled, st.info.disabled)
	slices.Sort(numbers)
	var list []Flag
	for _, id := range slices.Compact(numbers) {
		on, off := slices.Contains(st.info.enabled, id), slices.Contains(st.info.disabled, id)
		list = append(list, Flag{ID: id, Name: flagNames[id], Set: on || off, Enabled: on || !off})
	}
	return list, nil
}

// SetFlag enables or disables a feature, or leaves it to the default with nil.
func (r *Repo) SetFlag(ctx context.Context, name string, enabled *bool) error {
	var id uint16
	for known, n := range flagNames {
		if n == name {
			id = known
		}
	}
	if id == 0 {
		return fault.New(fault.Invalid, "set feature flag %q: no such flag", name).WithCure("flags: move_node, create_tag, delete_tag")
	}
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		on, off := slices.Contains(info.enabled, id), slices.Contains(info.disabled, id)
		if (enabled == nil && !on && !off) || (enabled != nil && (*enabled && on || !*enabled && off)) {
			return nil, nil
		}
		u := &update{kind: featureFlagChanged, flag: id}
		info.enabled, info.disabled = without(info.enabled, id), without(info.disabled, id)
		switch {
		case enabled == nil:
		case *enabled:
			info.enabled, u.from, u.to = with(info.enabled, id), 1, 1
		default:
			info.disabled, u.to = with(info.disabled, id), 1
		}
		return u, nil
	})
	if err != nil {
		return fmt.Errorf("set feature flag %q: %w", name, err)
	}
	return nil
}

func without(list []uint16, id uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(list), func(f uint16) bool { return f == id })
}

func with(list []uint16, id uint16) []uint16 {
	list = append(slices.Clone(list), id)
	slices.Sort(list)
	return list
}

// allows refuses what the repository's feature flags forbid.
func (info *repoInfo) allows(flag uint16) error {
	if !slices.Contains(info.disabled, flag) {
		return nil
	}
	return fault.New(fault.Precondition, "the repository's feature flags forbid it").WithCure("enable the flag %s", flagNames[flag])
}
