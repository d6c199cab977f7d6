package op

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
)

// ListReadArgs are the arguments of list_read.
type ListReadArgs struct {
	Ls    *mil.Value `mil:"ls,any"`
	Index *mil.Value `mil:"index,int32"`
}

// ListRead is one element of a list.
var ListRead = Define(Spec[ListReadArgs]{
	Name: "list_read", Since: mil.IOS15,
	Infer: func(a *ListReadArgs) ([]mil.Type, error) {
		elem, err := listElem(a.Ls)
		if err != nil {
			return nil, err
		}
		return []mil.Type{elem}, checkIndex(a.Index)
	},
})

// checkIndex checks that a value is one number.
func checkIndex(v *mil.Value) error {
	if n := product(dims(v)); n >= 0 && n != 1 {
		return fmt.Errorf("index: want one number, have %s", v.Type)
	}
	return nil
}
