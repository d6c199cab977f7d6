package op

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
)

// ListScatterArgs are the arguments of list_scatter. Indices is a vector, and
// the first axis of Value goes with it.
type ListScatterArgs struct {
	Ls      *mil.Value `mil:"ls,any"`
	Indices *mil.Value `mil:"indices,int32"`
	Value   *mil.Value `mil:"value,T"`
}

// ListScatter is a list with elements replaced. A list without a fixed length
// grows as the indices demand.
var ListScatter = Define(Spec[ListScatterArgs]{
	Name: "list_scatter", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: func(a *ListScatterArgs) ([]mil.Type, error) {
		elem, err := listElem(a.Ls)
		if err != nil {
			return nil, err
		}
		n, err := vector("indices", a.Indices)
		if err != nil {
			return nil, err
		}
		shape := dims(a.Value)
		if len(shape) == 0 {
			return nil, fmt.Errorf("value: want one element for each index, have %s", a.Value.Type)
		}
		if _, ok := merge(n, shape[0]); !ok {
			return nil, fmt.Errorf("%d indices, %d values", n, shape[0])
		}
		return []mil.Type{a.Ls.Type}, checkElem(elem, mil.TensorType(a.Value.Type.DType, shape[1:]...))
	},
})
