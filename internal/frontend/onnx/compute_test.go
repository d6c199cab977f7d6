package onnx

import (
	"context"

	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// compute runs a program.
func compute(p *Program, given map[string]*tensor.Tensor, reference bool) ([]*tensor.Tensor, error) {
	var types []mil.Type
	var in []*tensor.Tensor
	for _, v := range p.Func.Inputs {
		t, err := given[v.Name].ConvertTo(v.Type.DType)
		if err != nil {
			return nil, err
		}
		in = append(in, t)
		types = append(types, mil.TypeOf(t))
	}
	level, err := cpu.Active()
	if err != nil {
		return nil, err
	}
	plan, err := engine.Compile(p.Func, types, engine.Options{Level: level, Reference: reference})
	if err != nil {
		return nil, err
	}
	pool := par.New(1)
	defer pool.Close()
	return plan.NewRun(pool).Do(context.Background(), in, nil)
}
