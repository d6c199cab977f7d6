package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// rules is a runner whose models are the names of rules, which it looks up.
type rules map[string]func(ctx context.Context, s *ruleSession, in map[string]Value) (map[string]Value, error)

type ruleSession struct {
	rule     func(ctx context.Context, s *ruleSession, in map[string]Value) (map[string]Value, error)
	function string
	states   map[string]*tensor.Tensor
	closed   error
}

func (r rules) Open(_ context.Context, fsys fs.FS, model, function string) (Session, error) {
	b, err := fs.ReadFile(fsys, model)
	if err != nil {
		return nil, err
	}
	rule, ok := r[string(b)]
	if !ok {
		return nil, fmt.Errorf("no rule %q", b)
	}
	return &ruleSession{rule: rule, function: function, states: map[string]*tensor.Tensor{}}, nil
}

func (s *ruleSession) Predict(ctx context.Context, in map[string]Value) (map[string]Value, error) {
	return s.rule(ctx, s, in)
}

func (s *ruleSession) ReadState(name string) (*tensor.Tensor, error) {
	if s.states[name] == nil {
		return nil, errors.New("no such state")
	}
	return s.states[name], nil
}

func (s *ruleSession) WriteState(name string, v *tensor.Tensor) error {
	s.states[name] = v
	return nil
}

func (s *ruleSession) Close() error { return s.closed }

// smallRules are the rules of testdata/cases.
func smallRules() rules {
	return rules{"double": double, "accumulate": accumulate, "classify": classify, "brightness": brightness, "coin": coin}
}

func double(_ context.Context, _ *ruleSession, in map[string]Value) (map[string]Value, error) {
	x := in["x"].(Array)
	y := slices.Clone(x.F32())
	for i := range y {
		y[i] *= 2
	}
	return map[string]Value{"y": Array{tensor.Floats(x.Shape(), y)}}, nil
}

func accumulate(_ context.Context, s *ruleSession, in map[string]Value) (map[string]Value, error) {
	x := in["x"].(Array).F32()
	sum := make([]float32, len(x))
	if old := s.states["sum"]; old != nil {
		copy(sum, old.F32())
	}
	for i := range x {
		sum[i] += x[i]
	}
	s.states["sum"] = tensor.New(tensor.Float16, []int{len(x)}, sum)
	return map[string]Value{"y": Array{tensor.Floats([]int{len(x)}, sum)}}, nil
}

func classify(_ context.Context, _ *ruleSession, in map[string]Value) (map[string]Value, error) {
	p := float64(in["p"].(Float))
	label := String("no")
	if p >= 0.5 {
		label = "yes"
	}
	total := in["n"].(Int)
	for _, v := range in["counts"].(IntDict) {
		total += Int(v)
	}
	if _, ok := in["colour"].(String); !ok {
		return nil, errors.New("want a colour")
	}
	var sum Float
	for _, v := range in["row"].(Array).Float64s() {
		sum += Float(v)
	}
	return map[string]Value{"label": label, "classProbability": StringDict{"yes": p, "no": 1 - p}, "total": total, "sum": sum}, nil
}

func brightness(_ context.Context, _ *ruleSession, in map[string]Value) (map[string]Value, error) {
	picture, mask := in["picture"].(Image), in["mask"].(Image)
	mean := func(v Image) float64 {
		var sum float64
		for _, p := range v.Float64s() {
			sum += p
		}
		return sum / float64(v.Len())
	}
	negative := make([]int32, picture.Len())
	for i, p := range picture.I32() {
		negative[i] = 255 - p
	}
	return map[string]Value{
		"mean":     Float((mean(picture) + mean(mask)) * float64(in["factor"].(Float))),
		"negative": Image{tensor.New(tensor.Uint8, picture.Shape(), negative)},
	}, nil
}

func coin(_ context.Context, s *ruleSession, _ map[string]Value) (map[string]Value, error) {
	if s.function != "fair" {
		return nil, fmt.Errorf("no function %q", s.function)
	}
	sides := make([]float32, 100)
	for i := range sides {
		sides[i] = float32(i % 2)
	}
	return map[string]Value{
		"sides":      Array{tensor.Floats([]int{100}, sides)},
		"only_shape": Array{tensor.Zeros(tensor.Float32, []int{2, 1})},
	}, nil
}

// echo is a runner that knows the cases and answers with what is expected, or
// with something else where change is set.
type echo struct {
	cases  map[fs.FS]*Case
	change bool
}

func newEcho(s *Suite, change bool) echo {
	r := echo{map[fs.FS]*Case{}, change}
	for _, c := range s.Cases {
		r.cases[c.fsys] = c
	}
	return r
}

func (r echo) Open(_ context.Context, fsys fs.FS, model, _ string) (Session, error) {
	if _, err := fs.Stat(fsys, model); err != nil {
		return nil, err
	}
	plan, err := r.cases[fsys].readSteps()
	return &echoSession{plan: plan, change: r.change}, err
}

type echoSession struct {
	plan   []*prediction
	at     int
	change bool
}

func (s *echoSession) Predict(context.Context, map[string]Value) (map[string]Value, error) {
	p := s.plan[s.at]
	s.at++
	out := map[string]Value{}
	for i := range p.Outputs {
		out[p.Outputs[i].Name] = s.answer(&p.Outputs[i], p.want[i])
	}
	return out, nil
}

func (s *echoSession) answer(e *entry, want Value) Value {
	v := want
	switch {
	case want != nil && e.ExpectedShape != nil:
		v = Array{want.(Array).Reshape(e.ExpectedShape)}
	case want == nil && e.Check == checkMoments:
		v = Array{sampleOf(e)}
	case want == nil:
		v = Array{tensor.Zeros(tensor.Float32, e.Shape)}
	}
	if s.change {
		v = changed(v)
	}
	return v
}

func (s *echoSession) ReadState(name string) (*tensor.Tensor, error) {
	p := s.plan[s.at-1]
	for i := range p.Outputs {
		if p.Outputs[i].State == name {
			return s.answer(&p.Outputs[i], p.want[i]).(Array).Tensor, nil
		}
	}
	return nil, errors.New("no such state")
}

func (s *echoSession) WriteState(string, *tensor.Tensor) error { return nil }
func (s *echoSession) Close() error                            { return nil }

// sampleOf returns values with the moments of an even coin or, where the
// variance is not that of one, of the uniform distribution over [0, 1].
func sampleOf(e *entry) *tensor.Tensor {
	n := tensor.Size(e.Shape)
	v := make([]float32, n)
	for i := range v {
		v[i] = (float32(i) + 0.5) / float32(n)
		if len(e.CentralMoments) > 2 && e.CentralMoments[2] > 0.2 {
			v[i] = float32(i % 2)
		}
	}
	return tensor.Floats(e.Shape, v)
}

// changed returns a value that no measure may take for v: numbers are far off,
// and there is one too many of them where that alone would not be seen.
func changed(v Value) Value {
	switch v := v.(type) {
	case String:
		return v + "?"
	case Int:
		return v + 1
	case Float:
		return v + 10*Float(math.Abs(float64(v))+1)
	case StringDict:
		return changedDict(v)
	case IntDict:
		return changedDict(v)
	case Image:
		return changed(Array(v))
	case Array:
		n := v.Float64s()
		var peak float64
		constant := true
		for _, x := range n {
			if finite(x) {
				peak = max(peak, math.Abs(x))
			}
			constant = constant && x == 0
		}
		out := make([]float64, len(n), len(n)+1)
		for i, x := range n {
			if out[i] = x + float64(1+i%2)*10*(peak+1); !finite(x) {
				out[i] = 0
			}
		}
		shape := v.Shape()
		if constant { // it may be that only the shape counts
			out = append(out, 0)
			shape = []int{len(out)}
		}
		return Array{tensor.New(tensor.Float64, shape, out)}
	}
	return v
}

func changedDict[K comparable, D ~map[K]float64](d D) D {
	out := D{}
	for k, v := range d {
		out[k] = v + 10*(math.Abs(v)+1)
	}
	return out
}
