package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// program is a function without inputs of a body that build makes.
func program(build func(b *mil.Builder) []*mil.Value) *mil.Func {
	b := mil.NewBuilder(mil.IOS18)
	out := build(b)
	b.Block.Outputs = out
	if b.Err() != nil {
		panic(b.Err())
	}
	return &mil.Func{Name: "main", Opset: mil.IOS18, Body: b.Block}
}

// runIn runs a program without inputs within limits.
func runIn(ctx context.Context, f *mil.Func, maxBytes int) error {
	p, err := Compile(f, nil, Options{MaxBytes: maxBytes})
	if err != nil {
		return err
	}
	pool := par.New(1)
	defer pool.Close()
	_, err = p.NewRun(pool).Do(ctx, nil, nil)
	return err
}

func wantLimit(t *testing.T, err error, what string) {
	t.Helper()
	if fault.KindOf(err) != fault.Limit || !strings.Contains(err.Error(), what) {
		t.Errorf("have %v, want a limit: %s", err, what)
	}
}

func truthOf(v bool) *mil.Value { return mil.NewConst("truth", tensor.Scalar(tensor.Bool, v)) }

func number(v int) *mil.Value { return mil.NewConst("n", tensor.Scalar(tensor.Int32, int32(v))) }

// unknown is zero, which is not known before the run.
func unknown(b *mil.Builder) *mil.Value {
	shape := mil.NewConst("shape", tensor.Ints([]int{1}, []int32{1}))
	never := tensor.Floats(nil, []float32{0})
	return op.Cast.Add(b, op.CastArgs{X: op.RandomBernoulli.Add(b, op.RandomBernoulliArgs{Shape: shape, Prob: never}), DType: "int32"})
}

// loopOver makes a loop over vars whose condition is cond's result and whose
// body is body's.
func loopOver(b *mil.Builder, vars []*mil.Value, cond func(b *mil.Builder, vars []*mil.Value) *mil.Value, body func(b *mil.Builder, vars []*mil.Value) []*mil.Value) []*mil.Value {
	n := &mil.Node{Op: "while_loop", Name: b.Unique("loop"), Inputs: []mil.Input{{Name: "loop_vars", Values: vars}}}
	for i := range 2 {
		inner := b.Nested()
		for _, v := range vars {
			inner.Block.Inputs = append(inner.Block.Inputs, &mil.Value{Name: b.Unique("var"), Type: v.Type})
		}
		if i == 0 {
			inner.Block.Outputs = []*mil.Value{cond(inner, inner.Block.Inputs)}
		} else {
			inner.Block.Outputs = body(inner, inner.Block.Inputs)
		}
		n.Blocks = append(n.Blocks, inner.Block)
	}
	for _, v := range vars {
		n.Outputs = append(n.Outputs, &mil.Value{Name: b.Unique("out"), Type: v.Type})
	}
	b.Append(n)
	return n.Outputs
}

func forever(*mil.Builder, []*mil.Value) *mil.Value { return truthOf(true) }

func unchanged(_ *mil.Builder, vars []*mil.Value) []*mil.Value { return vars }

// A loop whose blocks are empty ends with its context.
func TestEmptyLoopIsCancelled(t *testing.T) {
	f := program(func(b *mil.Builder) []*mil.Value {
		return loopOver(b, []*mil.Value{number(1)}, forever, unchanged)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := runIn(ctx, f, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("have %v, want the end of the context", err)
	}
}

// Loops in loops are looked at several times each, which multiplies.
func TestNestedLoopsAreBounded(t *testing.T) {
	var nest func(depth int) func(b *mil.Builder, vars []*mil.Value) []*mil.Value
	nest = func(depth int) func(b *mil.Builder, vars []*mil.Value) []*mil.Value {
		return func(b *mil.Builder, vars []*mil.Value) []*mil.Value {
			if depth == 0 {
				return vars
			}
			return loopOver(b, vars, forever, nest(depth-1))
		}
	}
	f := program(func(b *mil.Builder) []*mil.Value { return nest(60)(b, []*mil.Value{number(1)}) })
	_, err := Compile(f, nil, Options{})
	wantLimit(t, err, "nodes")
}

func TestBlocksOfBranchesTakeNothing(t *testing.T) {
	f := program(func(b *mil.Builder) []*mil.Value {
		n := &mil.Node{Op: "cond", Name: "c", Inputs: []mil.Input{{Name: "pred", Values: []*mil.Value{truthOf(true)}}}}
		for range 2 {
			v := &mil.Value{Name: "v", Type: mil.TensorType(tensor.Int32)}
			n.Blocks = append(n.Blocks, &mil.Block{Inputs: []*mil.Value{v}, Outputs: []*mil.Value{v}})
		}
		n.Outputs = []*mil.Value{{Name: "o", Type: mil.TensorType(tensor.Int32)}}
		b.Append(n)
		return n.Outputs
	})
	if err := runIn(context.Background(), f, 0); err == nil || !strings.Contains(err.Error(), "a branch has inputs") {
		t.Errorf("have %v, want a complaint about inputs of a branch", err)
	}
}

// Integers lie outside of the arena: they count as long as somebody may read
// them, and no longer.
func TestIntegersCount(t *testing.T) {
	chain := func(keep bool) *mil.Func {
		return program(func(b *mil.Builder) []*mil.Value {
			x := unknown(b)
			all := []*mil.Value{op.Tile.Add(b, op.TileArgs{X: x, Reps: mil.NewConst("reps", tensor.Ints([]int{1}, []int32{1 << 18}))})}
			for range 10 {
				all = append(all, op.Add.Add(b, op.Binary{X: all[len(all)-1], Y: number(1)}))
			}
			if !keep {
				all = all[len(all)-1:]
			}
			return all
		})
	}
	if err := runIn(context.Background(), chain(false), 4<<20); err != nil {
		t.Error(err)
	}
	wantLimit(t, runIn(context.Background(), chain(true), 4<<20), "prediction takes more than 4194304 bytes")
}

// A list that grows in a loop counts with what it holds.
func TestListsCount(t *testing.T) {
	f := program(func(b *mil.Builder) []*mil.Value {
		list := op.MakeList.Add(b, op.MakeListArgs{InitLength: number(0), DynamicLength: true, DType: "fp32", ElemShape: []*mil.Value{number(1 << 16)}})
		piece := mil.NewConst("piece", tensor.Zeros(tensor.Float32, []int{1 << 16}))
		outs := loopOver(b, []*mil.Value{list, number(0)}, forever, func(b *mil.Builder, vars []*mil.Value) []*mil.Value {
			return []*mil.Value{
				op.ListWrite.Add(b, op.ListWriteArgs{Ls: vars[0], Index: vars[1], Value: piece}),
				op.Add.Add(b, op.Binary{X: vars[1], Y: number(1)}),
			}
		})
		return outs[1:]
	})
	wantLimit(t, runIn(context.Background(), f, 4<<20), "prediction takes more than")
}

// Gathering one large element again and again makes more than there is.
func TestGatheredListsAreBounded(t *testing.T) {
	f := program(func(b *mil.Builder) []*mil.Value {
		list := op.MakeList.Add(b, op.MakeListArgs{InitLength: number(1), DType: "fp32", ElemShape: []*mil.Value{number(1 << 16)}})
		many := op.Tile.Add(b, op.TileArgs{
			X: unknown(b), Reps: mil.NewConst("reps", tensor.Ints([]int{1}, []int32{1 << 12})),
		})
		return []*mil.Value{op.ListGather.Add(b, op.ListGatherArgs{Ls: list, Indices: many})}
	})
	wantLimit(t, runIn(context.Background(), f, 4<<20), "takes more than 4194304 bytes")
}

func TestStatesCount(t *testing.T) {
	held := mil.TensorType(tensor.Float32, 1<<20)
	f := &mil.Func{Name: "main", Opset: mil.IOS18, Body: &mil.Block{}}
	var types []mil.Type
	for _, name := range []string{"a", "b"} {
		f.Inputs = append(f.Inputs, &mil.Value{Name: name, Type: mil.Type{Kind: mil.State, Elem: &held}})
		types = append(types, f.Inputs[0].Type)
	}
	for states, maxBytes := range []int{2 << 20, 6 << 20} {
		p, err := Compile(f, types, Options{MaxBytes: maxBytes})
		if err != nil {
			t.Fatal(err)
		}
		pool := par.New(1)
		defer pool.Close()
		s := State{}
		_, err = p.NewRun(pool).Do(context.Background(), make([]*tensor.Tensor, 2), s)
		wantLimit(t, err, "takes more than")
		if len(s) > states+1 {
			t.Errorf("%d bytes: %d states were made", maxBytes, len(s))
		}
	}
}

// What is constant is only computed ahead of time as long as there is room;
// it still is computed.
func TestFoldingIsBounded(t *testing.T) {
	f := program(func(b *mil.Builder) []*mil.Value {
		shape := mil.NewConst("shape", tensor.Ints([]int{1}, []int32{1 << 18}))
		sum := op.Fill.Add(b, op.FillArgs{Shape: shape, Value: tensor.Floats(nil, []float32{1})})
		for range 20 {
			sum = op.Add.Add(b, op.Binary{X: sum, Y: sum})
		}
		return []*mil.Value{sum}
	})
	s := &specializer{opset: f.Opset, opts: Options{MaxBytes: 4 << 20}}
	if err := s.block(f.Clone().Body); err != nil {
		t.Fatal(err)
	}
	if s.folds > 4<<20 || s.folds < 3<<20 {
		t.Errorf("%d bytes were folded, want at most %d, and not much less", s.folds, 4<<20)
	}
	p, err := Compile(f, nil, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	pool := par.New(1)
	defer pool.Close()
	out, err := p.NewRun(pool).Do(context.Background(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v := out[0].F32()[1000]; v != 1<<20 {
		t.Errorf("have %v, want %v", v, 1<<20)
	}
}

// The result of a product of two types has the type that was inferred, which
// is that of the argument that is not a constant, when it comes to run.
func TestMixedProductKeepsItsType(t *testing.T) {
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Int32, 2, 3)}
	b := mil.NewBuilder(mil.IOS17)
	y := mil.NewConst("y", tensor.New(tensor.Float16, []int{3, 1}, []float32{1, 2, 3}))
	b.Block.Outputs = []*mil.Value{op.MatmulIOS17.Add(b, op.MatmulIOS17Args{X: x, Y: y})}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	f := &mil.Func{Name: "main", Opset: mil.IOS17, Inputs: []*mil.Value{x}, Body: b.Block}
	out := compileAndRun(t, f, []*tensor.Tensor{tensor.Ints([]int{2, 3}, []int32{1, 2, 3, 4, 5, 6})}, Options{}, 1)[0]
	if got := out.String(); got != "2×1 int32" || out.I32()[1] != 32 {
		t.Errorf("have %s %v, want 2×1 int32 [14 32]", got, out.Float64s())
	}
}
