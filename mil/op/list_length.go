package op

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ListLengthArgs are the arguments of list_length.
type ListLengthArgs struct {
	Ls *mil.Value `mil:"ls,any"`
}

// ListLength is the number of elements of a list.
var ListLength = Define(Spec[ListLengthArgs]{
	Name: "list_length", Since: mil.IOS15,
	Infer: func(a *ListLengthArgs) ([]mil.Type, error) {
		if _, err := listElem(a.Ls); err != nil {
			return nil, err
		}
		return result(tensor.Int32)
	},
})
