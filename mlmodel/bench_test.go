package mlmodel

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// zeros is a reader of zeros.
type zeros struct{}

func (zeros) ReadAt(p []byte, off int64) (int, error) { clear(p); return len(p), nil }

// largeModel writes a network of that many convolutions with 512 KB of
// weights each, and a bias.
func largeModel(t testing.TB, layers int) string {
	t.Helper()
	m := New(spec.Model_builder{SpecificationVersion: 4, NeuralNetwork: new(spec.NeuralNetwork)}.Build())
	var all []*spec.NeuralNetworkLayer
	for i := range layers {
		p := spec.ConvolutionLayerParams_builder{
			OutputChannels: 256, KernelChannels: 512, KernelSize: []uint64{1, 1},
			Weights: new(spec.WeightParams), Bias: new(spec.WeightParams),
		}.Build()
		if err := m.SetWeights(p.GetWeights(), NewWeights(Float32, zeros{}, 4*256*512)); err != nil {
			t.Fatal(err)
		}
		if err := m.SetWeights(p.GetBias(), NewWeights(Float32, zeros{}, 4*256)); err != nil {
			t.Fatal(err)
		}
		all = append(all, spec.NeuralNetworkLayer_builder{Name: fmt.Sprint("conv", i), Convolution: p}.Build())
	}
	m.Spec().GetNeuralNetwork().SetLayers(all)
	name := filepath.Join(t.TempDir(), "large.mlmodel")
	if err := m.Save(name); err != nil {
		t.Fatal(err)
	}
	return name
}

// Opening a model of 105 MB and counting what is in it.
func BenchmarkOpen(b *testing.B) {
	name := largeModel(b, 200)
	b.ReportAllocs()
	for b.Loop() {
		m, err := Open(name)
		if err != nil {
			b.Fatal(err)
		}
		if s := m.Summary(); s.Parameters != 200*(256*512+256) {
			b.Fatal(s.Parameters)
		}
		m.Close()
	}
}

// What a plain decoder takes for the same file.
func BenchmarkUnmarshal(b *testing.B) {
	name := largeModel(b, 200)
	b.ReportAllocs()
	for b.Loop() {
		file, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		if err := proto.Unmarshal(file, new(spec.Model)); err != nil {
			b.Fatal(err)
		}
	}
}

// Encoding it again with one layer changed.
func BenchmarkEncode(b *testing.B) {
	m, err := Open(largeModel(b, 200))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	layers(m)[77].SetName("other")
	b.ReportAllocs()
	for b.Loop() {
		r, err := m.encode()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// Opening a model reads its structure, not its weights: hardly any memory,
// and a small part of the time that decoding it all takes.
func TestOpenIsLazy(t *testing.T) {
	name := largeModel(t, 40)
	m, err := Open(name) // fills tables that are made once
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	var before, after runtime.MemStats
	least := time.Hour
	runtime.ReadMemStats(&before)
	const runs = 5
	for range runs {
		start := time.Now()
		m, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		m.Summary()
		least = min(least, time.Since(start))
		m.Close()
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / runs; n > 2<<20 {
		t.Errorf("%d bytes allocated", n)
	}
	if least > 50*time.Millisecond {
		t.Errorf("took %v", least)
	}
}
