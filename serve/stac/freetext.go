package stac

import (
	"encoding/json"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog/words"
	"github.com/terrapin-eo/terrapin/fault"
)

// wordsText reads the parameter q of a GET. A list with commas is one of terms, of which any must be there (the basic
// form); everything else is a question with AND, OR, quotes, parentheses, + and - (the advanced one).
func wordsText(text string) (words.Question, error) {
	if strings.Contains(text, ",") && !advanced(text) {
		return words.Terms(strings.Split(text, ","))
	}
	return words.Parse(text)
}

// advanced reports whether a text has a sign of the advanced form.
func advanced(text string) bool {
	if strings.ContainsAny(text, `"()`) {
		return true
	}
	for _, word := range strings.Fields(text) {
		if word == "AND" || word == "OR" || word[0] == '+' || word[0] == '-' {
			return true
		}
	}
	return false
}

// wordsBody reads the member q of a POST: a list of terms, or a question of the advanced form.
func wordsBody(raw json.RawMessage) (words.Question, error) {
	var terms []string
	if json.Unmarshal(raw, &terms) == nil {
		return words.Terms(terms)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return words.Parse(text)
	}
	return nil, fault.New(fault.Invalid, "q is neither a list of strings nor a string").WithCure(`send terms like ["fire", "sea ice"], or a question like "fire AND NOT sea"`)
}
