package stac

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryLinkOfTheLandingPageAnswers(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		doc := w.get(t, "/").json(t)
		for _, l := range doc["links"].([]any) {
			l := l.(map[string]any)
			if l["method"] == "POST" {
				require.Equal(t, 200, w.post(t, l["href"].(string), "{}").status, l)
				continue
			}
			a := w.get(t, l["href"].(string), "Accept", l["type"].(string))
			require.Equal(t, 200, a.status, l)
			require.Contains(t, []string{l["type"].(string), l["type"].(string) + "; charset=utf-8"}, a.header.Get("Content-Type"), l)
			require.Equal(t, "en", a.header.Get("Content-Language"))
		}
	})
}
