package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// flow are control flow, lists and states. A list is a tensor whose first axis
// counts its elements.
var flow = map[string]rule{
	"cond":                cond,
	"coreml_update_state": updateState,
	"list_gather":         listGather,
	"list_length":         listLength,
	"list_read":           listGather,
	"list_scatter":        listScatter,
	"list_write":          listScatter,
	"make_list":           makeList,
	"read_state":          readState,
	"while_loop":          whileLoop,
	"write_state":         writeState,

	"network_nms":             suppression,
	"non_maximum_suppression": suppression,
}

// inner writes a graph within the one that is being written.
func (w *writer) inner(name string, write func(g *graph)) *graph {
	g := &graph{name: w.unique(name)}
	outer := w.g
	w.g = g
	w.nested++
	write(g)
	w.nested--
	w.g = outer
	return g
}

// yield makes a value an output of a graph, which none but its own may be, and
// each but once.
func (w *writer) yield(g *graph, v *val) {
	twice := false
	for _, p := range g.outputs {
		twice = twice || p.val == v
	}
	if twice || !g.makes(v) {
		v = w.add("Identity", []*val{v})
	}
	g.outputs = append(g.outputs, port{v, mil.Type{AnyRank: true}})
}

// truth is a truth value as a scalar.
func (w *writer) truth(v *mil.Value) *val {
	x := w.value(v)
	if v != nil && v.Type.Rank() == 0 && !v.Type.AnyRank {
		return x
	}
	return w.reshape(x)
}

func cond(w *writer, c *call) []*val {
	if len(c.Blocks) != 2 {
		return w.fail("%d blocks", len(c.Blocks))
	}
	var branches []*graph
	for i, b := range c.Blocks {
		branches = append(branches, w.inner(c.Name+[]string{"_then", "_else"}[i], func(g *graph) {
			w.body(b)
			for j, v := range b.Outputs {
				x := w.value(v)
				if j < len(c.Outputs) && v.Type.Kind == mil.Tensor {
					x = w.cast(x, w.dtype(c.Outputs[j].Type.DType))
				}
				w.yield(g, x)
			}
		}))
		if len(b.Outputs) != len(c.Outputs) {
			return w.fail("a block of %d outputs for %d", len(b.Outputs), len(c.Outputs))
		}
	}
	outs := w.addN("If", len(c.Outputs), []*val{w.truth(c.Input("pred"))}, attr{"then_branch", branches[0]}, attr{"else_branch", branches[1]})
	for i, v := range outs {
		v.dtype = branches[0].outputs[i].val.dtype
	}
	return outs
}

// whileLoop asks before the first time, and in the body for each time after it.
func whileLoop(w *writer, c *call) []*val {
	vars := c.list("loop_vars")
	if len(c.Blocks) != 2 || len(vars) != len(c.Outputs) {
		return w.fail("%d blocks, %d variables, %d results", len(c.Blocks), len(vars), len(c.Outputs))
	}
	again, body := c.Blocks[0], c.Blocks[1]
	if len(again.Inputs) != len(vars) || len(body.Inputs) != len(vars) || len(body.Outputs) != len(vars) || len(again.Outputs) != 1 {
		return w.fail("blocks that do not take its %d variables", len(vars))
	}
	ask := func(vars []*val) *val {
		for i, v := range again.Inputs {
			w.values[v] = vars[i]
		}
		w.body(again)
		return w.truth(again.Outputs[0])
	}
	first := ask(vars)
	g := w.inner(c.Name+"_body", func(g *graph) {
		count := &val{name: w.unique(c.Name + "_count"), dtype: tensor.Int64}
		going := &val{name: w.unique(c.Name + "_going"), dtype: tensor.Bool}
		g.inputs = []port{{count, mil.TensorType(tensor.Int64)}, {going, mil.TensorType(tensor.Bool)}}
		for i, v := range body.Inputs {
			x := &val{name: w.unique(v.Name), dtype: vars[i].dtype}
			w.values[v] = x
			g.inputs = append(g.inputs, port{x, mil.Type{AnyRank: true}})
		}
		w.body(body)
		var next []*val
		for i, v := range body.Outputs {
			next = append(next, w.cast(w.value(v), vars[i].dtype))
		}
		w.yield(g, ask(next))
		for _, v := range next {
			w.yield(g, v)
		}
	})
	outs := w.addN("Loop", len(vars), append([]*val{nil, first}, vars...), attr{"body", g})
	for i, v := range outs {
		v.dtype = vars[i].dtype
	}
	return outs
}

// makeList makes a tensor of zeros: that of the elements must be known.
func makeList(w *writer, c *call) []*val {
	t := c.out(0)
	if t.Kind != mil.List || t.Elem == nil {
		return w.fail("gives no list")
	}
	elem := w.ints(t.Elem.Shape...)
	if !t.Elem.IsStatic() { // sizes are values of the program
		var sizes []*val
		for _, in := range c.Inputs {
			for _, v := range in.Values {
				if in.Name == "elem_shape" && (v.Type.DType == tensor.String || v.Const != nil && slices.Min(append([]float64{0}, numbersOf(v.Const)...)) < 0) {
					return w.fail("the shape of its elements is only known when it is run")
				} else if in.Name == "elem_shape" {
					sizes = append(sizes, w.reshape(w.cast(w.value(v), tensor.Int64), -1))
				}
			}
		}
		if len(sizes) == 0 {
			return w.fail("the shape of its elements is only known when it is run")
		}
		elem = w.concat(0, sizes...)
	}
	length := w.ints(1)
	if c.Input("init_length") != nil {
		length = w.reshape(c.sizes("init_length"), 1)
	}
	zero := scalar(0, w.dtype(t.Elem.DType))
	return one(w.filled(w.concat(0, length, elem), zero))
}

func listGather(w *writer, c *call) []*val {
	name := "indices"
	if c.Op == "list_read" {
		name = "index"
	}
	at := c.in(name)
	if v := c.Input(name); name == "index" && v != nil && v.Type.Rank() > 0 {
		at = w.reshape(at)
	}
	return one(w.gather(c.in("ls"), at, 0))
}

func listLength(w *writer, c *call) []*val {
	return one(w.reshape(w.slice(w.shape(c.in("ls")), 0, 0, 1)))
}

// listScatter replaces elements; a list that is too short grows by zeros.
func listScatter(w *writer, c *call) []*val {
	list, value := c.in("ls"), c.in("value")
	t := c.out(0)
	if t.Kind != mil.List || t.Elem == nil {
		return w.fail("its argument ls is no list")
	}
	rank := len(t.Elem.Shape)
	var at *val
	if c.Op == "list_write" {
		at, value = w.reshape(w.cast(c.in("index"), tensor.Int64), 1), w.unsqueeze(value, 0)
	} else {
		at = w.cast(c.in("indices"), tensor.Int64)
	}
	if !c.within(t.Len) {
		most := w.reduce("ReduceMax", at, true, 0)
		length := w.slice(w.shape(list), 0, 0, 1)
		more := w.add("Max", []*val{w.less(w.sum(most, w.int(1)), length), w.ints(0)})
		pads := []*val{w.ints(repeat(0, rank+1)...), more}
		if rank > 0 {
			pads = append(pads, w.ints(repeat(0, rank)...))
		}
		list = w.add("Pad", []*val{list, w.concat(0, pads...)})
	}
	return one(w.add("ScatterND", []*val{list, w.unsqueeze(at, -1), w.cast(value, list.dtype)}))
}

// within tells that places of a list are known to be in one of that length.
func (c *call) within(length int) bool {
	for _, name := range []string{"index", "indices"} {
		if v := c.Input(name); v != nil && v.Const != nil {
			return !slices.ContainsFunc(numbersOf(v.Const), func(i float64) bool { return i < 0 || int(i) >= length })
		}
	}
	return false
}

// state returns the state that an argument names.
func (c *call) state(name string) *mil.Value {
	v := c.Input(name)
	if v == nil || c.w.states[v] == nil {
		c.w.fail("its state is no input")
		return nil
	}
	return v
}

func readState(w *writer, c *call) []*val {
	s := c.state("input")
	if s == nil {
		return nil
	}
	return one(w.states[s])
}

func writeState(w *writer, c *call) []*val {
	w.setState(c.state("input"), c.in("data"))
	return nil
}

func updateState(w *writer, c *call) []*val {
	v := c.in("value")
	w.setState(c.state("state"), v)
	return one(v)
}

func (w *writer) setState(s *mil.Value, v *val) {
	switch {
	case s == nil:
	case w.nested > 0:
		w.fail("a state that changes within control flow")
	default:
		w.states[s] = w.cast(v, w.states[s].dtype)
	}
}

// maxImages is the most images that are searched for boxes one by one.
const maxImages = 64

// suppression searches each image for itself, with the best score of each box.
// The boxes of classes that do not suppress each other are moved apart.
func suppression(w *writer, c *call) []*val {
	boxes, scores, s := c.in("boxes"), c.in("scores"), c.dims("scores")
	if len(s) != 3 || len(c.dims("boxes")) != 3 {
		return w.fail("boxes of another rank than 3")
	}
	late := c.Op == "non_maximum_suppression" && c.def.Since >= mil.IOS17 // which has boxes in columns
	if late {
		boxes, scores = w.transpose(boxes, 0, 2, 1), w.transpose(scores, 0, 2, 1)
	}
	if s[0] < 0 || s[0] > maxImages {
		return w.fail("the number of images is only known when it is run, or more than %d", maxImages)
	}
	number := func(name string) *val { return w.cast(w.reshape(c.in(name), 1), tensor.Float32) }
	iou, most := number("iou_threshold"), w.reshape(w.cast(c.in("max_boxes"), tensor.Int64), 1)
	var least *val
	if c.Input("score_threshold") != nil {
		least = w.cast(number("score_threshold"), scores.dtype)
	}
	results := make([][]*val, 4)
	for i := range s[0] {
		b, k := w.slice(boxes, 0, i, i+1), w.slice(scores, 0, i, i+1)
		best := w.reduce("ReduceMax", k, false, 2)
		apart := b
		if c.flag("per_class_suppression") {
			class := w.unsqueeze(w.cast(w.add("ArgMax", []*val{k}, attr{"axis", 2}, attr{"keepdims", 0}), b.dtype), 2)
			reach := w.reduce("ReduceMax", w.add("Abs", []*val{b}), true, 0, 1, 2)
			move := w.mul(class, w.mul(w.sum(reach, w.number(1, b.dtype)), w.number(4, b.dtype)))
			apart = w.concat(2, w.sum(w.slice(b, 2, 0, 1), move), w.slice(b, 2, 1, 4))
		}
		found := w.add("NonMaxSuppression", []*val{w.cast(apart, tensor.Float32), w.cast(w.unsqueeze(best, 1), tensor.Float32), most, iou}, attr{"center_point_box", 1})
		at := w.reshape(w.slice(found, 1, 2, 3), -1)
		if least != nil { // the very best one stays in any case
			above := w.add("Greater", []*val{w.gather(w.reshape(best, -1), at, 0), least})
			count := w.gather(w.shape(at), w.int(0), 0)
			first := w.add("Equal", []*val{w.add("Range", []*val{w.int(0), count, w.int(1)}), w.int(0)})
			at = w.add("Compress", []*val{at, w.add("Or", []*val{above, first})}, attr{"axis", 0})
		}
		count := w.shape(at)
		// As many as may be found, of which only those that are missing remain.
		padded := func(v *val, rank int, with float64) *val {
			size := most
			if rank == 2 {
				size = w.concat(0, most, w.sized(v, 1))
			}
			v = w.concat(0, v, w.filled(size, scalar(with, v.dtype)))
			return w.unsqueeze(w.add("Slice", []*val{v, w.ints(0), most, w.ints(0)}), 0)
		}
		for j, v := range []*val{
			padded(w.gather(w.squeeze(b, 0), at, 0), 2, 0), padded(w.gather(w.squeeze(k, 0), at, 0), 2, 0), padded(at, 1, -1), count,
		} {
			results[j] = append(results[j], v)
		}
	}
	if s[0] == 0 {
		return w.fail("without images")
	}
	var outs []*val
	for _, r := range results {
		outs = append(outs, w.concat(0, r...))
	}
	if late {
		outs[0], outs[1] = w.transpose(outs[0], 0, 2, 1), w.transpose(outs[1], 0, 2, 1)
	}
	return outs[:min(len(outs), len(c.Outputs))]
}
