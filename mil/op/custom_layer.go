package op

import (
	"errors"

	"github.com/smelt-ml/smelt/mil"
)

// CustomLayerArgs are the arguments of custom_layer. A file gives the inputs
// names of its own, and lists them in the order in which the implementation
// wants them: in a program they are in that order. Parameters are the names
// of those inputs that are its parameters, Weights of those that are its
// weights.
type CustomLayerArgs struct {
	Inputs      []*mil.Value `mil:"inputs,any"`
	ClassName   string       `mil:"class_name,string,const"`
	InputOrder  []string     `mil:"input_order,string,const,optional"`
	Parameters  []string     `mil:"parameters,string,const,optional"`
	Weights     []string     `mil:"weights,string,const,optional"`
	Description string       `mil:"description,string,const,optional"`
}

// CustomLayer is computed by code that the user brings. That code also knows
// the types of the outputs: Infer gives none.
var CustomLayer = Define(Spec[CustomLayerArgs]{
	Name: "custom_layer", Since: mil.IOS15, Internal: true,
	Infer: func(a *CustomLayerArgs) ([]mil.Type, error) {
		if a.ClassName == "" {
			return nil, errors.New("class_name is empty")
		}
		return nil, nil
	},
})
