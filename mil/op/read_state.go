package op

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
)

// ReadStateArgs are the arguments of read_state.
type ReadStateArgs struct {
	Input *mil.Value `mil:"input,any"`
}

// ReadState is the tensor that a state holds now.
var ReadState = Define(Spec[ReadStateArgs]{
	Name: "read_state", Since: mil.IOS18,
	Infer: func(a *ReadStateArgs) ([]mil.Type, error) {
		held, err := stateTensor(a.Input)
		return []mil.Type{held}, err
	},
})

// stateTensor returns the type of the tensor that a state holds.
func stateTensor(v *mil.Value) (mil.Type, error) {
	if v.Type.Kind != mil.State || v.Type.Elem == nil || v.Type.Elem.Kind != mil.Tensor {
		return mil.Type{}, fmt.Errorf("want the state of a tensor, have %s", v.Type)
	}
	return *v.Type.Elem, nil
}

// checkState checks that a tensor can be the new value of a state.
func checkState(state, value *mil.Value) (mil.Type, error) {
	held, err := stateTensor(state)
	if err != nil {
		return held, err
	}
	if value.Type.Kind != mil.Tensor || value.Type.DType != held.DType || !compatible(held.Shape, dims(value)) {
		return held, fmt.Errorf("the state holds %s, the new value is %s", held, value.Type)
	}
	return held, nil
}
