package main

import (
	"fmt"
	"io"
	"slices"
)

// verdict compares two answers to one query.
type verdict int

const (
	same   verdict = iota
	ties           // the same sort keys: equal ones stand in another order, or another of them ends the page
	differ         // something else was found
)

func compare(a, b answer) verdict {
	switch {
	case slices.Equal(a.IDs, b.IDs):
		return same
	case len(a.Keys) == 0 || !slices.Equal(a.Keys, b.Keys):
		return differ
	}
	// An id that only one has must stand in the last group of equal keys, which the limit may cut anywhere.
	last := a.Keys[len(a.Keys)-1]
	for i, id := range a.IDs {
		if a.Keys[i] != last && !slices.Contains(b.IDs, id) {
			return differ
		}
	}
	return ties
}

// reportAnswers says for each case whether every server found what the peer found.
func reportAnswers(w io.Writer, peer *result, by map[string]*result) {
	for _, name := range ours {
		r := by[name]
		if r == nil {
			continue
		}
		for _, c := range r.Cases {
			if c.Failed != "" {
				fmt.Fprintf(w, "%s: %s FAILED: %s\n", name, c.Name, c.Failed)
			}
			for _, p := range peer.Cases {
				if p.Name == c.Name && p.Failed == "" && c.Failed == "" {
					fmt.Fprintf(w, "%s: %s\n", name, compareCase(p, c))
				}
			}
		}
		if a, b := r.Deep, peer.Deep; a != nil && b != nil {
			fmt.Fprintf(w, "%s: deep: the ids of the walk are %s\n", name, map[bool]string{true: "the same", false: "NOT the same"}[a.Digest == b.Digest])
		}
	}
	for _, c := range peer.Cases {
		if c.Failed != "" {
			fmt.Fprintf(w, "pgstac: %s FAILED: %s\n", c.Name, c.Failed)
		}
	}
}

// compareCase counts the verdicts of a case and shows the first difference.
func compareCase(p, c caseResult) string {
	var counts [3]int
	example := ""
	for i := range min(len(p.Answers), len(c.Answers)) {
		v := compare(p.Answers[i], c.Answers[i])
		counts[v]++
		if v == differ && example == "" {
			example = fmt.Sprintf("; query %d: %s", i, difference(p.Answers[i].IDs, c.Answers[i].IDs))
		}
	}
	if counts[ties] == 0 && counts[differ] == 0 {
		return fmt.Sprintf("%s: the same ids for all %d queries", c.Name, counts[same])
	}
	return fmt.Sprintf("%s: the same ids for %d queries, other order of equal keys for %d, DIFFERENT for %d%s", c.Name, counts[same], counts[ties], counts[differ], example)
}

func difference(peer, ours []string) string {
	only := func(a, b []string) (out []string) {
		for _, id := range a {
			if !slices.Contains(b, id) && len(out) < 3 {
				out = append(out, id)
			}
		}
		return out
	}
	a, b := only(peer, ours), only(ours, peer)
	if len(a) == 0 && len(b) == 0 {
		return "another order"
	}
	return fmt.Sprintf("%d ids to ours %d; only there %v, only here %v", len(peer), len(ours), a, b)
}
