//go:build fulldata

package predict

import (
	"context"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/tensor"
)

// TestRunsAllocateOnlyResults holds the number of allocations of a prediction
// on the real models: what is given out, and the list of it.
func TestRunsAllocateOnlyResults(t *testing.T) {
	for _, file := range []string{
		"squeezenet/SqueezeNet.mlmodel", "mobilenet-v1-025/MobileNetV1_025.mlmodel", "mobilenet-v1-025/MobileNetV1_025_fp16.mlpackage",
		"style-wave/StyleWave.mlmodel", "basic-pitch/nmp.mlpackage", "minilm/MiniLM_int8.mlpackage",
	} {
		for _, threads := range []int{1, 2} {
			m := loadShared(t, Options{Threads: threads}, strings.Split(file, "/")...)
			in, err := m.sample()
			if err != nil {
				t.Fatal(err)
			}
			n := m.answerer.(*network)
			inputs, values, err := n.prepare(in)
			if err != nil {
				t.Fatal(err)
			}
			p, err := n.plan(inputs)
			if err != nil {
				t.Fatal(err)
			}
			args := make([]*tensor.Tensor, len(p.Inputs))
			for i, v := range p.Inputs {
				args[i] = values[v.Name]
			}
			pool := par.New(threads)
			defer pool.Close()
			run := p.NewRun(pool)
			predict := func() {
				if _, err := run.Do(context.Background(), args, nil); err != nil {
					t.Fatal(err)
				}
			}
			predict()
			// A result is a tensor, its shape, its elements and their header.
			most := float64(1 + 4*len(p.Outputs))
			if got := testing.AllocsPerRun(5, predict); got > most {
				t.Errorf("%s on %d threads: %v allocations, want at most %v: %d results", file, threads, got, most, len(p.Outputs))
			}
		}
	}
}
