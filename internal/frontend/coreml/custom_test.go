package coreml

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// A network's custom layer keeps its class, parameters and weights, and has the
// shape that its file says.
func TestCustomLayers(t *testing.T) {
	const parameters = `
		className: "Swirl" description: "turns"
		parameters { key: "angle" value { doubleValue: 0.5 } } parameters { key: "fine" value { doubleValue: 0.1 } }
		parameters { key: "mode" value { stringValue: "polar" } } parameters { key: "n" value { intValue: 3 } }
		parameters { key: "long" value { longValue: 1099511627776 } } parameters { key: "on" value { boolValue: true } }
		parameters { key: "input0" value { intValue: 1 } }
		weights { floatValue: [1, 2, 3] } weights { rawValue: "\330" quantization { numberOfBits: 2 lookupTableQuantization { floatValue: [4, 5, 6, 7] } } }`
	const array = `type { multiArrayType { dataType: FLOAT32 shape: %s } }`
	for _, c := range []struct {
		name, layer, mapping, output string
		want                         string // the type of the output, or part of the error
	}{
		{"tensor", "outputTensor { rank: 2 dimValue: [2, 6] }", "EXACT_ARRAY_MAPPING", "", "tensor<fp32, [2, 6]>"},
		{"described", "", "EXACT_ARRAY_MAPPING", fmt.Sprintf(array, "[2, 7]"), "tensor<fp32, [2, 7]>"},
		{"picture", "", "EXACT_ARRAY_MAPPING", "type { imageType { width: 4 height: 5 colorSpace: GRAYSCALE } }", "tensor<fp32, [1, 1, 5, 4]>"},
		{"vector of five", "", "RANK5_ARRAY_MAPPING", fmt.Sprintf(array, "[8]"), "tensor<fp32, [1, 1, 8, 1, 1]>"},
		{"sequence of five", "outputTensor { rank: 2 dimValue: [3, 8] }", "RANK5_ARRAY_MAPPING", "", "tensor<fp32, [3, 1, 8, 1, 1]>"},
		{"planes of five", "", "RANK5_ARRAY_MAPPING", fmt.Sprintf(array, "[3, 4, 5]"), "tensor<fp32, [1, 1, 3, 4, 5]>"},
		{"five", "outputTensor { rank: 5 dimValue: [1, 2, 3, 4, 5] }", "RANK5_ARRAY_MAPPING", "", "tensor<fp32, [1, 2, 3, 4, 5]>"},
		{"nothing", "", "EXACT_ARRAY_MAPPING", "", "nothing says the shape of its output \"y\""},
		{"open", "outputTensor { rank: 2 dimValue: [2, -1] }", "EXACT_ARRAY_MAPPING", "", "nothing says the shape"},
		{"open, described", "", "EXACT_ARRAY_MAPPING", fmt.Sprintf(array, "[2, 0]"), "nothing says the shape"},
		{"large", "outputTensor { rank: 3 dimValue: [99999999, 99999999, 99999999] }", "EXACT_ARRAY_MAPPING", "", "output \"y\""},
		{"parameter", "custom { parameters { key: \"none\" value {} } } outputTensor { rank: 1 dimValue: 1 }", "EXACT_ARRAY_MAPPING", "", `parameter "none" has no value`},
		{"weights", "custom { weights { rawValue: \"a\" } } outputTensor { rank: 1 dimValue: 1 }", "EXACT_ARRAY_MAPPING", "", "weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := new(spec.Model)
			text := fmt.Sprintf(`
				description { input { name: "x" %s } output { name: "y" %s } }
				neuralNetwork { arrayInputShapeMapping: %s layers { name: "l" input: "x" output: "y" custom { %s } } }`,
				fmt.Sprintf(array, "[2, 3]"), c.output, c.mapping, parameters)
			if err := prototext.Unmarshal([]byte(text), m); err != nil {
				t.Fatal(err)
			}
			l := m.GetNeuralNetwork().GetLayers()[0]
			more := new(spec.NeuralNetworkLayer)
			if err := prototext.Unmarshal([]byte(c.layer), more); err != nil {
				t.Fatal(err)
			}
			l.SetOutputTensor(more.GetOutputTensor())
			for name, v := range more.GetCustom().GetParameters() {
				l.GetCustom().GetParameters()[name] = v
			}
			l.GetCustom().SetWeights(append(l.GetCustom().GetWeights(), more.GetCustom().GetWeights()...))
			if Shapeless(m, l) != strings.HasPrefix(c.want, "nothing") {
				t.Errorf("shapeless: %v", Shapeless(m, l))
			}
			in := []Input{{Name: "x", Type: mil.TensorType(tensor.Float32, 2, 3)}}
			net, err := LowerNetwork(m, in, mlmodel.New(m).Weights)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("have %v, want %s", err, c.want)
				}
				return
			}
			i := slices.IndexFunc(net.Func.Body.Nodes, func(n *mil.Node) bool { return n.Op == op.CustomLayer.Name })
			n := net.Func.Body.Nodes[i]
			bound, err := op.CustomLayer.Bind(n, nil)
			if err != nil {
				t.Fatal(err)
			}
			a := bound.(*op.CustomLayerArgs)
			have := n.Outputs[0].Type.String()
			for _, name := range slices.Concat(a.Parameters, a.Weights) {
				have += fmt.Sprint(" ", name, " ", a.Value(name).Type, " ", printed(a.Value(name).Const))
			}
			want := c.want + " angle fp32 [0.5] fine fp64 [0.1] input0_ int32 [1] long int64 [1.099511627776e+12] mode string [polar] n int32 [3] on bool [true]" +
				" weight0 tensor<fp32, [3]> [1 2 3] weight1 tensor<fp32, [4]> [7 5 6 4]"
			if have != want || a.ClassName != "Swirl" || a.Description != "turns" || !slices.Equal(a.InputOrder, []string{"input0"}) {
				t.Errorf("%+v has\n%s, want\n%s", a, have, want)
			}
		})
	}
}

func printed(t *tensor.Tensor) any {
	switch t.DType() {
	case tensor.String:
		return t.Strings()
	case tensor.Bool:
		return t.Bools()
	}
	return t.Float64s()
}
