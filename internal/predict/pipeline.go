package predict

import (
	"context"
	"fmt"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// pipeline answers by its models, one after the other. Features flow by name:
// a model may take what the pipeline takes and what the models before it give.
type pipeline struct {
	face
	stages []stage
}

type stage struct {
	*Model
	place string // for errors
}

// maxNesting bounds pipelines in pipelines.
const maxNesting = 16

func newPipeline(doc *mlmodel.Model, s *spec.Model, o Options, depth int) (_ *pipeline, err error) {
	if depth == maxNesting {
		return nil, fault.New(fault.Limit, "", "pipelines are nested more than %d deep", maxNesting)
	}
	p := &pipeline{face: faceOf(s.GetDescription(), o)}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := p.needOutputs(); err != nil {
		return nil, err
	}
	of := s.GetPipeline()
	switch s.WhichType() {
	case spec.Model_PipelineClassifier_case:
		of = s.GetPipelineClassifier().GetPipeline()
	case spec.Model_PipelineRegressor_case:
		of = s.GetPipelineRegressor().GetPipeline()
	}
	if len(of.GetModels()) == 0 {
		return nil, fault.New(fault.Corrupt, "", "the pipeline has no models")
	}
	o.Function = "" // the models' own defaults
	known := map[string]bool{}
	for _, d := range p.inputs {
		known[d.GetName()] = true
	}
	for i, inner := range of.GetModels() {
		place := fmt.Sprintf("models[%d]", i)
		if names := of.GetNames(); i < len(names) && names[i] != "" {
			place = fmt.Sprintf("model %q", names[i])
		}
		m, err := load(doc, inner, o, depth+1)
		if err != nil {
			return nil, at(place, err)
		}
		p.stages = append(p.stages, stage{m, place})
		for _, d := range m.inputs {
			if !known[d.GetName()] && !d.GetType().GetIsOptional() {
				return nil, fault.New(fault.Corrupt, place, "its input %q comes neither from the pipeline's inputs nor from a model before it", d.GetName())
			}
		}
		for _, d := range m.outputs {
			known[d.GetName()] = true
		}
	}
	for _, d := range p.outputs {
		if !known[d.GetName()] {
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("output %q", d.GetName()), "is described, but no model of the pipeline makes it")
		}
	}
	return p, nil
}

// at names the place of an error, whose kind stays.
func at(place string, err error) error {
	return fault.New(fault.KindOf(err), place, "%w", err)
}

func (p *pipeline) close() {
	for _, s := range p.stages {
		s.close()
	}
}

func (p *pipeline) predict(ctx context.Context, threads int, in Features, state State) (Features, error) {
	values, err := p.flow(in, func(s stage, in Features) (Features, error) {
		return s.predict(ctx, threads, in, state)
	})
	if err != nil {
		return nil, err
	}
	out := make(Features, len(p.outputs))
	for _, d := range p.outputs {
		v, ok := values[d.GetName()]
		if !ok {
			return nil, fault.New(fault.BadValue, fmt.Sprintf("output %q", d.GetName()), "is an optional input that is missing")
		}
		if t, ok := v.(*tensor.Tensor); ok {
			if v, err = dressed(d.GetType(), t); err != nil {
				return nil, fault.New(fault.BadShape, fmt.Sprintf("output %q", d.GetName()), "%w", err)
			}
		}
		out[d.GetName()] = v
	}
	return out, nil
}

func (p *pipeline) cost(ctx context.Context, in Features) (int64, error) {
	var total int64
	_, err := p.flow(in, func(s stage, in Features) (Features, error) {
		n, err := s.cost(ctx, in)
		if err != nil {
			return nil, err
		}
		total += n
		return s.predict(ctx, 1, in, nil)
	})
	return total, err
}

// flow lets the features run through all models and returns what they all have
// given, the pipeline's inputs included.
func (p *pipeline) flow(in Features, step func(s stage, in Features) (Features, error)) (Features, error) {
	if err := p.check(in); err != nil {
		return nil, err
	}
	values := make(Features, len(in))
	for name, v := range in {
		values[name] = v
	}
	bytes := 0
	for _, s := range p.stages {
		taken := make(Features, len(s.inputs))
		for _, d := range s.inputs {
			if v := values[d.GetName()]; v != nil {
				taken[d.GetName()] = v
			}
		}
		made, err := step(s, taken)
		if err != nil {
			return nil, at(s.place, err)
		}
		for name, v := range made {
			values[name] = v
			if t, ok := v.(*tensor.Tensor); ok {
				bytes += t.Len() * max(t.DType().Bits()/8, 1)
			}
		}
		if bytes > p.maxBytes {
			return nil, fault.New(fault.Limit, s.place, "the models have made arrays of more than %d bytes", p.maxBytes)
		}
	}
	return values, nil
}
