package mlprogram

import (
	"strings"

	"github.com/smelt-ml/smelt/mil"
)

// Float16 has whole numbers up to 2048. Sizes, places and labels may be held in
// floats — in neural networks nothing else is — and are more than that: what is
// computed of integers, or becomes one, stays in float32.

// carries are operators through which a number that stands for something goes.
var carries = map[string]bool{}

func init() {
	for op := range strings.FieldsSeq("add sub mul real_div floor_div mod maximum minimum floor ceil round sign abs select reshape " +
		"expand_dims squeeze transpose concat stack split slice_by_index slice_by_size tile gather gather_along_axis gather_nd reverse " +
		"reduce_sum reduce_prod reduce_max reduce_min cumsum sort identity") {
		carries[op] = true
	}
}

// whole marks the nodes that work on such numbers.
func whole(f *mil.Func, kept map[*mil.Node]bool) {
	wholeForward(f.Body, map[*mil.Value]bool{}, kept)
	wholeBackward(f.Body, map[*mil.Value]bool{}, kept)
}

func isFloat(v *mil.Value) bool { return v.Type.Kind == mil.Tensor && v.Type.DType.IsFloat() }

// wholeForward follows what is made of integers.
func wholeForward(b *mil.Block, made map[*mil.Value]bool, kept map[*mil.Node]bool) {
	for _, n := range b.Nodes {
		for _, nested := range n.Blocks {
			wholeForward(nested, made, kept)
		}
		if n.Op == "cast" && len(n.Outputs) == 1 && n.Input("x") != nil {
			made[n.Outputs[0]] = !isFloat(n.Input("x")) || made[n.Input("x")]
			continue
		}
		if !carries[n.Op] {
			continue
		}
		some, all := false, true
		for _, v := range n.Values() {
			if isFloat(v) && v.Const == nil {
				some, all = true, all && made[v]
			}
		}
		if some && all {
			kept[n] = true
			for _, v := range n.Outputs {
				made[v] = true
			}
		}
	}
}

// wholeBackward follows what becomes an integer.
func wholeBackward(b *mil.Block, needed map[*mil.Value]bool, kept map[*mil.Node]bool) {
	for i := len(b.Nodes) - 1; i >= 0; i-- {
		n := b.Nodes[i]
		for _, nested := range n.Blocks {
			wholeBackward(nested, needed, kept)
		}
		if n.Op == "cast" && len(n.Outputs) == 1 && n.Input("x") != nil {
			if d := n.Outputs[0].Type.DType; d.IsInt() || needed[n.Outputs[0]] {
				needed[n.Input("x")] = true
			}
			continue
		}
		for _, v := range n.Outputs {
			if carries[n.Op] && needed[v] {
				kept[n] = true
			}
		}
		if kept[n] && carries[n.Op] {
			for _, v := range n.Values() {
				if isFloat(v) && v.Const == nil {
					needed[v] = true
				}
			}
		}
	}
}
