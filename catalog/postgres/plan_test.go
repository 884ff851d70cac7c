package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

var looked = regexp.MustCompile(`(?:on item .*actual rows=|Rows Removed by (?:Index Recheck|Filter): )(\d+)`)

// A page near a place is read from the index in its order and ends there, and so is a page in the order of a property: what they look at
// does not grow with the number of items.
func TestPlans(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	c := open(t, address)
	ch := catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a"), catalogtest.Collection("b")}}
	const n = 6000
	for i := range n {
		x, y := i*7%300-150, i*11%140-70
		ch.Items = append(ch.Items, catalogtest.Item([]string{"a", "b"}[i%2], fmt.Sprintf("i%05d", i),
			fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%d,%d],[%d,%d],[%d,%d],[%d,%d]]]}`, x, y, x+30, y, x, y+20, x, y),
			fmt.Sprintf(`"datetime":"20%02d-%02d-%02dT%02d:%02d:00Z","eo:cloud_cover":%d,"title":"scene %d"`, i%20, 1+i%12, 1+i%28, i%24, i%60, i*37%1001, i%500)))
	}
	_, err := c.Apply(ctx, ch)
	require.NoError(t, err)
	exec(t, connect(t, address), `ANALYZE item`)

	clearest := []catalog.SortKey{{Property: "eo:cloud_cover"}}
	near := []float64{-60, -40, 60, 40}
	for name, one := range map[string]struct {
		q     catalog.Query
		index string
		most  int
	}{
		"newest":          {catalog.Query{}, "item_newest", 20},
		"newest of one":   {catalog.Query{Collections: []string{"a"}}, "item_newest_of_collection", 20},
		"near":            {catalog.Query{BBox: near}, "item_place", 40},
		"near, over 180":  {catalog.Query{BBox: []float64{100, -40, -100, 40}}, "item_place", 40},
		"near a point":    {catalog.Query{BBox: []float64{5, 5, 5, 5}}, "item_place", 100},
		"oldest near":     {catalog.Query{BBox: near, Sort: []catalog.SortKey{{Property: "datetime"}}}, "item_place", 40},
		"clearest":        {catalog.Query{Sort: clearest, Filter: filter(t, `"eo:cloud_cover" < 10`)}, "item_ranked_1", 40},
		"clearest of one": {catalog.Query{Collections: []string{"a"}, Sort: clearest}, "item_ranked_1_in", 40},
		"cloudiest":       {catalog.Query{Sort: []catalog.SortKey{{Property: "eo:cloud_cover", Descending: true}}}, "item_ranked_1", 60},
		"a name":          {catalog.Query{IDs: []string{"i00007"}}, "item_id_collection_key", 5},
		"one cloud":       {catalog.Query{Filter: filter(t, `"eo:cloud_cover" = 17`)}, "item_ranked_1", 60},
		"a word":          {catalog.Query{Words: word("77")}, "item_words", 60},
	} {
		one.q.Limit = 10
		plans, err := c.Plans(ctx, one.q)
		require.NoError(t, err, name)
		all := strings.Join(plans, "\n")
		require.Contains(t, all, one.index+" ", "%s:\n%s", name, all)
		require.NotContains(t, all, "Seq Scan on item", "%s:\n%s", name, all)
		sum := 0
		for _, m := range looked.FindAllStringSubmatch(all, -1) {
			rows, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			sum += rows
		}
		require.LessOrEqual(t, sum, one.most, "%s:\n%s", name, all)
	}
}
