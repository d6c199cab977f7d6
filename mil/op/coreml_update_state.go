package op

import "github.com/smelt-ml/smelt/mil"

// CoremlUpdateStateArgs are the arguments of coreml_update_state.
type CoremlUpdateStateArgs struct {
	State *mil.Value `mil:"state,any"`
	Value *mil.Value `mil:"value,any"`
}

// CoremlUpdateState gives a state a new value and is that value. Files have
// write_state and read_state in its place.
var CoremlUpdateState = Define(Spec[CoremlUpdateStateArgs]{
	Name: "coreml_update_state", Since: mil.IOS18, Internal: true,
	Infer: func(a *CoremlUpdateStateArgs) ([]mil.Type, error) {
		held, err := checkState(a.State, a.Value)
		return []mil.Type{held}, err
	},
})
