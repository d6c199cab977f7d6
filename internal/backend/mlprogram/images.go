package mlprogram

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// pixels keeps the scaling of pictures in float32: values up to 255 less a mean
// that is no whole number lose digits in float16.
func pixels(f *mil.Func, desc *spec.ModelDescription, kept map[*mil.Node]bool) {
	raw := map[*mil.Value]bool{}
	for _, d := range desc.GetInput() {
		if d.GetType().GetImageType() == nil {
			continue
		}
		for _, v := range f.Inputs {
			if v.Name == d.GetName() && v.Type.DType == tensor.Float32 {
				raw[v] = true
			}
		}
	}
	for _, n := range f.Body.Nodes {
		if n.Op != "mul" && n.Op != "add" && n.Op != "sub" {
			continue
		}
		x, y := n.Input("x"), n.Input("y")
		if x != nil && y != nil && raw[x] && y.Const != nil {
			kept[n] = true
			raw[n.Outputs[0]] = true
		}
	}
}
