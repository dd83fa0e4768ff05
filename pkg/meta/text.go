package meta

import (
	"encoding/json"
	"strings"

	"batchctl/pkg/batch"
)

// cut returns at most limit characters of text, without what databases cannot store: NUL and broken UTF-8 become U+FFFD.
func cut(text string, limit int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	characters := 0
	for i := range text {
		if characters == limit {
			return text[:i]
		}
		characters++
	}
	return text
}

// A context longer than shortContext characters stands whole in SERIALIZED_CONTEXT, and SHORT_CONTEXT holds its
// beginning, as Spring Batch does it.
const (
	shortContext = 2500
	shortened    = " ..."
)

// contextColumns returns SHORT_CONTEXT and SERIALIZED_CONTEXT of a context; the second is null where the first is whole.
func contextColumns(text string) (short string, whole any) {
	if cut(text, shortContext) == text {
		return text, nil
	}
	return cut(text, shortContext-2*len(shortened)) + shortened, text
}

// encodeContext returns a context as one JSON object with sorted keys.
func encodeContext(c batch.Context) (string, error) {
	if len(c) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(c)
	return string(text), err
}

func decodeContext(text string) (batch.Context, error) {
	var c batch.Context
	if text == "" || text == "{}" {
		return nil, nil
	}
	err := json.Unmarshal([]byte(text), &c)
	return c, err
}
