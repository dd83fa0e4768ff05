package tasklets

import (
	"batchctl/pkg/config"
	"batchctl/pkg/record"
)

// jsonText is YAML as JSON.
type jsonText []byte

// DecodeYAML converts lists, mappings and values; ${...} keeps the kind of what it stands for.
func (j *jsonText) DecodeYAML(d *config.Decoder, n config.Node) (err error) {
	*j, err = appendJSON(nil, d, n)
	return err
}

// YAMLType implements config.Worded.
func (jsonText) YAMLType() string { return "anything" }

func appendJSON(dst []byte, d *config.Decoder, n config.Node) ([]byte, error) {
	var err error
	switch n.Kind() {
	case config.List:
		dst = append(dst, '[')
		for i, item := range n.Items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSON(dst, d, item); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case config.Mapping:
		dst = append(dst, '{')
		for i, p := range n.Pairs() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(record.AppendJSONString(dst, p.Name), ':')
			if dst, err = appendJSON(dst, d, p.Value); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	if n.IsNull() {
		return append(dst, "null"...), nil
	}
	var v config.AnyScalar
	err = d.Decode(n, &v)
	return v.AppendJSON(dst), err
}
