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

// sums are operators whose results are large where their arguments are whole
// numbers: those of quantized networks.
var sums = map[string]bool{"matmul": true, "linear": true, "conv": true}

// wholeSums follows sums of integers until something scales them.
func wholeSums(b *mil.Block, large map[*mil.Value]bool, kept map[*mil.Node]bool) {
	for _, n := range b.Nodes {
		for _, nested := range n.Blocks {
			wholeSums(nested, large, kept)
		}
		some := false
		for _, v := range n.Values() {
			some = some || large[v]
		}
		switch {
		case sums[n.Op]:
			some = kept[n] || len(n.Outputs) == 1 && !isFloat(n.Outputs[0])
		case n.Op == "cast":
		case some && carries[n.Op]:
			kept[n] = true
			some = n.Op != "mul" && n.Op != "real_div"
		default:
			continue
		}
		for _, v := range n.Outputs {
			large[v] = some
		}
	}
}

// ofIntegers tells a node that computes from integers alone, and from weights.
func ofIntegers(n *mil.Node, made map[*mil.Value]bool) bool {
	for _, v := range n.Values() {
		if isFloat(v) && v.Const == nil && !made[v] && !expanded(v) {
			return false
		}
	}
	return true
}

// whole marks the nodes that work on such numbers.
func whole(f *mil.Func, kept map[*mil.Node]bool) {
	made := map[*mil.Value]bool{}
	wholeForward(f.Body, made, kept)
	wholeBackward(f.Body, made, map[*mil.Value]bool{}, kept)
	wholeSums(f.Body, map[*mil.Value]bool{}, kept)
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
func wholeBackward(b *mil.Block, made, needed map[*mil.Value]bool, kept map[*mil.Node]bool) {
	for i := len(b.Nodes) - 1; i >= 0; i-- {
		n := b.Nodes[i]
		for _, nested := range n.Blocks {
			wholeBackward(nested, made, needed, kept)
		}
		if n.Op == "cast" && len(n.Outputs) == 1 && n.Input("x") != nil {
			if d := n.Outputs[0].Type.DType; d.IsInt() || needed[n.Outputs[0]] {
				needed[n.Input("x")] = true
			}
			continue
		}
		for _, v := range n.Outputs {
			if needed[v] && (carries[n.Op] || sums[n.Op] && ofIntegers(n, made)) {
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
