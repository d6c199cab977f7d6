package compress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

func open(t testing.TB, path string) *mlmodel.Model {
	t.Helper()
	m, err := mlmodel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func testModel(t testing.TB, name string) *mlmodel.Model {
	t.Helper()
	return open(t, filepath.Join("testdata", name))
}

func quantized(t testing.TB, m *mlmodel.Model, o Options) *Report {
	t.Helper()
	r, err := Quantize(context.Background(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// saved saves a model and opens it again.
func saved(t testing.TB, m *mlmodel.Model) *mlmodel.Model {
	t.Helper()
	name := "out.mlmodel"
	if m.IsPackage() {
		name = "out.mlpackage"
	}
	path := filepath.Join(t.TempDir(), name)
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

// netWeight is a weight of a network with what it stands for.
type netWeight struct {
	mlmodel.LayerWeights
	payload mlmodel.Weights
	bytes   []byte
	values  []float32
}

func (w netWeight) key() string { return w.Layer.Path + "." + w.Role }

// networkWeights returns all weights of a model in order.
func networkWeights(t testing.TB, m *mlmodel.Model) []netWeight {
	t.Helper()
	var all []netWeight
	for lw := range mlmodel.NetworkWeights(m.Spec()) {
		w := netWeight{LayerWeights: lw}
		var err error
		if w.payload, err = m.Weights(lw.Params); err != nil {
			t.Fatal(err)
		}
		if w.payload.Kind() == 0 {
			continue
		}
		if w.bytes, err = w.payload.Bytes(); err != nil {
			t.Fatal(err)
		}
		shape := lw.Shape
		if shape == nil {
			shape = []int{int(w.payload.Len(8))}
		}
		axis := lw.Axis
		if len(lw.Params.GetQuantization().GetLinearQuantization().GetScale()) == 1 {
			axis = -1
		}
		if w.values, err = w.payload.Values(lw.Params.GetQuantization(), shape, axis); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	return all
}

func difference(want, got []float32) (mse, most float64) {
	for i, x := range want {
		d := math.Abs(float64(x) - float64(got[i]))
		mse += d * d / float64(len(want))
		most = max(most, d)
	}
	return mse, most
}

// sameError compares the figures of a report with those of values that may
// have been decoded with another rounding, by two units in the last place.
func sameError(l LayerReport, want, got []float32) error {
	var largest float64
	for _, x := range got {
		largest = max(largest, math.Abs(float64(x)))
	}
	tolerance := 2 * largest / (1 << 23)
	mse, most := difference(want, got)
	if math.Abs(l.MaxError-most) > tolerance || math.Abs(l.MSE-mse) > 2*most*tolerance+tolerance*tolerance {
		return fmt.Errorf("%s: error %g, %g, want %g, %g", l.Name, l.MSE, l.MaxError, mse, most)
	}
	return nil
}

// Networks get what coremltools makes of them, bit for bit.
func TestNetworkAsReference(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		bits int
	}{{Linear, 8}, {Linear, 3}, {LinearSymmetric, 8}, {LinearLUT, 4}, {Float16, 16}} {
		name := fmt.Sprintf("network_%s_%d.mlmodel", c.mode, c.bits)
		m := testModel(t, "network.mlmodel")
		quantized(t, m, Options{Bits: c.bits, Mode: c.mode})
		got := map[string]netWeight{}
		for _, w := range networkWeights(t, saved(t, m)) {
			got[w.key()] = w
		}
		n := 0
		for _, want := range networkWeights(t, testModel(t, name)) {
			n++
			have, ok := got[want.key()]
			switch {
			case !ok || have.payload.Kind() != want.payload.Kind():
				t.Errorf("%s: %s: %v, want %v", name, want.key(), have.payload.Kind(), want.payload.Kind())
			case !bytes.Equal(have.bytes, want.bytes):
				t.Errorf("%s: %s: %x, want %x", name, want.key(), have.bytes, want.bytes)
			case !proto.Equal(have.Params.GetQuantization(), want.Params.GetQuantization()):
				t.Errorf("%s: %s: %v, want %v", name, want.key(), have.Params.GetQuantization(), want.Params.GetQuantization())
			}
		}
		if n < 80 {
			t.Errorf("%s: only %d weights", name, n)
		}
	}
}

// The report says what is in the file.
func TestNetworkReport(t *testing.T) {
	for _, mode := range []Mode{Linear, LinearSymmetric, LinearLUT, KMeans, CustomLUT} {
		for _, bits := range []int{16, 8, 7, 5, 4, 3, 2, 1} {
			if mode == LinearSymmetric && bits == 1 {
				continue
			}
			before := networkWeights(t, testModel(t, "network.mlmodel"))
			m := testModel(t, "network.mlmodel")
			steps := 0
			r := quantized(t, m, Options{Bits: bits, Mode: mode, CustomLUT: endpoints, Progress: func(done, total int) {
				if steps++; done != steps || total < done {
					t.Errorf("progress %d of %d, want %d", done, total, steps)
				}
			}})
			if _, err := json.Marshal(r); err != nil {
				t.Fatal(err)
			}
			rows := map[string]LayerReport{}
			for _, l := range r.Layers {
				if _, ok := rows[l.Name]; ok {
					t.Errorf("%s occurs twice", l.Name)
				}
				rows[l.Layer+"."+l.Role] = l
			}
			kept := map[string]Kept{}
			for _, k := range r.Kept {
				kept[k.Layer+"."+k.Role] = k
			}
			var total int64
			for i, w := range networkWeights(t, saved(t, m)) {
				place := fmt.Sprintf("%s %d: %s", mode, bits, w.key())
				size := w.payload.Size() + overhead(w.Params.GetQuantization())
				total += size
				if k, ok := kept[w.key()]; ok {
					if k.Bytes != size || k.Reason == "" || !bytes.Equal(w.bytes, before[i].bytes) {
						t.Errorf("%s stays, but not as it was: %+v", place, k)
					}
					continue
				}
				l := rows[w.key()]
				if err := sameError(l, before[i].values, w.values); err != nil {
					t.Errorf("%s: %v", place, err)
				}
				if l.After != size || l.Before != before[i].payload.Size()+overhead(before[i].Params.GetQuantization()) {
					t.Errorf("%s: %d to %d bytes, have %d", place, l.Before, l.After, size)
				}
				if l.Elements != len(w.values) || l.Bits != bits {
					t.Errorf("%s: %+v", place, l)
				}
			}
			if total != r.After || len(rows) != len(r.Layers) || steps != len(r.Layers) {
				t.Errorf("%s %d: %d bytes after, want %d", mode, bits, r.After, total)
			}
		}
	}
}

// endpoints is a custom function that spreads the table evenly.
func endpoints(bits int, w []float32) ([]float32, []int, error) {
	lo, hi := w[0], w[0]
	for _, x := range w {
		lo, hi = min(lo, x), max(hi, x)
	}
	table := make([]float32, 1<<bits)
	for i := range table {
		table[i] = lo + (hi-lo)*float32(i)/float32(len(table)-1)
	}
	p := nearest(table, w)
	codes := make([]int, len(w))
	for i, c := range p.Codes {
		codes[i] = int(c)
	}
	return table, codes, nil
}

// What Core ML would not read stays, and the report says why.
func TestNetworkKept(t *testing.T) {
	reasons := func(o Options) map[string]string {
		m := map[string]string{}
		for _, k := range quantized(t, testModel(t, "network.mlmodel"), o).Kept {
			m[k.Name] = k.Reason
		}
		return m
	}
	codes := map[string]string{
		"custom.weights[0]": "the code of a custom layer reads it", "layer_norm.gamma": "Core ML wants 32-bit floats in this layer",
		"layer_norm.beta": "Core ML wants 32-bit floats in this layer", "conv3d": "Core ML has no codes for this layer",
		"conv3d.bias": "Core ML has no codes for this layer", "prelu.PReLU.alpha": "Core ML has no codes for activations",
		"updatable": "it can be trained on the device", "updatable.bias": "it can be trained on the device",
		"codes": "it is quantized already", "dynamic": "the layer computes with 8-bit integers",
	}
	compare := func(what string, got, want map[string]string) {
		t.Helper()
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			t.Errorf("%s: have %s, want %s", what, g, w)
		}
	}
	compare("codes", reasons(Options{Bits: 4}), codes)
	delete(codes, "codes")
	compare("again", reasons(Options{Bits: 4, Again: true}), codes)
	half := map[string]string{"half": "it is float16 already", "half.bias": "it is float16 already", "codes": "it is quantized already"}
	for _, name := range []string{"custom.weights[0]", "layer_norm.gamma", "layer_norm.beta", "updatable", "updatable.bias", "dynamic"} {
		half[name] = codes[name]
	}
	compare("half", reasons(Options{Bits: 16}), half)
}

// Float weights of a layer have one width.
func TestHalfByLayer(t *testing.T) {
	only := func(w Weight) bool { return w.Name == "conv" }
	r := quantized(t, testModel(t, "network.mlmodel"), Options{Bits: 16, Select: only})
	if len(r.Layers) != 2 || r.Layers[0].Name != "conv" || r.Layers[1].Name != "conv.bias" {
		t.Errorf("compressed %+v", r.Layers)
	}
	m := testModel(t, "network.mlmodel")
	for w := range mlmodel.NetworkWeights(m.Spec()) {
		if w.Layer.Path == "ip" && w.Role == "bias" {
			if err := m.SetWeights(w.Params, mlmodel.FloatWeights([]float32{1, 2, 65520, 3, 4})); err != nil {
				t.Fatal(err)
			}
		}
	}
	r = quantized(t, m, Options{Bits: 16, Select: func(w Weight) bool { return w.Layer == "ip" || w.Layer == "conv" }})
	why := map[string]string{}
	for _, k := range r.Kept {
		why[k.Name] = k.Reason
	}
	if len(r.Layers) != 2 || why["ip"] != "another weight of its layer stays float32" || why["ip.bias"] != "1 of its values are beyond float16" {
		t.Errorf("compressed %+v, %q", r.Layers, why)
	}
}

// A selector, a least size and the choice about vectors keep weights out, and
// nothing but what is chosen changes: with the old weights put back, the file
// has its old bytes.
func TestNetworkSelection(t *testing.T) {
	path := filepath.Join("testdata", "network.mlmodel")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want []string
	}{
		{Options{Bits: 8, Select: func(w Weight) bool { return w.Layer == "ip" }}, []string{"ip", "ip.bias"}},
		{Options{Bits: 8, Select: func(w Weight) bool { return w.Layer == "ip" }, Vectors: VectorsKeep}, []string{"ip"}},
		{Options{Bits: 8, Select: func(w Weight) bool { return w.Type == "embeddingND" && !w.Vector }}, []string{"embedding_nd"}},
		{Options{Bits: 4, Mode: KMeans, MinElements: 40}, []string{"conv", "deconv", "grouped"}},
		{
			Options{Bits: 8, Select: func(w Weight) bool { return strings.HasPrefix(w.Layer, "loop/") || w.Role == "scale" }},
			[]string{"scale.scale", "loop/conditionNetwork/cond", "loop/bodyNetwork/body"},
		},
		{Options{Bits: 2, Select: func(w Weight) bool {
			return w.Elements == 12 && w.Bits == 32 && fmt.Sprint(w.Shape) == "[2 3 4]"
		}}, nil},
	} {
		m := open(t, path)
		r, err := Quantize(context.Background(), m, c.o)
		if len(c.want) == 0 {
			if fault.KindOf(err) != fault.BadValue {
				t.Errorf("nothing selected: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		changed := map[string]bool{}
		for _, l := range r.Layers {
			names = append(names, l.Name)
			changed[l.Layer+"."+l.Role] = true
		}
		if fmt.Sprint(names) != fmt.Sprint(c.want) {
			t.Errorf("compressed %q, want %q", names, c.want)
		}
		m = saved(t, m)
		original := open(t, path)
		old := networkWeights(t, original)
		for i, w := range networkWeights(t, m) {
			if changed[w.key()] {
				w.Params.ClearQuantization()
				if err := m.SetWeights(w.Params, old[i].payload); err != nil {
					t.Fatal(err)
				}
			}
		}
		m.Spec().SetSpecificationVersion(original.Spec().GetSpecificationVersion())
		back := filepath.Join(t.TempDir(), "back.mlmodel")
		if err := m.Save(back); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: something else changed: %v", names, err)
		}
	}
}

// Networks in pipelines are compressed, and every model around them gets the
// version that they need.
func TestPipeline(t *testing.T) {
	for bits, version := range map[int]int32{8: mlmodel.IOS13, 16: mlmodel.IOS13} {
		m := testModel(t, "pipeline.mlmodel")
		for _, s := range mlmodel.Models(m.Spec()) {
			s.SetSpecificationVersion(1)
		}
		r := quantized(t, m, Options{Bits: bits, Select: func(w Weight) bool { return strings.HasPrefix(w.Layer, "inner/") }})
		if len(r.Layers) != 2 || r.Layers[0].Name != "inner/second/ip" || len(r.Kept) != 2 {
			t.Errorf("compressed %+v", r.Layers)
		}
		for path, s := range mlmodel.Models(m.Spec()) {
			want := version // of the network's array shapes
			if path == "first" {
				want = 1
			}
			if got := s.GetSpecificationVersion(); got != want {
				t.Errorf("%d bits: %q has version %d, want %d", bits, path, got, want)
			}
		}
	}
	m := testModel(t, "pipeline.mlmodel")
	m.Spec().SetSpecificationVersion(9)
	quantized(t, m, Options{Bits: 8})
	if v := m.Spec().GetSpecificationVersion(); v != 9 {
		t.Errorf("version %d, was 9", v)
	}
}

// Grouped deconvolutions get a single scale.
func TestGroupedDeconvolution(t *testing.T) {
	m := testModel(t, "network.mlmodel")
	quantized(t, m, Options{Bits: 8})
	for _, w := range networkWeights(t, m) {
		if n := len(w.Params.GetQuantization().GetLinearQuantization().GetScale()); w.Layer.Path == "grouped" && n != 1 {
			t.Errorf("%d scales", n)
		}
	}
}

func TestErrors(t *testing.T) {
	set := func(m *mlmodel.Model, name string, v ...float32) {
		for w := range mlmodel.NetworkWeights(m.Spec()) {
			if w.Layer.Path == name && w.Role == "weights" {
				if err := m.SetWeights(w.Params, mlmodel.FloatWeights(v)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	nan := float32(math.NaN())
	lut := func(table []float32, codes []int, err error) func(int, []float32) ([]float32, []int, error) {
		return func(int, []float32) ([]float32, []int, error) { return table, codes, err }
	}
	ip := func(w Weight) bool { return w.Name == "ip" }
	for _, c := range []struct {
		o    Options
		edit func(m *mlmodel.Model)
		want string
	}{
		{Options{}, nil, "0 bits: want 16, or 8 to 1"},
		{Options{Bits: 9}, nil, "9 bits: want 16, or 8 to 1"},
		{Options{Bits: -1}, nil, "-1 bits: want 16, or 8 to 1"},
		{Options{Bits: 8, Mode: "magic"}, nil, `mode "magic" is not known: want linear, linear_symmetric, linear_lut, kmeans or custom_lut`},
		{Options{Bits: 8, Mode: Float16}, nil, "float16 is of 16 bits, not of 8"},
		{Options{Bits: 1, Mode: LinearSymmetric}, nil, "linear_symmetric: 1 bit has no middle, want 2 or more"},
		{Options{Bits: 8, MinElements: -1}, nil, "least number of elements -1: want 0 or more"},
		{Options{Bits: 8, Mode: CustomLUT}, nil, "custom_lut: neither a function nor tables are given"},
		{Options{Bits: 2, Mode: CustomLUT, Tables: Tables{"": {1, 2, 3}}}, nil, "lookup table: a table for 2 bits has 4 values, this one 3"},
		{Options{Bits: 1, Mode: CustomLUT, Tables: Tables{"ip": {1, nan}}}, nil, `lookup table "ip": table: value 1 is NaN`},
		{Options{Bits: 1, Mode: CustomLUT, Tables: Tables{"ip": {1, 2}, "pi": {1, 2}}}, nil, `lookup table "pi": no weight or layer of that name is compressed`},
		{Options{Bits: 1, Mode: CustomLUT, Select: ip, CustomLUT: lut(nil, nil, errors.New("no idea"))}, nil, `layer "ip": weights: custom lookup table: no idea`},
		{Options{Bits: 1, Mode: CustomLUT, Select: ip, CustomLUT: lut([]float32{1, 2}, make([]int, 34), nil)}, nil, `layer "ip": weights: custom lookup table: want a code for each of 35 weights, have 34`},
		{Options{Bits: 1, Mode: CustomLUT, Select: ip, CustomLUT: lut([]float32{1, 2, 3}, make([]int, 35), nil)}, nil, `layer "ip": weights: custom lookup table: a table for 1 bits has 2 values, this one 3`},
		{Options{Bits: 1, Mode: CustomLUT, Select: ip, CustomLUT: lut([]float32{1, nan}, make([]int, 35), nil)}, nil, `layer "ip": weights: custom lookup table: table: value 1 is NaN`},
		{Options{Bits: 1, Mode: CustomLUT, Select: ip, CustomLUT: lut([]float32{1, 2}, append(make([]int, 34), 2), nil)}, nil, `layer "ip": weights: custom lookup table: code 34 is 2, want 0 to 1`},
		{Options{Bits: 1, Mode: CustomLUT, Select: ip, CustomLUT: lut([]float32{1, 2}, append(make([]int, 34), -1), nil)}, nil, `layer "ip": weights: custom lookup table: code 34 is -1, want 0 to 1`},
		{Options{Bits: 8}, func(m *mlmodel.Model) { set(m, "ip", append(make([]float32, 34), nan)...) }, `layer "ip": weights: value 34 is NaN`},
		{Options{Bits: 16}, func(m *mlmodel.Model) { set(m, "ip", append(make([]float32, 34), nan)...) }, `layer "ip": weights: value 34 is NaN`},
		{Options{Bits: 8}, func(m *mlmodel.Model) { set(m, "ip", 1, 2, 3) }, `layer "ip": weights: weights: want 5×7 = 35 values, have 3`},
		{Options{Bits: 8, Select: func(Weight) bool { return false }}, nil, "no weights are left to compress"},
	} {
		m := testModel(t, "network.mlmodel")
		if c.edit != nil {
			c.edit(m)
		}
		before := proto.CloneOf(m.Spec())
		r, err := Quantize(context.Background(), m, c.o)
		if err == nil || !strings.HasPrefix(err.Error(), filepath.Join("testdata", "network.mlmodel")+": "+c.want) {
			t.Errorf("have error %v, want %s", err, c.want)
			continue
		}
		if fault.KindOf(err) == 0 || r != nil {
			t.Errorf("%v: of no kind, or with a report", err)
		}
		if !proto.Equal(before, m.Spec()) {
			t.Errorf("%v: the model changed", err)
		}
	}
	_, err := Quantize(context.Background(), mlmodel.New(&spec.Model{}), Options{Bits: 8})
	if err == nil || !strings.Contains(err.Error(), "the model has no weights to compress") {
		t.Errorf("empty model: %v", err)
	}
}

// Infinite weights cannot be coded and stay.
func TestInfinite(t *testing.T) {
	m := testModel(t, "network.mlmodel")
	for w := range mlmodel.NetworkWeights(m.Spec()) {
		if w.Layer.Path == "constant" {
			v := make([]float32, 24)
			v[3] = float32(math.Inf(-1))
			if err := m.SetWeights(w.Params, mlmodel.FloatWeights(v)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, bits := range []int{8, 16} {
		for _, k := range quantized(t, m, Options{Bits: bits, Again: true}).Kept {
			if k.Name == "constant.data" && k.Reason != "it has infinite values" {
				t.Errorf("%d bits: %s", bits, k.Reason)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	for _, name := range []string{"network.mlmodel", "ios16_fp32.mlpackage"} {
		m := testModel(t, name)
		before := proto.CloneOf(m.Spec())
		ctx, cancel := context.WithCancel(context.Background())
		o := Options{Bits: 8, Mode: KMeans, MinElements: 1, Workers: 1, Progress: func(done, total int) {
			if done == 2 {
				cancel()
			}
		}}
		if _, err := Quantize(ctx, m, o); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if !proto.Equal(before, m.Spec()) {
			t.Errorf("%s: the model changed", name)
		}
	}
}
