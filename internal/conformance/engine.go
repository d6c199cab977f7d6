package conformance

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// Engine returns the Runner of this project: each session predicts on one
// thread, since cases run side by side.
func Engine(o predict.Options) Runner { return engine{o} }

type engine struct{ opts predict.Options }

func (e engine) Open(_ context.Context, fsys fs.FS, name, function string) (Session, error) {
	doc, err := mlmodel.OpenFS(fsys, name)
	if err != nil {
		return nil, err
	}
	o := e.opts
	o.Threads, o.Function = 1, function
	m, err := predict.Load(doc, o)
	if err != nil {
		doc.Close()
		return nil, err
	}
	return &session{doc: doc, model: m, state: m.NewState()}, nil
}

type session struct {
	doc   *mlmodel.Model
	model *predict.Model
	state predict.State
}

func (s *session) Close() error {
	s.model.Close()
	return s.doc.Close()
}

func (s *session) ReadState(name string) (*tensor.Tensor, error) {
	if t := s.state[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("there is no state %q", name)
}

func (s *session) WriteState(name string, v *tensor.Tensor) error {
	s.state[name] = v
	return nil
}

func (s *session) Predict(ctx context.Context, inputs map[string]Value) (map[string]Value, error) {
	in, err := Features(inputs)
	if err != nil {
		return nil, err
	}
	out, err := s.model.Predict(ctx, in, s.state)
	if err != nil {
		return nil, err
	}
	return Values(out)
}

// Features are the values of a case as models take them.
func Features(values map[string]Value) (predict.Features, error) {
	in := predict.Features{}
	for name, v := range values {
		f, err := feature(v)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", name, err)
		}
		in[name] = f
	}
	return in, nil
}

// Values are a model's features as cases hold them.
func Values(features predict.Features) (map[string]Value, error) {
	values := map[string]Value{}
	for name, f := range features {
		v, err := value(f)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		values[name] = v
	}
	return values, nil
}

// feature is a case's value as a model takes it.
func feature(v Value) (any, error) {
	switch v := v.(type) {
	case Array:
		return v.Tensor, nil
	case Image:
		return picture(v.Tensor)
	case String:
		return string(v), nil
	case Int:
		return int64(v), nil
	case Float:
		return float64(v), nil
	case StringDict:
		return map[string]float64(v), nil
	case IntDict:
		return map[int64]float64(v), nil
	}
	return nil, fmt.Errorf("a %T", v)
}

// picture makes a picture of H×W×3 or H×W samples.
func picture(t *tensor.Tensor) (*media.Image, error) {
	s := t.Shape()
	channels := 1
	if len(s) == 3 {
		channels = s[2]
	}
	if len(s) < 2 || len(s) > 3 || (channels != 1 && channels != 3) {
		return nil, fmt.Errorf("a picture of shape %s", tensor.FormatShape(s))
	}
	m := media.New(s[1], s[0], channels)
	for i, x := range t.Float64s() {
		m.Pix[i] = uint8(min(max(x, 0), 255))
	}
	return m, nil
}

// value is a model's result as a case holds it.
func value(f any) (Value, error) {
	switch f := f.(type) {
	case *tensor.Tensor:
		return Array{f}, nil
	case *media.Image:
		shape := []int{f.H, f.W}
		if f.Channels > 1 {
			shape = append(shape, f.Channels)
		}
		t, err := tensor.FromPacked(tensor.Uint8, shape, f.Pix)
		return Image{t}, err
	case string:
		return String(f), nil
	case int64:
		return Int(f), nil
	case float64:
		return Float(f), nil
	case map[string]float64:
		return StringDict(f), nil
	case map[int64]float64:
		return IntDict(f), nil
	}
	return nil, fmt.Errorf("a %T", f)
}
