package op

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// evalCase is one call of an operator: a pointer to its argument struct, and
// its outputs, or a part of the error.
type evalCase struct {
	name string
	op   *Op
	args any
	want []*tensor.Tensor
	err  string
}

// run takes arguments the whole way: into a node, back, and through Infer and
// Eval.
func (c evalCase) run() ([]*tensor.Tensor, error) {
	bound, err := c.op.Bind(c.op.Node("n", c.args), nil)
	if err != nil {
		return nil, err
	}
	types, err := c.op.Infer(bound)
	if err != nil {
		return nil, err
	}
	outs, err := c.op.Eval(bound)
	if err != nil {
		return nil, err
	}
	for i, out := range outs {
		if !fits(types[i], mil.TypeOf(out)) {
			return nil, fmt.Errorf("output %d is %s, Infer says %s", i, out, types[i])
		}
	}
	return outs, nil
}

func checkCases(t *testing.T, cases []evalCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.op.Name+"/"+c.name, func(t *testing.T) {
			outs, err := c.run()
			if c.err != "" || err != nil {
				if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if len(outs) != len(c.want) {
				t.Fatalf("%d outputs, want %d", len(outs), len(c.want))
			}
			for i, out := range outs {
				if !sameTensor(out, c.want[i]) {
					t.Errorf("output %d: %s, want %s", i, showTensor(out), showTensor(c.want[i]))
				}
			}
		})
	}
}

// sameTensor compares bit by bit, except that all NaN are the same.
func sameTensor(a, b *tensor.Tensor) bool {
	if a.DType() != b.DType() || !slices.Equal(a.Shape(), b.Shape()) {
		return false
	}
	if a.DType() == tensor.String {
		return slices.Equal(a.Strings(), b.Strings())
	}
	return slices.EqualFunc(a.Float64s(), b.Float64s(), func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y) || x != x && y != y
	})
}

func showTensor(t *tensor.Tensor) string {
	if t.DType() == tensor.String {
		return fmt.Sprint(t, t.Strings())
	}
	return fmt.Sprint(t, t.Float64s())
}

// Short forms for tables.
var nan, inf = float32(math.NaN()), float32(math.Inf(1))

type sh = []int

func fl(shape sh, v ...float32) *tensor.Tensor  { return tensor.Floats(shape, v) }
func in(shape sh, v ...int32) *tensor.Tensor    { return tensor.Ints(shape, v) }
func bo(shape sh, v ...bool) *tensor.Tensor     { return tensor.New(tensor.Bool, shape, v) }
func val(t *tensor.Tensor) *mil.Value           { return mil.NewConst("c", t) }
func outs(t ...*tensor.Tensor) []*tensor.Tensor { return t }

// ramp is 0, 1, 2, … in a shape.
func ramp(shape ...int) *tensor.Tensor {
	data := make([]float32, tensor.Size(shape))
	for i := range data {
		data[i] = float32(i)
	}
	return tensor.Floats(shape, data)
}

// unknown is a value of a type, not known when the program is compiled.
func unknown(d tensor.DType, shape ...int) *mil.Value {
	return &mil.Value{Name: "u", Type: mil.TensorType(d, shape...)}
}

// inferCase is one call of an operator's type rule.
type inferCase struct {
	name string
	op   *Op
	args any
	want []mil.Type
	err  string
}

func checkInfer(t *testing.T, cases []inferCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.op.Name+"/"+c.name, func(t *testing.T) {
			bound, err := c.op.Bind(c.op.Node("n", c.args), nil)
			var types []mil.Type
			if err == nil {
				types, err = c.op.Infer(bound)
			}
			if c.err != "" || err != nil {
				if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if !slices.EqualFunc(types, c.want, mil.Type.Equal) {
				t.Errorf("types %v, want %v", types, c.want)
			}
		})
	}
}

func f32(shape ...int) []mil.Type { return []mil.Type{mil.TensorType(tensor.Float32, shape...)} }
func i32(shape ...int) []mil.Type { return []mil.Type{mil.TensorType(tensor.Int32, shape...)} }

func anyRankType(d tensor.DType) []mil.Type { return []mil.Type{{DType: d, AnyRank: true}} }

func TestReshape(t *testing.T) {
	re := func(x *tensor.Tensor, shape ...int) any { return &ReshapeArgs{val(x), vectorOf(shape...)} }
	checkCases(t, []evalCase{
		{"plain", Reshape.Op, re(ramp(2, 3), 3, 2), outs(ramp(3, 2)), ""},
		{"rest", Reshape.Op, re(ramp(2, 6), 3, -1, 2), outs(ramp(3, 2, 2)), ""},
		{"zero keeps", Reshape.Op, re(ramp(2, 3, 4), 0, -1, 2), outs(ramp(2, 6, 2)), ""},
		{"zero needs rank", Reshape.Op, re(ramp(2, 3), 0, 3, 1), nil, "cannot take"},
		{"zeros from the end", ReshapeIOS17.Op, re(ramp(2, 50), 1, 0, -1, 0), outs(ramp(1, 1, 2, 50)), ""},
		{"to scalar", Reshape.Op, re(ramp(1, 1)), outs(ramp()), ""},
		{"from scalar", Reshape.Op, re(ramp(), 1, 1), outs(ramp(1, 1)), ""},
		{"empty", Reshape.Op, re(ramp(0, 4), 2, -1), outs(ramp(2, 0)), ""},
		{"empty keeps", Reshape.Op, re(ramp(0, 4), 0, -1), outs(ramp(0, 4)), ""},
		{"bool", Reshape.Op, re(bo(sh{2}, true, false), 2, 1), outs(bo(sh{2, 1}, true, false)), ""},
		{"wrong size", Reshape.Op, re(ramp(2, 3), 4), nil, "cannot take"},
		{"does not divide", Reshape.Op, re(ramp(2, 3), 4, -1), nil, "cannot take"},
		{"two rests", Reshape.Op, re(ramp(2, 3), -1, -1), nil, "cannot take"},
		{"negative", Reshape.Op, re(ramp(2, 3), -2, 3), nil, "cannot take"},
		{"overflow", Reshape.Op, re(ramp(2, 3), 1<<31-1, 1<<31-1, 1<<31-1), nil, "cannot take"},
	})
	checkInfer(t, []inferCase{
		{"unknown shape", Reshape.Op, &ReshapeArgs{val(ramp(2, 3)), unknown(tensor.Int32, 3)}, f32(-1, -1, -1), ""},
		{"unknown rank", Reshape.Op, &ReshapeArgs{val(ramp(2, 3)), unknown(tensor.Int32, -1)}, anyRankType(tensor.Float32), ""},
		{"huge rank", Reshape.Op, &ReshapeArgs{val(ramp(2, 3)), unknown(tensor.Int32, 1<<30)}, nil, "rank"},
		{"symbol kept", Reshape.Op, &ReshapeArgs{unknown(tensor.Float32, -5, 3, 4), vectorOf(0, -1)}, nil, "cannot take"},
		{"symbol through 0", Reshape.Op, &ReshapeArgs{unknown(tensor.Float32, -5, 3, 4), vectorOf(0, -1, 2)}, f32(-5, 6, 2), ""},
		{"symbol is the rest", Reshape.Op, &ReshapeArgs{unknown(tensor.Float32, -5, 3, 4), vectorOf(-1, 12)}, f32(-5, 12), ""},
		{"symbol times two", Reshape.Op, &ReshapeArgs{unknown(tensor.Float32, -5, 3, 4), vectorOf(-1, 6)}, f32(-1, 6), ""},
		{"two symbols", Reshape.Op, &ReshapeArgs{unknown(tensor.Float32, -5, -6), vectorOf(-1)}, f32(-1), ""},
		{"given", Reshape.Op, &ReshapeArgs{unknown(tensor.Float32, -1, -1), vectorOf(4, 5)}, f32(4, 5), ""},
		{"rank not known", Reshape.Op, &ReshapeArgs{&mil.Value{Type: anyRankType(tensor.Float32)[0]}, vectorOf(4)}, nil, "rank is not known"},
		{"shape of rank 2", Reshape.Op, &ReshapeArgs{val(ramp(4)), val(in(sh{1, 1}, 4))}, nil, "want a vector"},
		{"list", Reshape.Op, &ReshapeArgs{&mil.Value{Type: mil.Type{Kind: mil.List, Elem: &f32()[0]}}, vectorOf(4)}, nil, "want a tensor"},
	})
}

func TestExpandDimsSqueeze(t *testing.T) {
	ex := func(x *tensor.Tensor, axes ...int) any { return &ExpandDimsArgs{val(x), axes} }
	sq := func(x *tensor.Tensor, axes ...int) any { return &SqueezeArgs{val(x), axes} }
	checkCases(t, []evalCase{
		{"front and back", ExpandDims.Op, ex(ramp(2, 3), 0, -1), outs(ramp(1, 2, 3, 1)), ""},
		{"unsorted", ExpandDims.Op, ex(ramp(2), 2, 0), outs(ramp(1, 2, 1)), ""},
		{"scalar", ExpandDims.Op, ex(ramp(), 0), outs(ramp(1)), ""},
		{"twice", ExpandDims.Op, ex(ramp(2), 0, -3), nil, "twice"},
		{"beyond", ExpandDims.Op, ex(ramp(2), 2), nil, "axis 2"},
		{"int8", ExpandDimsIOS17.Op, ex(tensor.New(tensor.Int8, sh{2}, []int32{1, -1}), 1), outs(tensor.New(tensor.Int8, sh{2, 1}, []int32{1, -1})), ""},
		{"int8 in iOS15", ExpandDims.Op, ex(tensor.New(tensor.Int8, sh{2}, []int32{1, -1}), 1), nil, "int8"},
		{"all", Squeeze.Op, sq(ramp(1, 2, 1, 3)), outs(ramp(2, 3)), ""},
		{"one", Squeeze.Op, sq(ramp(1, 2, 1, 3), -2), outs(ramp(1, 2, 3)), ""},
		{"other sizes stay", Squeeze.Op, sq(ramp(1, 2), 0, 1), outs(ramp(2)), ""},
		{"to scalar", Squeeze.Op, sq(ramp(1)), outs(ramp()), ""},
		{"beyond", Squeeze.Op, sq(ramp(1), 1), nil, "axis 1"},
	})
	checkInfer(t, []inferCase{
		{"unknown stays", ExpandDims.Op, &ExpandDimsArgs{unknown(tensor.Float32, -1, -7), []int{1}}, f32(-1, 1, -7), ""},
		{"unknown may go", Squeeze.Op, &SqueezeArgs{unknown(tensor.Float32, -1, 1), nil}, anyRankType(tensor.Float32), ""},
		{"unknown elsewhere", Squeeze.Op, &SqueezeArgs{unknown(tensor.Float32, -1, 1), []int{1}}, f32(-1), ""},
		{"too many", ExpandDims.Op, &ExpandDimsArgs{val(ramp(1)), make([]int, 100)}, nil, "rank"},
	})
}

func TestTranspose(t *testing.T) {
	tr := func(x *tensor.Tensor, perm ...int) any { return &TransposeArgs{val(x), perm} }
	checkCases(t, []evalCase{
		{"matrix", Transpose.Op, tr(ramp(2, 3), 1, 0), outs(fl(sh{3, 2}, 0, 3, 1, 4, 2, 5)), ""},
		{"negative", Transpose.Op, tr(ramp(2, 3), -1, 0), outs(fl(sh{3, 2}, 0, 3, 1, 4, 2, 5)), ""},
		{"outer", Transpose.Op, tr(ramp(2, 2, 2), 1, 0, 2), outs(fl(sh{2, 2, 2}, 0, 1, 4, 5, 2, 3, 6, 7)), ""},
		{"turn", Transpose.Op, tr(ramp(2, 2, 3), 2, 0, 1), outs(fl(sh{3, 2, 2}, 0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11)), ""},
		{"empty", Transpose.Op, tr(ramp(0, 3), 1, 0), outs(ramp(3, 0)), ""},
		{"bool", Transpose.Op, tr(bo(sh{1, 2}, true, false), 1, 0), outs(bo(sh{2, 1}, true, false)), ""},
		{"no permutation", Transpose.Op, tr(ramp(2, 3), 0, 0), nil, "twice"},
		{"short", Transpose.Op, tr(ramp(2, 3), 0), nil, "rank 2"},
		{"beyond", Transpose.Op, tr(ramp(2, 3), 0, 2), nil, "axis 2"},
	})
	// Sizes beyond one tile, against the plain definition.
	x := ramp(3, 70, 45)
	for _, perm := range [][]int{{0, 2, 1}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}, {1, 0, 2}} {
		outs, err := evalTranspose(&TransposeArgs{val(x), perm})
		if err != nil {
			t.Fatal(err)
		}
		got, st := outs[0].F32(), strides(x.Shape())
		each(outs[0].Shape(), func(i int, at []int) {
			from := 0
			for d, p := range perm {
				from += at[d] * st[p]
			}
			if got[i] != float32(from) {
				t.Fatalf("perm %v: element %v is %g, want %d", perm, at, got[i], from)
			}
		})
	}
}

func TestSliceByIndex(t *testing.T) {
	sl := func(x *tensor.Tensor, begin, end, stride sh, masks ...[]bool) any {
		a := &SliceByIndexArgs{X: val(x), Begin: vectorOf(begin...), End: vectorOf(end...), Stride: stride}
		for i, m := range masks {
			*[]*[]bool{&a.BeginMask, &a.EndMask, &a.SqueezeMask}[i] = m
		}
		return a
	}
	yes, no := []bool{true}, []bool{false}
	checkCases(t, []evalCase{
		{"block", SliceByIndex.Op, sl(ramp(3, 4), sh{1, 1}, sh{3, 3}, nil), outs(fl(sh{2, 2}, 5, 6, 9, 10)), ""},
		{"stride", SliceByIndex.Op, sl(ramp(7), sh{1}, sh{7}, sh{3}), outs(fl(sh{2}, 1, 4)), ""},
		{"negative places", SliceByIndex.Op, sl(ramp(5), sh{-3}, sh{-1}, nil), outs(fl(sh{2}, 2, 3)), ""},
		{"cut off", SliceByIndex.Op, sl(ramp(3), sh{-9}, sh{9}, nil), outs(ramp(3)), ""},
		{"backwards", SliceByIndex.Op, sl(ramp(5), sh{-1}, sh{0}, sh{-2}), outs(fl(sh{2}, 4, 2)), ""},
		{"backwards to the start", SliceByIndex.Op, sl(ramp(5), sh{3}, sh{0}, sh{-1}, no, yes), outs(fl(sh{4}, 3, 2, 1, 0)), ""},
		{"backwards from the end", SliceByIndex.Op, sl(ramp(5), sh{0}, sh{2}, sh{-1}, yes, no), outs(fl(sh{2}, 4, 3)), ""},
		{"backwards all", SliceByIndex.Op, sl(ramp(3), sh{0}, sh{0}, sh{-1}, yes, yes), outs(fl(sh{3}, 2, 1, 0)), ""},
		{"nothing", SliceByIndex.Op, sl(ramp(3), sh{2}, sh{1}, nil), outs(ramp(0)), ""},
		{"of nothing", SliceByIndex.Op, sl(ramp(0), sh{0}, sh{3}, sh{-1}), outs(ramp(0)), ""},
		{"index", SliceByIndex.Op, sl(ramp(2, 3), sh{0, -1}, sh{0, 0}, nil, []bool{true, false}, []bool{true, false}, []bool{false, true}), outs(fl(sh{2}, 2, 5)), ""},
		{"index to scalar", SliceByIndex.Op, sl(ramp(4), sh{2}, sh{0}, nil, no, no, yes), outs(fl(nil, 2)), ""},
		{"index beyond", SliceByIndex.Op, sl(ramp(4), sh{4}, sh{0}, nil, no, no, yes), nil, "index 4"},
		{"index into nothing", SliceByIndex.Op, sl(ramp(0), sh{0}, sh{0}, nil, no, no, yes), nil, "index 0"},
		{"least stride", SliceByIndex.Op, sl(ramp(4), sh{3}, sh{0}, sh{math.MinInt32}), outs(fl(sh{1}, 3)), ""},
		{"no stride", SliceByIndex.Op, sl(ramp(4), sh{0}, sh{1}, sh{0}), nil, "stride of 0"},
		{"short begin", SliceByIndex.Op, sl(ramp(2, 2), sh{0}, sh{1, 1}, nil), nil, "begin"},
		{"short stride", SliceByIndex.Op, sl(ramp(2, 2), sh{0, 0}, sh{1, 1}, sh{1}), nil, "stride"},
		{"short mask", SliceByIndex.Op, sl(ramp(2, 2), sh{0, 0}, sh{1, 1}, nil, yes), nil, "mask"},
	})
	checkInfer(t, []inferCase{
		{"unknown begin", SliceByIndex.Op, &SliceByIndexArgs{
			X: val(ramp(4, 4)), Begin: unknown(tensor.Int32, 2), End: vectorOf(1, 1),
			BeginMask: []bool{true, false},
		}, f32(1, -1), ""},
		{"unknown dimension", SliceByIndex.Op, &SliceByIndexArgs{
			X: unknown(tensor.Float32, -4, -5), Begin: vectorOf(0, 0), End: vectorOf(0, 2),
			BeginMask: []bool{true, true}, EndMask: []bool{true, false},
		}, f32(-4, -1), ""},
		{"unknown index", SliceByIndex.Op, &SliceByIndexArgs{
			X: val(ramp(4, 4)), Begin: unknown(tensor.Int32, 2), End: unknown(tensor.Int32, 2),
			SqueezeMask: []bool{true, true},
		}, f32(), ""},
	})
}

func TestShape(t *testing.T) {
	checkCases(t, []evalCase{
		{"matrix", Shape.Op, &Unary{val(ramp(2, 3))}, outs(in(sh{2}, 2, 3)), ""},
		{"scalar", Shape.Op, &Unary{val(ramp())}, outs(in(sh{0})), ""},
	})
	// The shape is known before the elements are.
	got, err := Shape.Eval(&Unary{unknown(tensor.Float32, 4, 5)})
	if err != nil || !reflect.DeepEqual(got[0].I32(), []int32{4, 5}) {
		t.Errorf("shape of an unknown 4×5: %v, %v", got, err)
	}
}
