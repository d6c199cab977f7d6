package op

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
)

// ListGatherArgs are the arguments of list_gather. Indices is a vector.
type ListGatherArgs struct {
	Ls      *mil.Value `mil:"ls,any"`
	Indices *mil.Value `mil:"indices,int32"`
}

// ListGather stacks elements of a list along a new first axis.
var ListGather = Define(Spec[ListGatherArgs]{
	Name: "list_gather", Since: mil.IOS15,
	Infer: func(a *ListGatherArgs) ([]mil.Type, error) {
		elem, err := listElem(a.Ls)
		if err != nil {
			return nil, err
		}
		n, err := vector("indices", a.Indices)
		if err != nil {
			return nil, err
		}
		if elem.AnyRank {
			return anyShape(elem.DType)
		}
		return result(elem.DType, slices.Insert(slices.Clone(elem.Shape), 0, n)...)
	},
})
