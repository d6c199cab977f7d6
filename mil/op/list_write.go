package op

import "github.com/smelt-ml/smelt/mil"

// ListWriteArgs are the arguments of list_write.
type ListWriteArgs struct {
	Ls    *mil.Value `mil:"ls,any"`
	Index *mil.Value `mil:"index,int32"`
	Value *mil.Value `mil:"value,T"`
}

// ListWrite is a list with one element replaced. A list without a fixed length
// grows as the index demands.
var ListWrite = Define(Spec[ListWriteArgs]{
	Name: "list_write", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: func(a *ListWriteArgs) ([]mil.Type, error) {
		elem, err := listElem(a.Ls)
		if err != nil {
			return nil, err
		}
		if err := checkIndex(a.Index); err != nil {
			return nil, err
		}
		return []mil.Type{a.Ls.Type}, checkElem(elem, a.Value.Type)
	},
})
