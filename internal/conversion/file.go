package conversion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
)

// maxFile bounds the size of a file of conversions.
const maxFile = 1 << 20

// rule is what a file says of an operator.
type rule struct {
	inputs   []string // the names that the others call the node's inputs by
	defaults map[string]any
	outputs  []outputType

	// One of these.
	custom *customLayer
	text   *mil.Text
	as     string
}

// customLayer is a custom layer as a file has it.
type customLayer struct {
	class, description string
	inputs, weights    []string
	given              bool // inputs are said
	parameters         map[string]any
}

// reference is an attribute of a node that stands for a value: $name.
type reference string

// ReadFile reads a file of conversions, YAML or JSON: functions by the names of
// operators.
func ReadFile(path string) (map[string]Func, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	rules, err := Parse(data)
	return rules, fault.InFile(err, path)
}

// Parse reads what a file of conversions holds.
func Parse(data []byte) (map[string]Func, error) {
	if len(data) > maxFile {
		return nil, fault.New(fault.Limit, "", "more than %d bytes of conversions", maxFile)
	}
	if json.Valid(data) { // YAML wants no tabs before values; JSON has them nowhere else
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" "))
	}
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("is empty")
		}
		return nil, fault.New(fault.Corrupt, "", "conversions: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Corrupt, "", "conversions: there is more than one document")
	}
	out := map[string]Func{}
	err := fields(doc.Content[0], map[string]reader{
		"conversions": func(n *yaml.Node) error {
			return entries(n, func(name string, n *yaml.Node) error {
				r, err := readRule(n)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				out[strings.TrimPrefix(name, "ai.onnx::")] = r.convert
				return nil
			})
		},
	})
	if err == nil && len(out) == 0 {
		err = wrong(doc.Content[0], `want "conversions:" with operators`)
	}
	if err != nil {
		return nil, fault.New(fault.Corrupt, "", "%w", err)
	}
	return out, nil
}

// reader reads a value.
type reader func(n *yaml.Node) error

// wrong tells where something is wrong.
func wrong(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d, column %d: %w", n.Line, n.Column, fmt.Errorf(format, args...))
}

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// entries reads a mapping, each key once.
func entries(n *yaml.Node, read func(key string, n *yaml.Node) error) error {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		return wrong(n, "want a mapping, key: value")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolved(n.Content[i])
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			return wrong(key, "want a name")
		}
		if seen[key.Value] {
			return wrong(key, "%q is there twice", key.Value)
		}
		seen[key.Value] = true
		if err := read(key.Value, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// fields reads a mapping with known keys.
func fields(n *yaml.Node, known map[string]reader) error {
	return entries(n, func(key string, v *yaml.Node) error {
		read := known[key]
		if read == nil {
			var names []string
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			return wrong(v, "there is no key %q, only %s", key, strings.Join(names, ", "))
		}
		return read(v)
	})
}

// items reads a list.
func items(n *yaml.Node, read reader) error {
	n = resolved(n)
	if n.Kind != yaml.SequenceNode {
		return wrong(n, "want a list, [a, b]")
	}
	for _, item := range n.Content {
		if err := read(item); err != nil {
			return err
		}
	}
	return nil
}

// text reads a string.
func text(to *string) reader {
	return func(n *yaml.Node) error {
		n = resolved(n)
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return wrong(n, "want a text")
		}
		*to = n.Value
		return nil
	}
}

// names reads a list of different names.
func names(to *[]string) reader {
	return func(n *yaml.Node) error {
		return items(n, func(n *yaml.Node) error {
			var name string
			if err := text(&name)(n); err != nil {
				return err
			}
			if !isName(name) {
				return wrong(n, "%q is no name: want letters, digits and _", name)
			}
			if slices.Contains(*to, name) {
				return wrong(n, "%q is there twice", name)
			}
			*to = append(*to, name)
			return nil
		})
	}
}

func isName(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// values reads a mapping of constants and, where refer is true, of attributes of
// the node that stand for one: $name. A text that begins with $ is written $$.
func values(to map[string]any, refer bool) reader {
	return func(n *yaml.Node) error {
		return entries(n, func(key string, n *yaml.Node) error {
			v, err := value(n)
			if err != nil {
				return err
			}
			if s, ok := v.(string); ok && refer && strings.HasPrefix(s, "$") {
				if v = s[1:]; !strings.HasPrefix(s, "$$") {
					v = reference(s[1:])
				}
			}
			to[key] = v
			return nil
		})
	}
}

// value reads a constant: int64, float64, bool, string, or a slice of one of
// these.
func value(n *yaml.Node) (any, error) {
	n = resolved(n)
	if n.Kind == yaml.SequenceNode {
		var list []any
		err := items(n, func(item *yaml.Node) error {
			v, err := scalar(item)
			list = append(list, v)
			return err
		})
		if err != nil {
			return nil, err
		}
		v, err := slice(list)
		if err != nil {
			return nil, wrong(n, "%w", err)
		}
		return v, nil
	}
	return scalar(n)
}

func scalar(n *yaml.Node) (any, error) {
	n = resolved(n)
	var v any
	if n.Kind == yaml.ScalarNode && n.Decode(&v) == nil {
		switch v := v.(type) {
		case bool, string, float64, int64:
			return v, nil
		case int:
			return int64(v), nil
		}
	}
	return nil, wrong(n, "want a number, a text, true or false")
}

// slice makes a slice of one type; whole numbers among others are floats.
func slice(list []any) (any, error) {
	ints, floats, texts, bools := []int64{}, []float64{}, []string{}, []bool{}
	for _, v := range list {
		switch v := v.(type) {
		case int64:
			ints, floats = append(ints, v), append(floats, float64(v))
		case float64:
			floats = append(floats, v)
		case string:
			texts = append(texts, v)
		case bool:
			bools = append(bools, v)
		}
	}
	switch len(list) {
	case len(ints):
		return ints, nil
	case len(floats):
		return floats, nil
	case len(texts):
		return texts, nil
	case len(bools):
		return bools, nil
	}
	return nil, errors.New("the elements of a list are of different kinds")
}

func readRule(n *yaml.Node) (*rule, error) {
	r := &rule{defaults: map[string]any{}}
	var ways []string
	err := fields(n, map[string]reader{
		"inputs":     names(&r.inputs),
		"attributes": values(r.defaults, false),
		"outputs": func(n *yaml.Node) error {
			return items(n, func(n *yaml.Node) error {
				t, err := readOutput(n)
				r.outputs = append(r.outputs, t)
				return err
			})
		},
		"custom_layer": func(n *yaml.Node) error {
			ways = append(ways, "custom_layer")
			c := &customLayer{parameters: map[string]any{}}
			r.custom = c
			err := fields(n, map[string]reader{
				"class_name":  text(&c.class),
				"description": text(&c.description),
				"inputs":      func(n *yaml.Node) error { c.given = true; return names(&c.inputs)(n) },
				"weights":     names(&c.weights),
				"parameters":  values(c.parameters, true),
			})
			if err == nil && c.class == "" {
				err = wrong(n, "want a class_name")
			}
			return err
		},
		"mil": func(n *yaml.Node) error {
			ways = append(ways, "mil")
			var src string
			if err := text(&src)(n); err != nil {
				return err
			}
			t, err := mil.ParseText(src)
			if err != nil {
				return wrong(n, "mil: %w", err)
			}
			if len(t.Lines) == 0 && t.Results == nil {
				return wrong(n, "mil: there is no operation")
			}
			r.text = t
			return nil
		},
		"as": func(n *yaml.Node) error {
			ways = append(ways, "as")
			return text(&r.as)(n)
		},
	})
	if err != nil {
		return nil, err
	}
	if len(ways) != 1 {
		return nil, wrong(n, "want one of custom_layer, mil and as, have %d", len(ways))
	}
	if r.outputs != nil && r.custom == nil {
		return nil, wrong(n, "outputs go with custom_layer: the others know theirs")
	}
	return r, nil
}
