package onnx

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

// TestOpenShapes lowers nodes whose inputs have no known size at all, but for
// the channels of pictures, and runs what came of them.
func TestOpenShapes(t *testing.T) {
	picture := ramp(12, 1, 1, 3, 4)
	boxes := fl(sh{1, 3, 4}, 0, 0, 1, 1, 0, 0, 1, 0.9, 0, 2, 1, 3)
	for _, test := range []struct {
		nodeTest
		fixed []int            // inputs that are initializers
		open  map[string][]int // axes of inputs, else all but the channels of pictures and the lengths of vectors
	}{
		{nodeTest: nodeTest{op: "MaxPool", name: "ceil", in: ts{picture}, attrs: as{attr("kernel_shape", []int{2, 2}), attr("strides", []int{2, 2}), attr("ceil_mode", 1)}, want: ts{fl(sh{1, 1, 2, 2}, 6, 8, 10, 12)}}},
		{nodeTest: nodeTest{op: "AveragePool", name: "ceil", in: ts{picture}, attrs: as{attr("kernel_shape", []int{2, 2}), attr("strides", []int{2, 2}), attr("ceil_mode", 1)}, want: ts{fl(sh{1, 1, 2, 2}, 3.5, 5.5, 9.5, 11.5)}}},
		{nodeTest: nodeTest{op: "MaxPool", name: "ceil, uneven", in: ts{picture}, attrs: as{attr("kernel_shape", []int{2, 2}), attr("strides", []int{2, 2}), attr("ceil_mode", 1), attr("pads", []int{0, 0, 1, 1})}, err: "ceil_mode"}},
		{nodeTest: nodeTest{
			op: "Resize", name: "to known sizes", in: ts{ramp(4, 1, 1, 2, 2), nil, nil, in64(sh{4}, 1, 1, 3, 3)}, attrs: as{attr("mode", "linear"), attr("coordinate_transformation_mode", "align_corners")},
			want: ts{fl(sh{1, 1, 3, 3}, 1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4)},
		}, fixed: []int{3}, open: map[string][]int{"a": {2, 3}}},
		{nodeTest: nodeTest{
			op: "Resize", name: "half pixels", version: 18, in: ts{ramp(2, 1, 1, 1, 2), nil, nil, in64(sh{2}, 1, 4)}, attrs: as{attr("mode", "linear"), attr("axes", []int{2, 3})},
			want: ts{fl(sh{1, 1, 1, 4}, 1, 1.25, 1.75, 2)},
		}},
		{nodeTest: nodeTest{
			op: "Resize", name: "nearest", version: 18, in: ts{ramp(2, 1, 1, 1, 2), nil, nil, in64(sh{2}, 2, 3)}, attrs: as{attr("coordinate_transformation_mode", "asymmetric"), attr("nearest_mode", "floor"), attr("axes", []int{2, 3})},
			want: ts{fl(sh{1, 1, 2, 3}, 1, 1, 2, 1, 1, 2)},
		}},
		{nodeTest: nodeTest{op: "Resize", name: "cubic", version: 18, in: ts{picture, nil, nil, in64(sh{2}, 2, 3)}, attrs: as{attr("mode", "cubic"), attr("axes", []int{2, 3})}, err: "cubic interpolation"}},
		{nodeTest: nodeTest{op: "Resize", name: "channels", version: 18, in: ts{picture, nil, nil, in64(sh{1}, 2)}, attrs: as{attr("mode", "linear"), attr("axes", []int{1})}, err: "axis 1"}},
		{nodeTest: nodeTest{op: "TopK", in: ts{fl(sh{2, 3}, 1, 5, 3, 9, 7, 8), in64(sh{1}, 2)}, want: ts{fl(sh{2, 2}, 5, 3, 9, 8), in64(sh{2, 2}, 1, 2, 0, 2)}}},
		{nodeTest: nodeTest{op: "TopK", name: "of the first axis", in: ts{fl(sh{3, 1}, 1, 5, 3), in64(sh{1}, 1)}, attrs: as{attr("axis", 0)}, want: ts{fl(sh{1, 1}, 5), in64(sh{1, 1}, 1)}}},
		{nodeTest: nodeTest{op: "Reshape", name: "zeros mean none", in: ts{ramp(6, 2, 3), in64(sh{2}, 3, 2)}, attrs: as{attr("allowzero", 1)}, want: ts{ramp(6, 3, 2)}}},
		{nodeTest: nodeTest{op: "Expand", in: ts{fl(nil, 7), in64(sh{2}, 2, 2)}, want: ts{fl(sh{2, 2}, 7, 7, 7, 7)}}, fixed: []int{0}},
		{nodeTest: nodeTest{op: "NonMaxSuppression", in: ts{boxes, fl(sh{1, 1, 3}, 0.5, 0.9, 0.3), in64(sh{1}, 1<<40), fl(sh{1}, 0.5)}, want: ts{in64(sh{2, 3}, 0, 0, 1, 0, 0, 2)}}, fixed: []int{2, 3}, open: map[string][]int{"a": {1}, "b": {2}}},
	} {
		name := strings.Join([]string{test.op, test.name}, "/")
		t.Run(name, func(t *testing.T) {
			version := max(test.version, 13)
			m := single(test.op, version, max(1, len(test.want)), test.in, test.fixed, test.attrs...)
			in := map[string]*tensor.Tensor{}
			for _, v := range m.GetGraph().GetInput() {
				x := test.in[v.GetName()[0]-'a']
				in[v.GetName()] = x
				for i, d := range v.GetType().GetTensorType().GetShape().GetDim() {
					if axes, ok := test.open[v.GetName()]; ok && slices.Contains(axes, i) || !ok && x.Rank() > 1 && (x.Rank() != 4 || i != 1) {
						d.SetDimParam(fmt.Sprintf("%s%d", v.GetName(), i))
					}
				}
			}
			model, err := Parse(encode(t, m), nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := model.Program(Options{})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, reference := range []bool{true, false} {
				out, err := compute(p, in, reference)
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range test.want {
					sameTensor(t, out[i], want)
				}
			}
		})
	}
}
