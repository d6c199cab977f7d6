package onnx

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// classic is the domain of the operators of classical models. Those that are
// arithmetic on numbers are here, and trees that give numbers (trees.go); support
// vectors and classifiers are no programs.
const classic = "ai.onnx.ml::"

var mlRules = table{
	classic + "Binarizer": always(func(b *Builder, n *Node) []*mil.Value {
		x := n.In[0]
		on := op.Greater.Add(b.Builder, op.Binary{X: x, Y: b.number(float64(n.Float("threshold", 0)), x)})
		return one(b.as(b.cast(on, x.Type.DType), x))
	}),
	classic + "ArrayFeatureExtractor": always(arrayFeatures),
	classic + "Scaler":                always(scaler),
	classic + "Normalizer":            always(normalizer),
	classic + "LinearRegressor":       always(linearRegressor),
	classic + "FeatureVectorizer":     always(featureVectorizer),
	classic + "Imputer":               always(imputer),
	classic + "TreeEnsembleRegressor": always(func(b *Builder, n *Node) []*mil.Value { return trees(b, n, classical.TreeRegressor) }),
	classic + "TreeEnsemble":          always(func(b *Builder, n *Node) []*mil.Value { return trees(b, n, classical.TreeEnsemble) }),
	classic + "ZipMap": always(func(b *Builder, n *Node) []*mil.Value { // a program has arrays only
		b.l.notes["dictionaries are arrays of their values, in the order of the labels"] = true
		return one(n.In[0])
	}),
}

// arrayFeatures takes places along the last axis.
func arrayFeatures(b *Builder, n *Node) []*mil.Value {
	x, at := n.In[0], n.input(1)
	r := b.rank(x)
	if at == nil || r < 1 {
		return b.fail("want an array and places")
	}
	if r == 1 {
		x, r = b.expandDims(x, 0), 2
	}
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices, g.Axis = x, b.reshape(at, -1), r-1
	return one(b.gather(g))
}

// numbers is a known vector along the last axis; one number stands for all.
func (b *Builder) numbers(v []float32, otherwise float32) *mil.Value {
	if len(v) == 0 {
		v = []float32{otherwise}
	}
	return b.floats(slices.Clone(v), len(v))
}

func scaler(b *Builder, n *Node) []*mil.Value {
	x := b.cast(n.In[0], tensor.Float32)
	v := b.mul(b.sub(x, b.numbers(n.Floats("offset"), 0)), b.numbers(n.Floats("scale"), 1))
	return one(b.SetDType(v, tensor.Float32))
}

// normalizer divides by a norm of each row, MAX being the largest value and not
// the largest magnitude; where that is zero the row stays as it is.
func normalizer(b *Builder, n *Node) []*mil.Value {
	x := b.cast(n.In[0], tensor.Float32)
	o := map[string]*op.Def[op.Reduction]{"MAX": op.ReduceMax, "L1": op.ReduceL1Norm, "L2": op.ReduceL2Norm}[n.Text("norm", "MAX")]
	if o == nil || b.rank(x) < 1 {
		return b.fail("the norm %q of %s", n.Text("norm", "MAX"), x.Type)
	}
	norm := b.reduce(o, x, []int{b.rank(x) - 1}, true)
	none := op.Equal.Add(b.Builder, op.Binary{X: norm, Y: b.number(0, x)})
	return one(b.SetDType(b.div(x, b.sel(none, b.number(1, x), norm)), tensor.Float32))
}

func linearRegressor(b *Builder, n *Node) []*mil.Value {
	x := b.cast(n.In[0], tensor.Float32)
	weights, biases, targets := n.Floats("coefficients"), n.Floats("intercepts"), n.Int("targets", 1)
	if b.rank(x) != 2 || targets < 1 || len(weights) == 0 || len(weights)%targets != 0 || len(biases) != 0 && len(biases) != targets {
		return b.fail("%d weights and %d biases for %d targets", len(weights), len(biases), targets)
	}
	var c *mil.Value
	if len(biases) > 0 {
		c = b.floats(biases, targets)
	}
	v := b.linear(x, b.floats(weights, targets, len(weights)/targets), c)
	switch p := n.Text("post_transform", "NONE"); p {
	case "NONE":
	case "LOGISTIC":
		v = op.Sigmoid.Add(b.Builder, op.Unary{X: v})
	case "SOFTMAX":
		v = op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: v, Axis: -1})
	default:
		return b.refuse("the transform %q", p)
	}
	return one(b.SetDType(v, tensor.Float32))
}

func featureVectorizer(b *Builder, n *Node) []*mil.Value {
	var parts []*mil.Value
	for _, v := range n.In {
		if v == nil || b.rank(v) < 1 {
			return b.fail("want rows")
		}
		if b.rank(v) == 1 {
			v = b.expandDims(v, 0)
		}
		parts = append(parts, b.cast(v, tensor.Float32))
	}
	return one(b.SetDType(b.concat(1, parts...), tensor.Float32))
}

// imputer replaces one value, NaN among them.
func imputer(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	var with *mil.Value
	missing := float64(n.Float("replaced_value_float", 0))
	if x.Type.DType == tensor.Int32 {
		with, missing = b.ints(n.Ints("imputed_value_int64s")...), float64(n.Int("replaced_value_int64", 0))
	} else {
		with = b.cast(b.numbers(n.Floats("imputed_value_floats"), 0), x.Type.DType)
	}
	is := op.Equal.Add(b.Builder, op.Binary{X: x, Y: b.number(missing, x)})
	if math.IsNaN(missing) {
		is = op.NotEqual.Add(b.Builder, op.Binary{X: x, Y: x})
	}
	return one(b.as(b.sel(is, with, x), x))
}
