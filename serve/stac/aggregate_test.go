package stac

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// sumsOf are the aggregations of an answer by name.
func sumsOf(t *testing.T, a reaction) map[string]map[string]any {
	t.Helper()
	require.Equal(t, 200, a.status, string(a.body))
	out := map[string]map[string]any{}
	for _, one := range a.json(t)["aggregations"].([]any) {
		one := one.(map[string]any)
		out[one["name"].(string)] = one
	}
	return out
}

// frequencies are an aggregation's buckets.
func frequencies(t *testing.T, one map[string]any) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, b := range one["buckets"].([]any) {
		b := b.(map[string]any)
		out[b["key"].(string)] = int(b["frequency"].(float64))
	}
	return out
}

func TestAggregate(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		names := "total_count,datetime_min,datetime_max,datetime_frequency,collection_frequency,cloud_cover_frequency,cloud_cover_min,cloud_cover_max,platform_frequency,grid_code_frequency,title_frequency,eo:cloud_cover_max"
		sums := sumsOf(t, w.get(t, "/aggregate?aggregations="+names))
		require.Len(t, sums, 12)
		require.EqualValues(t, 50, sums["total_count"]["value"])
		require.Equal(t, "2020-01-01T10:00:00Z", sums["datetime_min"]["value"])
		require.Equal(t, "2020-01-25T10:00:00Z", sums["datetime_max"]["value"])
		require.Equal(t, map[string]int{"2020-01-01T00:00:00Z": 50}, frequencies(t, sums["datetime_frequency"]))
		require.Equal(t, map[string]int{"s2": 25, "dataset-crops-v1": 25}, frequencies(t, sums["collection_frequency"]))
		require.Equal(t, map[string]int{"0-5": 4, "5-15": 4, "15-40": 12, "40-100": 28}, frequencies(t, sums["cloud_cover_frequency"]))
		require.EqualValues(t, 2, sums["cloud_cover_frequency"]["overflow"], "the two without a cloud cover")
		require.EqualValues(t, 0, sums["cloud_cover_min"]["value"])
		require.EqualValues(t, 92, sums["eo:cloud_cover_max"]["value"])
		require.Equal(t, map[string]int{"sentinel-2a": 26, "sentinel-2b": 24}, frequencies(t, sums["platform_frequency"]))
		require.Empty(t, sums["grid_code_frequency"]["buckets"])
		require.Len(t, sums["title_frequency"]["buckets"], 25)

		sums = sumsOf(t, w.get(t, "/collections/s2/aggregate?aggregations=total_count,datetime_frequency&datetime_frequency_interval=day&filter="+url.QueryEscape("eo:cloud_cover < 8")))
		require.EqualValues(t, 2, sums["total_count"]["value"])
		require.Equal(t, map[string]int{"2020-01-01T00:00:00Z": 1, "2020-01-02T00:00:00Z": 1}, frequencies(t, sums["datetime_frequency"]))
		sums = sumsOf(t, w.get(t, "/aggregate?aggregations=datetime_frequency&datetime_frequency_interval=week"))
		require.Equal(t, map[string]int{"2019-12-30T00:00:00Z": 10, "2020-01-06T00:00:00Z": 14, "2020-01-13T00:00:00Z": 14, "2020-01-20T00:00:00Z": 12}, frequencies(t, sums["datetime_frequency"]))
		sums = sumsOf(t, w.post(t, "/aggregate", `{"aggregations":["total_count"],"collections":["s2"],"bbox":[3,50,3.005,51],"query":{"platform":{"eq":"sentinel-2a"}},"filter":{"op":"<","args":[{"property":"eo:cloud_cover"},50]}}`))
		require.EqualValues(t, 1, sums["total_count"]["value"])
		sums = sumsOf(t, w.post(t, "/collections/mine/aggregate", `{"aggregations":["total_count","datetime_min"]}`))
		require.EqualValues(t, 0, sums["total_count"]["value"])
		require.Nil(t, sums["datetime_min"]["value"])
		require.Empty(t, sumsOf(t, w.get(t, "/aggregate")), "nothing is counted unasked")
		for _, path := range []string{"/aggregate?aggregations=nothing_frequency", "/collections/mine/aggregate?aggregations=cloud_cover_min", "/aggregate?aggregations=total_count&datetime_frequency_interval=decade",
			"/aggregate?limit=1", "/aggregate?aggregations=total_count&bbox=1"} {
			require.Equal(t, 400, w.get(t, path).status, path)
		}
	})
}

// Every aggregation that is listed can be asked for, where it is listed.
func TestAggregationsAreThere(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, at := range []string{"", "/collections/s2", "/collections/mine"} {
			listed := sumsOf(t, w.get(t, at+"/aggregations"))
			require.Contains(t, listed, "total_count")
			for name, one := range listed {
				sum := sumsOf(t, w.get(t, at+"/aggregate?aggregations="+url.QueryEscape(name)))[name]
				require.Equal(t, one["data_type"], sum["data_type"])
				if one["frequency_distribution_data_type"] != nil {
					require.Contains(t, sum, "buckets", name)
				} else {
					require.Contains(t, sum, "value", name)
				}
			}
		}
		require.NotContains(t, sumsOf(t, w.get(t, "/collections/mine/aggregations")), "platform_frequency")
	})
}
