package neuralnetwork

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// In a network control flow writes blobs by name. The results of a cond are
// blobs that both of its branches write; the variables of a loop are blobs that
// its body writes anew.
var controlRules = map[string]rule{"cond": cond, "while_loop": whileLoop}

// maxDepth bounds networks in networks, as readers do.
const maxDepth = 32

// network writes what do does into a network of its own.
func (w *writer) network(do func()) *spec.NeuralNetwork {
	outer, place, failure := w.layers, w.place, w.failure
	w.layers = nil
	w.loaded = append(w.loaded, map[*tensor.Tensor]*blob{})
	w.depth++
	if w.depth > maxDepth {
		w.fail("networks are nested more than %d deep", maxDepth)
	} else {
		do()
	}
	w.depth--
	inner := w.layers
	w.loaded = w.loaded[:len(w.loaded)-1]
	w.layers, w.place = outer, place
	if failure != nil {
		w.failure = failure
	}
	return spec.NeuralNetwork_builder{
		Layers:                 protos(inner),
		ArrayInputShapeMapping: spec.NeuralNetworkMultiArrayShapeMapping_EXACT_ARRAY_MAPPING,
		ImageInputShapeMapping: spec.NeuralNetworkImageShapeMapping_RANK4_IMAGE_MAPPING,
	}.Build()
}

// inside writes a nested block. What it cannot write is reported where it is.
func (w *writer) inside(b *mil.Block) {
	place, n := w.place, len(w.problems)
	w.block(b)
	if w.place, w.failure = place, nil; len(w.problems) > n {
		w.failure = nil
	}
}

// assign copies blobs to those that have the names that others read.
func (w *writer) assign(to, from []*blob) {
	for i, b := range from {
		w.append(layer{Copy: new(spec.CopyLayerParams)}, []*blob{b}, []*blob{to[i]})
	}
}

// shared checks that two values can be the same blob.
func (w *writer) shared(out, v *mil.Value) {
	if out.Type.Rank() != v.Type.Rank() || out.Type.AnyRank || v.Type.AnyRank {
		w.fail("the rank of %q is %s here and %s there", out.Name, v.Type, out.Type)
	}
}

// plain checks that all values are tensors of a known rank.
func (w *writer) plain(vs []*mil.Value) bool {
	for _, v := range vs {
		if v.Type.Kind != mil.Tensor || v.Type.AnyRank {
			w.fail("it hands on %s, which networks do not have", v.Type)
			return false
		}
	}
	return true
}

func cond(w *writer, a args) {
	pred := a.Input("pred")
	if len(a.Blocks) != 2 || pred == nil || len(a.Blocks[0].Outputs) != len(a.Outputs) || len(a.Blocks[1].Outputs) != len(a.Outputs) {
		w.fail("its blocks do not have the %d results", len(a.Outputs))
		return
	}
	if !w.plain(a.Outputs) {
		return
	}
	if pred.Const != nil && pred.Const.Len() == 1 && pred.Const.DType() == tensor.Bool {
		side := a.Blocks[1]
		if pred.Const.Bools()[0] {
			side = a.Blocks[0]
		}
		w.inside(side)
		for i, v := range side.Outputs {
			w.set(a.Outputs[i], w.blob(v))
		}
		return
	}
	if w.rank5 {
		w.fail("%w", errNone)
		return
	}
	outs := make([]*blob, len(a.Outputs))
	for i, v := range a.Outputs {
		outs[i] = &blob{name: v.Name, shape: w.shape(v)}
	}
	branch := func(side *mil.Block) *spec.NeuralNetwork {
		return w.network(func() {
			w.inside(side)
			var from []*blob
			for i, v := range side.Outputs {
				w.shared(a.Outputs[i], v)
				from = append(from, w.blob(v))
			}
			w.assign(outs, from)
		})
	}
	l := spec.BranchLayerParams_builder{IfBranch: branch(a.Blocks[0]), ElseBranch: branch(a.Blocks[1])}
	w.append(layer{Branch: l.Build()}, []*blob{w.blob(pred)}, nil)
	for i, v := range a.Outputs {
		w.blobs[v] = outs[i]
	}
}

func whileLoop(w *writer, a args) {
	vars := a.list("loop_vars")
	if w.rank5 {
		w.fail("%w", errNone)
		return
	}
	if len(a.Blocks) != 2 || !w.plain(vars) || !w.plain(a.Outputs) {
		return
	}
	test, body := a.Blocks[0], a.Blocks[1]
	if len(test.Inputs) != len(vars) || len(body.Inputs) != len(vars) || len(body.Outputs) != len(vars) || len(test.Outputs) != 1 || len(a.Outputs) != len(vars) {
		w.fail("its blocks do not have the %d variables", len(vars))
		return
	}
	held := make([]*blob, len(vars))
	var first []*blob
	for i, v := range vars {
		w.shared(body.Inputs[i], v)
		w.shared(body.Inputs[i], body.Outputs[i])
		held[i] = &blob{name: a.Outputs[i].Name, shape: w.shape(body.Inputs[i])}
		w.blobs[test.Inputs[i]], w.blobs[body.Inputs[i]] = held[i], held[i]
		first = append(first, w.blob(v))
	}
	w.assign(held, first)
	again := &blob{name: a.Name + "_continue", shape: []int{1}}
	l := spec.LoopLayerParams_builder{}
	l.ConditionNetwork = w.network(func() {
		w.inside(test)
		w.assign([]*blob{again}, []*blob{w.blob(test.Outputs[0])})
	})
	l.BodyNetwork = w.network(func() {
		w.inside(body)
		// All are computed before the first is written.
		var next []*blob
		for _, v := range body.Outputs {
			b := w.blob(v)
			for _, h := range held {
				if b == h {
					b = w.copy(b)
					break
				}
			}
			next = append(next, b)
		}
		w.assign(held, next)
	})
	w.append(layer{Loop: l.Build()}, nil, nil)
	if w.failure == nil {
		w.all[len(w.all)-1].condition = again
	}
	for i, v := range a.Outputs {
		w.blobs[v] = held[i]
	}
}
