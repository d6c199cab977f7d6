package op

import "github.com/smelt-ml/smelt/mil"

// WriteStateArgs are the arguments of write_state.
type WriteStateArgs struct {
	Input *mil.Value `mil:"input,any"`
	Data  *mil.Value `mil:"data,any"`
}

// WriteState gives a state a new value. It has no output.
var WriteState = Define(Spec[WriteStateArgs]{
	Name: "write_state", Since: mil.IOS18,
	Infer: func(a *WriteStateArgs) ([]mil.Type, error) {
		_, err := checkState(a.Input, a.Data)
		return nil, err
	},
})
