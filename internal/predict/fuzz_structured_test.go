package predict

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

const (
	fuzzBytes = 16 << 20         // what a prediction may take
	fuzzHeap  = 32 * fuzzBytes   // what the process may: garbage counts until it is collected
	fuzzTime  = 10 * time.Second // what a prediction may take that is cancelled after a tenth of a second
)

// fuzzModels reads the models that mutations start from: networks of a single
// kind of layer, and the others.
func fuzzModels(f testing.TB) (networks, others []*spec.Model) {
	archive, err := zip.OpenReader(filepath.Join("testdata", "fuzz_models.zip"))
	if err != nil {
		f.Fatal(err)
	}
	defer archive.Close()
	for _, file := range archive.File {
		r, err := file.Open()
		if err != nil {
			f.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			f.Fatal(err)
		}
		m := &spec.Model{}
		if err := proto.Unmarshal(b, m); err != nil {
			f.Fatal(err)
		}
		if m.HasNeuralNetwork() {
			networks = append(networks, m)
		} else {
			others = append(others, m)
		}
	}
	return networks, others
}

// FuzzNetwork runs networks of small real layers, several in a chain, changed
// at random. They may fail, but neither panic nor take more memory or time
// than they are given; and the kernels, with whatever is fused, must agree
// with the reference evaluation.
func FuzzNetwork(f *testing.F) {
	networks, _ := fuzzModels(f)
	addSeeds(f)
	peak := watchHeap(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzNetwork(t, b, networks, peak)
	})
}

func fuzzNetwork(t *testing.T, b []byte, networks []*spec.Model, peak *atomic.Uint64) {
	m := &mutator{b}
	model := proto.CloneOf(networks[m.far(len(networks))])
	for range m.next(4) {
		m.graft(model, networks[m.far(len(networks))])
	}
	for i := 0; len(m.bytes) > 1 && i < 12; i++ {
		m.mutate(model)
	}
	have, err := ask(t, model, Options{}, peak)
	want, wantErr := ask(t, model, Options{Reference: true}, peak)
	if limited(err) || limited(wantErr) || wantErr != nil {
		return
	}
	if err != nil {
		t.Fatalf("%v; the reference computes it\n%s", err, prototext.Format(model))
	}
	compare(t, model, want, have, peak)
}

// FuzzOther does the same to models that are no networks, and to pipelines.
func FuzzOther(f *testing.F) {
	_, others := fuzzModels(f)
	addSeeds(f)
	peak := watchHeap(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzOther(t, b, others, peak)
	})
}

func fuzzOther(t *testing.T, b []byte, others []*spec.Model, peak *atomic.Uint64) {
	m := &mutator{b}
	model := proto.CloneOf(others[m.far(len(others))])
	for i := 0; len(m.bytes) > 1 && i < 12; i++ {
		m.mutate(model)
	}
	_, _ = ask(t, model, Options{}, peak)
}

func addSeeds(f *testing.F) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		b := make([]byte, 3+seed/2)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
}

// ask loads a model and puts one question to it.
func ask(t *testing.T, s *spec.Model, o Options, peak *atomic.Uint64) (Features, error) {
	start := time.Now()
	peak.Store(0)
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("panic: %v\n%s\n%s", p, debug.Stack(), prototext.Format(s))
		}
		if d := time.Since(start); d > fuzzTime {
			t.Errorf("took %v\n%s", d, prototext.Format(s))
		}
		if p := peak.Load(); p > fuzzHeap {
			t.Errorf("the heap grew to %d MB\n%s", p>>20, prototext.Format(s))
		}
	}()
	doc := mlmodel.New(s)
	defer doc.Close()
	o.Threads, o.MaxBytes = 1, fuzzBytes
	m, err := Load(doc, o)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	in, err := question(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second/10)
	defer cancel()
	return m.Predict(ctx, in, nil)
}

// question returns inputs of the declared sizes.
func question(m *Model) (Features, error) {
	in, err := m.sample()
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, d := range m.Inputs() {
		if d.GetType().HasImageType() {
			in[d.GetName()] = media.New(5, 4, 3)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in)) { // the same numbers each time
		switch v := in[name].(type) {
		case *tensor.Tensor:
			if d := v.DType(); d == tensor.Float32 || d == tensor.Float16 {
				for i := range v.F32() {
					v.F32()[i] = float32(r.NormFloat64())
				}
			} else if d == tensor.Int32 {
				for i := range v.I32() {
					v.I32()[i] = int32(r.IntN(4))
				}
			}
		case float64:
			in[name] = r.NormFloat64()
		case int64:
			in[name] = int64(r.IntN(4))
		case string:
			in[name] = "a"
		case map[string]float64:
			v["a"], v["b"] = 1, 2
		case map[int64]float64:
			v[0], v[2] = 1, 2
		}
	}
	return in, nil
}

// limited tells the errors that are a matter of when, not of what.
func limited(err error) bool {
	return fault.KindOf(err) == fault.Limit || errors.Is(err, context.DeadlineExceeded)
}

// compare holds outputs against the reference's. How far they may be off is
// told by the reference itself, run again with every value that it makes
// shaken as much as a rounding would.
func compare(t *testing.T, s *spec.Model, want, have Features, peak *atomic.Uint64) {
	off := map[string]float64{}
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 5))
		shaken, err := ask(t, s, Options{Reference: true, Observe: func(_ string, t *tensor.Tensor) {
			if !t.DType().IsFloat() {
				return
			}
			for i, v := range t.F32() {
				t.F32()[i] = v + v*1e-6*(r.Float32()-0.5)
			}
		}}, peak)
		if err != nil {
			return
		}
		for name := range want {
			d, _ := distance(want[name], shaken[name])
			off[name] = max(off[name], d)
		}
	}
	for name := range want {
		d, scale := distance(want[name], have[name])
		if tolerance := 2e-5*scale + 300*off[name]; !(d <= tolerance) {
			t.Fatalf("output %q is off by %g, not %g:\nwant %s\nhave %s\n%s", name, d, tolerance, show(want[name]), show(have[name]), prototext.Format(s))
		}
	}
}

// distance is the greatest difference of two outputs, infinite where they
// cannot be compared, and the magnitude of the first.
func distance(a, b any) (d, scale float64) {
	scale = 1
	x, ok := a.(*tensor.Tensor)
	y, also := b.(*tensor.Tensor)
	if !ok || !also {
		if fmt.Sprint(a) == fmt.Sprint(b) || ok != also {
			return 0, scale
		}
		if m, ok := a.(map[string]float64); ok {
			for k, v := range m {
				d, scale = max(d, apart(v, b.(map[string]float64)[k])), max(scale, math.Abs(v))
			}
			return d, scale
		}
		return math.Inf(1), scale
	}
	if !mil.TypeOf(x).Equal(mil.TypeOf(y)) {
		return math.Inf(1), scale
	}
	other := y.Float64s()
	for i, v := range x.Float64s() {
		d = max(d, apart(v, other[i]))
		if m := math.Abs(v); m > scale && !math.IsInf(v, 0) {
			scale = m
		}
	}
	return d, scale
}

func apart(x, y float64) float64 {
	switch {
	case x == y || x != x && y != y:
		return 0
	case math.Abs(x) > 1e37 && math.Abs(y) > 1e37: // on the way to infinity
		return 0
	case x != x || y != y:
		return math.Inf(1)
	}
	return math.Abs(x - y)
}

func show(v any) string {
	if t, ok := v.(*tensor.Tensor); ok {
		all := t.Float64s()
		return fmt.Sprint(t, all[:min(len(all), 40)])
	}
	return fmt.Sprint(v)
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
