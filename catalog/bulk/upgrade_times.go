package bulk

import (
	"encoding/json"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/tree"
)

// itemTimes are the properties that STAC says are times.
var itemTimes = []string{"datetime", "start_datetime", "end_datetime", "created", "updated"}

// mendTimes writes those times of a document as RFC 3339 that lack only its letters: a space stands for the T, or no zone is
// named, which in STAC is UTC. They are common, and no other reading is possible.
func mendTimes(t *tree.Tree) {
	properties := t.Get(tree.Root, "properties")
	for _, name := range itemTimes {
		mendTime(t, t.Get(properties, name))
	}
	if intervals := t.Get(t.Get(t.Get(tree.Root, "extent"), "temporal"), "interval"); intervals != tree.None {
		mendIntervals(t, intervals)
	}
}

func mendTime(t *tree.Tree, n tree.Node) {
	if t.Kind(n) != tree.String {
		return
	}
	if mended := asRFC3339(string(t.Text(n))); mended != "" {
		t.SetText(n, mended)
	}
}

// mendIntervals does it for the pairs of a collection's extent.
func mendIntervals(t *tree.Tree, n tree.Node) {
	var pairs [][]*string
	if json.Unmarshal(t.Raw(n), &pairs) != nil {
		return
	}
	changed := false
	for _, pair := range pairs {
		for i, end := range pair {
			if end == nil {
				continue
			}
			if mended := asRFC3339(*end); mended != "" {
				pair[i], changed = &mended, true
			}
		}
	}
	if changed {
		text, _ := json.Marshal(pairs) // strings always marshal
		t.SetValue(n, string(text))
	}
}

// asRFC3339 is such a time as RFC 3339 has it, or "" for any other text.
func asRFC3339(given string) string {
	if _, err := catalog.ParseTime(given); err == nil {
		return ""
	}
	const head = len("2006-01-02T15:04:05")
	if len(given) < head || given[10] != ' ' && given[10] != 'T' && given[10] != 't' {
		return ""
	}
	zone := strings.TrimLeft(given[head:], ".0123456789")
	out := given[:10] + "T" + given[11:len(given)-len(zone)]
	switch zone = strings.TrimSpace(zone); zone {
	case "", "UTC", "z":
		zone = "Z"
	}
	if _, err := catalog.ParseTime(out + zone); err != nil {
		return ""
	}
	return out + zone
}
