package op

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ClassifyArgs are the arguments of classify: the probabilities, as many as
// there are classes whatever their shape, and the classes, a vector of strings
// or integers.
type ClassifyArgs struct {
	Probabilities *mil.Value     `mil:"probabilities,fp32"`
	Classes       *tensor.Tensor `mil:"classes,any,const"`
}

// Classify gives the class with the greatest probability, and the
// probabilities by class. A dictionary is no tensor, so there is no Eval:
// whoever reads the program takes the operator out and names the outputs.
var Classify = Define(Spec[ClassifyArgs]{
	Name: "classify", Since: mil.IOS15,
	Infer: func(a *ClassifyArgs) ([]mil.Type, error) {
		d := a.Classes.DType()
		if d != tensor.String && !d.IsInt() {
			return nil, fmt.Errorf("classes: want strings or integers, have %s", d)
		}
		if n := product(dims(a.Probabilities)); n >= 0 && n != a.Classes.Len() {
			return nil, fmt.Errorf("%d classes for %s", a.Classes.Len(), a.Probabilities.Type)
		}
		if d != tensor.String {
			d = tensor.Int64
		}
		label, probability := mil.TensorType(d), mil.TensorType(tensor.Float64)
		return []mil.Type{label, {Kind: mil.Dict, Key: &label, Elem: &probability}}, nil
	},
})
