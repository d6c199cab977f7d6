package op

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
)

// CondArgs are the arguments of cond.
type CondArgs struct {
	Pred *mil.Value `mil:"pred,bool"`
}

// Cond runs the first of its node's two blocks where the predicate is true and
// the second where it is not; neither block has inputs. The results are the
// outputs of the block, so that Infer, which sees the arguments only, knows
// none: whoever has the node joins the types of the blocks' outputs.
var Cond = Define(Spec[CondArgs]{
	Name: "cond", Since: mil.IOS15,
	Infer: func(a *CondArgs) ([]mil.Type, error) {
		if n := product(dims(a.Pred)); n >= 0 && n != 1 {
			return nil, fmt.Errorf("pred: want one truth value, have %s", a.Pred.Type)
		}
		return nil, nil
	},
})
