package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/tensor"
)

const (
	fuzzBytes = 16 << 20         // what a run may take
	fuzzHeap  = 32 * fuzzBytes   // what the process may: garbage counts until it is collected
	fuzzTime  = 10 * time.Second // what a run may take that is cancelled after a tenth of a second
)

// FuzzProgram runs programs over the whole table of operators, well formed but
// for some hostile constants. They may fail, but neither panic nor take more
// memory or time than they are given; and the kernels, with whatever is fused,
// must agree with the reference evaluation.
func FuzzProgram(f *testing.F) {
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 40+20*seed)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	peak := watchHeap(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzProgram(t, b, peak)
	})
}

func fuzzProgram(t *testing.T, b []byte, peak *atomic.Uint64) {
	if len(b) > 2000 {
		return
	}
	g := generate(b)
	peak.Store(0)
	if !g.specialize(t) {
		return
	}
	levels := cpu.Available()
	o := Options{MaxBytes: fuzzBytes, Level: levels[len(b)%len(levels)], Strict: g.half}
	have, err := g.run(t, o)
	if p := peak.Load(); p > fuzzHeap {
		t.Errorf("the heap grew to %d MB\n%s", p>>20, g)
	}
	o.Level, o.Reference = 0, true
	want, wantErr := g.run(t, o)
	if g.random || limited(err) || limited(wantErr) {
		return
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("with kernels: %v\nreference: %v\n%s", err, wantErr, g)
	}
	if err == nil {
		g.compare(t, o, want, have)
	}
}

// watchHeap looks at the heap all the time and keeps the most that it saw.
func watchHeap(f testing.TB) *atomic.Uint64 {
	var peak atomic.Uint64
	done := make(chan struct{})
	f.Cleanup(func() { close(done) })
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			metrics.Read(sample)
			if n := sample[0].Value.Uint64(); n > peak.Load() {
				peak.Store(n)
			}
		}
	}()
	return &peak
}

// limited tells the errors that are a matter of when, not of what.
func limited(err error) bool {
	return fault.KindOf(err) == fault.Limit || errors.Is(err, context.DeadlineExceeded)
}

// specialize brings the program into the form that is compiled: what nobody
// needs is gone, with the errors that it would have made.
func (g *generator) specialize(t *testing.T) bool {
	defer g.guard(t)()
	fn, err := Specialize(g.fn, g.types(), Options{MaxBytes: fuzzBytes})
	if err != nil {
		return false
	}
	pass.Optimize(fn)
	g.fn = fn
	return true
}

// types are those of the inputs of this run.
func (g *generator) types() []mil.Type {
	types := make([]mil.Type, len(g.inputs))
	for i, v := range g.fn.Inputs {
		if types[i] = v.Type; g.inputs[i] != nil {
			types[i] = mil.TypeOf(g.inputs[i])
		}
	}
	return types
}

// guard returns a function that, deferred, tells what panicked or took long.
func (g *generator) guard(t *testing.T) func() {
	start := time.Now()
	return func() {
		if p := recover(); p != nil {
			t.Fatalf("panic: %v\n%s\n%s", p, debug.Stack(), g)
		}
		if d := time.Since(start); d > fuzzTime {
			t.Errorf("took %v\n%s", d, g)
		}
	}
}

// run compiles the program and runs it twice, the second time over a used
// arena. What it returns are the first run's results and the second's.
func (g *generator) run(t *testing.T, o Options) ([]*tensor.Tensor, error) {
	defer g.guard(t)()
	p, err := Compile(g.fn, g.types(), o)
	if err != nil {
		return nil, err
	}
	pool := par.New(1 + len(g.inputs)%2)
	defer pool.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second/10)
	defer cancel()
	run, state := p.NewRun(pool), State{}
	var outs []*tensor.Tensor
	for range 2 {
		out, err := run.Do(ctx, g.inputs, state)
		if err != nil {
			return nil, err
		}
		outs = append(outs, out...)
	}
	for i, v := range g.fn.Inputs {
		if g.inputs[i] == nil {
			outs = append(outs, state[v.Name])
		}
	}
	return outs, nil
}

// compare holds results against the reference's. How far they may be off is
// told by the reference itself, run again with every value that it makes
// shaken as much as a rounding would.
func (g *generator) compare(t *testing.T, o Options, want, have []*tensor.Tensor) {
	off := make([]float64, len(want))
	// Sums of products of large numbers are beyond float32, in which kernels
	// add; the reference does so in float64.
	beyond := false
	const large = 1e12
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 5))
		o.Observe = func(_ string, t *tensor.Tensor) {
			if !t.DType().IsFloat() {
				return
			}
			for i, v := range t.F32() {
				beyond = beyond || math.Abs(float64(v)) > large
				t.F32()[i] = v + v*1e-6*(r.Float32()-0.5)
			}
		}
		shaken, err := g.run(t, o)
		if err != nil {
			return
		}
		if beyond {
			return
		}
		for i := range want {
			off[i] = max(off[i], distance(want[i], shaken[i]))
		}
	}
	for i := range want {
		tolerance := 2e-5*scale(want[i]) + 300*off[i]
		if g.half { // a value between two halves may be rounded to either
			tolerance += 4e-3 * scale(want[i])
		}
		if d := distance(want[i], have[i]); !(d <= tolerance) {
			t.Fatalf("output %d is off by %g, not %g:\nwant %s %s\nhave %s %s\n%s", i, d, tolerance, want[i], show(want[i]), have[i], show(have[i]), g)
		}
	}
}

// distance is the greatest difference of two values, infinite where they
// cannot be compared.
func distance(a, b *tensor.Tensor) float64 {
	if !mil.TypeOf(a).Equal(mil.TypeOf(b)) {
		return math.Inf(1)
	}
	if a.DType() == tensor.String {
		return 0
	}
	d := 0.0
	y := b.Float64s()
	for i, x := range a.Float64s() {
		switch {
		case x == y[i] || x != x && y[i] != y[i]:
		case math.Abs(x) > 1e37 && math.Abs(y[i]) > 1e37: // on the way to infinity
		case x != x || y[i] != y[i]:
			return math.Inf(1)
		default:
			d = max(d, math.Abs(x-y[i]))
		}
	}
	return d
}

func scale(t *tensor.Tensor) float64 {
	s := 1.0
	if t.DType() == tensor.String {
		return s
	}
	for _, v := range t.Float64s() {
		if a := math.Abs(v); a > s && !math.IsInf(a, 0) {
			s = a
		}
	}
	return s
}

func show(t *tensor.Tensor) string {
	if t.DType() == tensor.String {
		return fmt.Sprint(t.Strings())
	}
	v := t.Float64s()
	return fmt.Sprint(v[:min(len(v), 40)])
}

// String writes the program, and the constants and inputs that are short.
func (g *generator) String() string {
	var b strings.Builder
	if err := (&mil.Program{Funcs: []*mil.Func{g.fn}}).WriteText(&b); err != nil {
		fmt.Fprintln(&b, err)
	}
	for i, t := range g.inputs {
		if t != nil {
			fmt.Fprintf(&b, "in%d: %s %s\n", i, t, show(t))
		}
	}
	var seen []*mil.Value
	g.fn.Body.Walk(func(n *mil.Node) {
		for _, in := range n.Inputs {
			for _, v := range in.Values {
				if v.Const != nil && !slices.Contains(seen, v) {
					seen = append(seen, v)
					fmt.Fprintf(&b, "%s.%s: %s %s\n", n.Name, in.Name, v.Const, show(v.Const))
				}
			}
		}
	})
	return b.String()
}
