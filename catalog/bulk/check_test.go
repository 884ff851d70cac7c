package bulk

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/tree"
	"github.com/terrapin-eo/terrapin/fault"
)

func TestWhatDocumentsMustHave(t *testing.T) {
	item := func(members string) string {
		return `{"type":"Feature","stac_version":"1.1.0","id":"i","collection":"c","geometry":null,"properties":{"datetime":"2020-01-01T00:00:00Z"}` + members + `}`
	}
	for doc, reason := range map[string]string{
		item(""): "", item(`,"links":[{"rel":"via","href":"https://e.org"}],"assets":{"a":{"href":"x"}},"stac_extensions":["x"]`): "",
		item(`,"links":{}`): "links is no list", item(`,"links":[{"rel":"via"}]`): "href", item(`,"links":[{"href":"x"}]`): "rel", item(`,"links":[1]`): "rel",
		item(`,"assets":[]`): "assets is no object", item(`,"assets":{"a":{}}`): `asset "a" has no href`, item(`,"assets":{"a":{"href":1}}`): "href",
		item(`,"stac_extensions":"x"`): "stac_extensions is no list", item(`,"stac_extensions":[1]`): "no string",
		strings.Replace(item(""), `"i"`, `".."`, 1): "address", strings.Replace(item(""), `"i"`, `"`+strings.Repeat("i", 600)+`"`, 1): "600 bytes",
		strings.Replace(item(""), `"datetime":"2020-01-01T00:00:00Z"`, "", 1):                                                                        "datetime",
		strings.Replace(item(""), `"2020-01-01T00:00:00Z"`, "null", 1):                                                                               "datetime",
		strings.Replace(item(""), `"2020-01-01T00:00:00Z"`, `null,"start_datetime":"2020-01-01T00:00:00Z","end_datetime":"2020-01-02T00:00:00Z"`, 1): "",
		collectionDoc("c"): "", strings.Replace(collectionDoc("c"), `"license":"various",`, "", 1): "license", strings.Replace(collectionDoc("c"), `"spatial"`, `"x"`, 1): "extent",
		collectionDoc("models"): "registered", collectionDoc("dataset-x-v1"): "Terrapin makes",
	} {
		_, err := prepare(&tree.Tree{}, []byte(doc), nil, "")
		if reason == "" {
			require.NoError(t, err, doc)
			continue
		}
		require.ErrorContains(t, err, reason, doc)
		require.Contains(t, []fault.Kind{fault.Invalid, fault.Conflict}, fault.KindOf(err))
	}
}

func TestDepth(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	require.False(t, TooDeep(nested(64), 64))
	require.True(t, TooDeep(nested(65), 64))
	require.False(t, TooDeep([]byte(`{"a":"[[[[\"[[[","b":[[]]}`), 3))
	require.True(t, TooDeep([]byte(`{"a":"\\","b":[[[1]]]}`), 3))
	deep := append([]byte(`{"type":"Feature","stac_version":"1.0.0","x":`), append(nested(10_000_000), '}')...)
	_, err := prepare(&tree.Tree{}, deep, nil, "")
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = Upgrade(deep)
	require.True(t, fault.Is(err, fault.Invalid))
}

// TestRealDocumentsAreTaken: of all published documents, those are refused that are no STAC, and for that reason.
func TestRealDocumentsAreTaken(t *testing.T) {
	expected := regexp.MustCompile(`neither Feature nor Collection|is not RFC 3339|is not closed|it has no id|extent has no`)
	taken := 0
	eachReal(t, func(path string, doc Document) {
		p, err := prepare(&tree.Tree{}, doc.Raw, nil, "some")
		if err != nil {
			require.Regexp(t, expected, err.Error(), path)
			return
		}
		taken++
		out := p.item.Document
		if !p.isItem {
			out = p.collection.Document
		}
		require.True(t, gjson.ValidBytes(out))
		again, err := prepare(&tree.Tree{}, out, nil, "")
		require.NoError(t, err, path)
		require.Equal(t, fmt.Sprintf("%s%s", p.item.Document, p.collection.Document), fmt.Sprintf("%s%s", again.item.Document, again.collection.Document))
	})
	require.Greater(t, taken, 170)
}
