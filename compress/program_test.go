package compress

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// taken returns what each operation takes from constants, by "path/operation.parameter".
func taken(t testing.TB, m *mlmodel.Model) (map[string]*constant, *programs) {
	t.Helper()
	p, err := planPrograms(m, Options{Bits: 8}, &Report{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*constant{}
	for _, fn := range p.functions {
		scan := scanner{fn: fn}
		scan.block(fn.block(), nil)
		for _, c := range scan.found {
			for _, u := range c.uses {
				name := strings.TrimSuffix(mlmodel.Operation{Operation: u.op}.Name(), "_cast_fp16")
				name = strings.TrimSuffix(name, "_has_output_shape") // what coremltools' passes make of a name
				all[joinPath(fn.name, name+"."+u.param)] = c
			}
		}
	}
	return all, p
}

// describe writes the operation behind a constant with all that it holds.
func describe(t testing.TB, p *programs, c *constant) string {
	t.Helper()
	held := map[string]*spec.Value{}
	for name, v := range c.op.GetAttributes() {
		if name != "name" {
			held[name] = v
		}
	}
	for name, arg := range c.op.GetInputs() {
		held[name] = arg.GetArguments()[0].GetValue()
	}
	out := c.op.GetType()
	for _, name := range slices.Sorted(maps.Keys(held)) {
		v, err := p.read(held[name])
		if err != nil {
			t.Fatalf("%s: %s: %v", c.name, name, err)
		}
		out += fmt.Sprintf(" %s=%s%v%x", name, v.DType(), v.Shape(), v.Packed())
	}
	return out + fmt.Sprint(" → ", c.dtype, c.shape)
}

func packages(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern+".mlpackage"))
	if err != nil || len(paths) == 0 {
		t.Fatal(pattern, err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

// Programs get the operations that coremltools writes, bit for bit.
func TestProgramAsReference(t *testing.T) {
	for _, name := range packages(t, "ios1*_fp32_*_[48]") {
		parts := strings.SplitN(strings.TrimSuffix(name, ".mlpackage"), "_", 3)
		at := strings.LastIndex(parts[2], "_")
		o := Options{Mode: Mode(parts[2][:at]), Bits: int(parts[2][at+1] - '0'), MinElements: 101}
		m := testModel(t, parts[0]+"_fp32.mlpackage")
		quantized(t, m, o)
		got, p := taken(t, saved(t, m))
		want, q := taken(t, testModel(t, name))
		n := 0
		for key, c := range want {
			if c.isConst() && (!c.dtype.IsFloat() || len(c.shape) == 0) {
				continue
			}
			if !c.isConst() {
				n++
			}
			have := got[key]
			if have == nil {
				t.Errorf("%s: %s is missing", name, key)
			} else if h, w := describe(t, p, have), describe(t, q, c); h != w {
				t.Errorf("%s: %s:\nhave %s\nwant %s", name, key, h, w)
			}
		}
		if n != 7 {
			t.Errorf("%s: %d weights, want 7", name, n)
		}
	}
}

// The report says what is in the file; what is left stays; the result can be
// opened, needs the version that it has, and computes nearly the same.
func TestProgramReport(t *testing.T) {
	for _, name := range append(packages(t, "ios1?_fp??"), "functions.mlpackage") {
		ios18 := !strings.Contains(name, "ios15") && !strings.Contains(name, "ios16")
		half := !strings.Contains(name, "fp32")
		for _, mode := range []Mode{Linear, LinearSymmetric, LinearLUT, KMeans, CustomLUT} {
			for _, bits := range []int{16, 8, 7, 6, 5, 4, 3, 2, 1} {
				if bits == 1 && mode == LinearSymmetric || bits == 16 && half {
					continue
				}
				place := fmt.Sprintf("%s %s %d", name, mode, bits)
				original := testModel(t, name)
				old, oldP := taken(t, original)
				m := testModel(t, name)
				r := quantized(t, m, Options{Bits: bits, Mode: mode, MinElements: 101, CustomLUT: endpoints})
				out := saved(t, m)
				if have, need := out.Spec().GetSpecificationVersion(), out.RequiredVersion(); have < need || have < mlmodel.IOS16 || have > max(need, mlmodel.IOS18) {
					t.Errorf("%s: version %d, needs %d", place, have, need)
				}
				layers := map[string]LayerReport{}
				for _, l := range r.Layers {
					layers[l.Name] = l
					wantBits, wantMode := bits, mode
					switch {
					case bits == 16:
						wantMode = Float16
					case mode == Linear || mode == LinearSymmetric:
						if wantBits = max(bits, 0); bits >= 7 {
							wantBits = 8
						} else if bits != 4 || !ios18 {
							wantMode = LinearLUT
						}
					}
					if bits == 5 || bits == 7 || bits == 3 && !ios18 {
						wantBits = bits + 1
					}
					if l.Bits != wantBits || l.Mode != wantMode || (l.Note == "") != (l.Bits == bits && (l.Mode == mode || bits == 16)) {
						t.Errorf("%s: %s: has %d bits, %s (%s), want %d, %s", place, l.Name, l.Bits, l.Mode, l.Note, wantBits, wantMode)
					}
				}
				var total int64
				got, p := taken(t, out)
				seen := map[string]bool{}
				for key, c := range got {
					was := old[key]
					l, changed := layers[joinPath(c.fn.prefix, c.name)]
					if changed != (c.op.GetType() != was.op.GetType()) && !strings.HasPrefix(name, "functions") {
						t.Errorf("%s: %s: %s, was %s", place, key, c.op.GetType(), was.op.GetType())
					}
					if c.isConst() && !c.dtype.IsFloat() {
						continue
					}
					if c.isConst() {
						if h, w := describe(t, p, c), describe(t, oldP, was); h != w {
							t.Errorf("%s: %s: have %s, want %s", place, key, h, w)
						}
						continue
					}
					if !changed {
						continue // shares the tensors of another function's
					}
					have, err := p.value(c)
					if err != nil {
						t.Fatal(err)
					}
					want, err := oldP.value(was)
					if err != nil {
						t.Fatal(err)
					}
					if err := sameError(l, want.F32(), have.F32()); err != nil {
						t.Errorf("%s: %v", place, err)
					}
					if size := heldBytes(c.op); l.After != size || l.Before != heldBytes(was.op) {
						t.Errorf("%s: %s: %d bytes, was %d, reports %+v", place, key, size, heldBytes(was.op), l)
					}
					if !seen[l.Name] {
						total += l.After
					}
					seen[l.Name] = true
				}
				for _, k := range r.Kept {
					total += k.Bytes
				}
				if total != r.After || len(seen) != len(r.Layers) {
					t.Errorf("%s: %d bytes after, report %d; %d layers of %d", place, total, r.After, len(seen), len(r.Layers))
				}
				if bits >= 8 {
					sameOutputs(t, place, original, out, 20)
				}
			}
		}
	}
}

// outputs computes a program on made-up inputs.
func outputs(t testing.TB, m *mlmodel.Model, function string) predict.Features {
	t.Helper()
	p, err := predict.Load(m, predict.Options{Function: function, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	in := predict.Features{}
	for _, f := range p.Inputs() {
		var shape []int
		for _, n := range f.GetType().GetMultiArrayType().GetShape() {
			shape = append(shape, int(n))
		}
		v := make([]float32, tensor.Size(shape))
		for i := range v {
			v[i] = float32(math.Sin(float64(i*i))) + 0.3
		}
		in[f.GetName()] = tensor.Floats(shape, v)
	}
	out, err := p.Predict(context.Background(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sameOutputs wants a ratio of signal to noise, in dB, of each output.
func sameOutputs(t testing.TB, place string, a, b *mlmodel.Model, db float64) {
	t.Helper()
	for _, i := range mlmodel.Describe(a.Spec().GetDescription()) {
		want, got := outputs(t, a, i.Function), outputs(t, b, i.Function)
		for name, v := range want {
			ratio := snr(v.(*tensor.Tensor).F32(), got[name].(*tensor.Tensor).F32())
			if !(ratio >= db) {
				t.Errorf("%s: output %s: signal to noise %.1f dB", place, name, ratio)
			}
		}
	}
}

// snr returns the ratio of signal to noise in dB.
func snr(want, got []float32) float64 {
	var signal, noise float64
	for i, x := range want {
		signal += float64(x) * float64(x)
		noise += (float64(x) - float64(got[i])) * (float64(x) - float64(got[i]))
	}
	return 10 * math.Log10(signal/noise)
}

// Functions share what they shared before.
func TestSharedConstants(t *testing.T) {
	m := testModel(t, "functions.mlpackage")
	r := quantized(t, m, Options{Bits: 4, Mode: KMeans, MinElements: 101})
	var names []string
	for _, l := range r.Layers {
		names = append(names, l.Layer)
	}
	if fmt.Sprint(names) != "[shared_cast_fp16 own_cast_fp16 own_cast_fp16]" {
		t.Errorf("compressed %q", names)
	}
	out := saved(t, m)
	all, _ := taken(t, out)
	offset := func(key string) uint64 { return home(all[key]).GetOffset() }
	if offset("one/shared.weight") != offset("two/shared.weight") || offset("one/own.weight") == offset("two/own.weight") {
		t.Error("the functions share other tensors")
	}
	f, err := out.Blob("@model_path/weights/weight.bin")
	if err != nil || f.Len() != 6 {
		t.Errorf("%d tensors in the weight file, want 6: %v", f.Len(), err)
	}
	// One function alone keeps the float weights in the file for the other.
	m = testModel(t, "functions.mlpackage")
	r = quantized(t, m, Options{Bits: 4, Mode: KMeans, MinElements: 101, Select: func(w Weight) bool { return strings.HasPrefix(w.Name, "two/") }})
	all, _ = taken(t, saved(t, m))
	if len(r.Layers) != 2 || !all["one/shared.weight"].isConst() || all["two/shared.weight"].isConst() {
		t.Errorf("compressed %+v", r.Layers)
	}
}

// Constants without a weight file are compressed in place.
func TestInPlace(t *testing.T) {
	for _, name := range []string{"ios16_fp32.mlpackage", "ios18_fp16.mlpackage"} {
		m := testModel(t, name)
		want := testModel(t, name)
		quantized(t, want, Options{Bits: 4, MinElements: 101})
		all, p := taken(t, m)
		for _, c := range all {
			if v := c.op.GetAttributes()["val"]; v.HasBlobFileValue() && c.dtype.IsFloat() {
				x, err := p.read(v)
				if err != nil {
					t.Fatal(err)
				}
				c.op.GetAttributes()["val"].SetImmediateValue(literal(x).GetImmediateValue())
			}
		}
		single := mlmodel.New(m.Spec())
		quantized(t, single, Options{Bits: 4, MinElements: 101})
		path := filepath.Join(t.TempDir(), "single.mlmodel")
		if err := single.Save(path); err != nil {
			t.Fatal(err)
		}
		got, p := taken(t, open(t, path))
		expected, q := taken(t, want)
		for key, c := range expected {
			if c.isConst() && !c.dtype.IsFloat() {
				continue
			}
			if h, w := describe(t, p, got[key]), describe(t, q, c); h != w {
				t.Errorf("%s: %s: have %s, want %s", name, key, h, w)
			}
		}
	}
}

// What is compressed stays so, unless it is to be compressed again; then
// nothing of the old form is left.
func TestAgain(t *testing.T) {
	for _, name := range packages(t, "ios1*_fp32_*_[48]") {
		m := testModel(t, name)
		_, err := Quantize(context.Background(), m, Options{Bits: 2, MinElements: 101})
		if fault.KindOf(err) != fault.BadValue || !strings.Contains(err.Error(), "7 stay: it is quantized already") {
			t.Errorf("%s: %v", name, err)
		}
		for _, o := range []Options{
			{Bits: 8, Mode: LinearLUT, MinElements: 101, Again: true},
			{Bits: 16, MinElements: 101, Again: true},
		} {
			m := testModel(t, name)
			r := quantized(t, m, o)
			if len(r.Layers) != 7 {
				t.Errorf("%s: %d weights", name, len(r.Layers))
			}
			out := saved(t, m)
			f, err := out.Blob("@model_path/weights/weight.bin")
			if err != nil {
				t.Fatal(err)
			}
			if refs := distinctOffsets(out); f.Len() != refs {
				t.Errorf("%s: %d tensors in the weight file for %d", name, f.Len(), refs)
			}
			sameOutputs(t, name, testModel(t, name), out, 30)
		}
	}
}

func distinctOffsets(m *mlmodel.Model) int {
	offsets := map[uint64]bool{}
	for _, r := range references(m.Spec().ProtoReflect()) {
		offsets[r.GetOffset()] = true
	}
	return len(offsets)
}

// Chains of compressed constants are decoded as a whole, and vanish.
func TestAgainChain(t *testing.T) {
	m := testModel(t, "ios18_fp32_linear_8.mlpackage")
	// The codes of one constant come from another one.
	all, p := taken(t, m)
	c := all["main/matmul_t.y"]
	data := c.op.GetInputs()["data"].GetArguments()[0]
	codes, err := p.read(data.GetValue())
	if err != nil {
		t.Fatal(err)
	}
	values := tensor.New(tensor.Float32, codes.Shape(), slices.Collect(func(yield func(float32) bool) {
		for _, v := range codes.I32() {
			if !yield(float32(v)) {
				return
			}
		}
	}))
	inner := &spec.Operation{}
	inner.SetType("const")
	out := &spec.NamedValueType{}
	out.SetName("inner")
	out.SetType(typed(values).GetType())
	inner.SetOutputs([]*spec.NamedValueType{out})
	inner.SetAttributes(map[string]*spec.Value{"val": literal(values)})
	block := p.functions[0].block()
	block.SetOperations(append([]*spec.Operation{inner}, block.GetOperations()...))
	data.SetName("inner")
	offset := literal(tensor.Zeros(tensor.Float32, []int{8, 1}))
	c.op.GetInputs()["offset"].GetArguments()[0].SetValue(offset)
	all, p = taken(t, m)
	before, err := p.value(all["main/matmul_t.y"])
	if err != nil {
		t.Fatal(err)
	}
	r := quantized(t, m, Options{Bits: 8, Mode: KMeans, MinElements: 101, Again: true})
	if len(r.Layers) != 7 {
		t.Errorf("compressed %+v", r.Layers)
	}
	all, p = taken(t, saved(t, m))
	after, err := p.value(all["main/matmul_t.y"])
	if err != nil {
		t.Fatal(err)
	}
	// 240 values have a table entry each.
	if mse, _ := difference(before.F32(), after.F32()); mse != 0 {
		t.Errorf("error %g", mse)
	}
	for _, o := range p.functions[0].block().GetOperations() {
		if o.GetType() == "const" && o.GetOutputs()[0].GetName() == "inner" {
			t.Error("the unused part is still there")
		}
	}
}

// A chain that is made up has an end.
func TestLongChain(t *testing.T) {
	m := testModel(t, "ios18_fp32_linear_8.mlpackage")
	_, p := taken(t, m)
	block := p.functions[0].block()
	var chain []*spec.Operation
	for i := range 9 {
		last := block.GetOperations()[slices.IndexFunc(block.GetOperations(), isConstexpr)]
		o := proto.CloneOf(last)
		o.GetOutputs()[0].SetName(fmt.Sprint("chain", i))
		if i > 0 {
			o.GetInputs()["data"].GetArguments()[0].SetName(fmt.Sprint("chain", i-1))
			o.GetInputs()["offset"].GetArguments()[0].ClearBinding()
			delete(o.GetInputs(), "offset")
		}
		chain = append(chain, o)
	}
	chain[8].GetOutputs()[0].SetName(block.GetOperations()[slices.IndexFunc(block.GetOperations(), isConstexpr)].GetOutputs()[0].GetName())
	rest := slices.DeleteFunc(slices.Clone(block.GetOperations()), func(o *spec.Operation) bool {
		return isConstexpr(o) && o.GetOutputs()[0].GetName() == chain[8].GetOutputs()[0].GetName()
	})
	block.SetOperations(append(chain, rest...))
	_, err := Quantize(context.Background(), m, Options{Bits: 8, MinElements: 101, Again: true})
	if fault.KindOf(err) != fault.Limit || !strings.Contains(err.Error(), "a chain of more than 5") {
		t.Errorf("have %v", err)
	}
}

// Vectors are compressed when that is asked for.
func TestProgramVectors(t *testing.T) {
	for _, name := range []string{"ios16_fp32.mlpackage", "ios18_fp32.mlpackage"} {
		for _, o := range []Options{{Bits: 8}, {Bits: 8, Mode: KMeans}, {Bits: 16}} {
			o.MinElements, o.Vectors = 8, VectorsCompress
			m := testModel(t, name)
			r := quantized(t, m, o)
			if !slices.ContainsFunc(r.Layers, func(l LayerReport) bool { return l.Type == "conv" && l.Role == "bias" }) {
				t.Errorf("%s: no bias among %+v", name, r.Layers)
			}
			sameOutputs(t, name, testModel(t, name), saved(t, m), 20)
		}
	}
}

// By default small constants and vectors stay.
func TestProgramDefaults(t *testing.T) {
	_, err := Quantize(context.Background(), testModel(t, "ios16_fp32.mlpackage"), Options{Bits: 8})
	if err == nil || !strings.Contains(err.Error(), "7 stay: it is too small") {
		t.Error(err)
	}
}

func TestProgramErrors(t *testing.T) {
	nan := float32(math.NaN())
	set := func(m *mlmodel.Model, x float32) {
		all, p := taken(t, m)
		v := all["main/conv.weight"].op.GetAttributes()["val"]
		old, err := p.read(v)
		if err != nil {
			t.Fatal(err)
		}
		w := slices.Clone(old.F32())
		w[5] = x
		v.SetImmediateValue(literal(tensor.Floats(old.Shape(), w)).GetImmediateValue())
	}
	value := func(m *mlmodel.Model) *spec.Value {
		all, _ := taken(t, m)
		return all["main/conv.weight"].op.GetAttributes()["val"]
	}
	for _, c := range []struct {
		edit func(m *mlmodel.Model)
		want string
	}{
		{func(m *mlmodel.Model) { set(m, nan) }, `": value 5 is NaN`},
		{func(m *mlmodel.Model) { value(m).GetBlobFileValue().SetOffset(7) }, "byte 7"},
		{func(m *mlmodel.Model) { value(m).GetBlobFileValue().SetFileName("@model_path/other.bin") }, "other.bin is missing"},
		{func(m *mlmodel.Model) { value(m).ClearValue() }, "has no value that fits its type"},
		{func(m *mlmodel.Model) { value(m).GetType().GetTensorType().SetDataType(spec.DataType_FLOAT16) }, "the weight file holds fp32, the program says fp16"},
		{func(m *mlmodel.Model) {
			all, _ := taken(t, m)
			all["main/conv.weight"].op.GetOutputs()[0].GetType().GetTensorType().GetDimensions()[0].GetConstant().SetSize(9)
		}, "it is of type fp32 9×4×3×3 and holds"},
		{func(m *mlmodel.Model) { m.Spec().GetMlProgram().GetFunctions()["main"].SetOpset("CoreML77") }, `function "main": opset "CoreML77" is not one of`},
		{func(m *mlmodel.Model) {
			blocks := m.Spec().GetMlProgram().GetFunctions()["main"].GetBlockSpecializations()
			blocks["CoreML6"] = &spec.Block{}
		}, `function "main": it has blocks for CoreML5 and for CoreML6`},
	} {
		m := testModel(t, "ios15_fp32.mlpackage")
		c.edit(m)
		_, err := Quantize(context.Background(), m, Options{Bits: 8, MinElements: 101})
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) == 0 {
			t.Errorf("have error %v, want %s", err, c.want)
			continue
		}
		// Whatever was wrong, the weight file is the old one.
		if f, err := m.Blob("@model_path/weights/weight.bin"); err != nil || f.Len() != 7 {
			t.Errorf("%v: %d tensors in the weight file, %v", c.want, f.Len(), err)
		}
	}
	m := testModel(t, "ios15_fp32.mlpackage")
	set(m, float32(math.Inf(1)))
	r := quantized(t, m, Options{Bits: 8, MinElements: 101})
	if i := slices.IndexFunc(r.Kept, func(k Kept) bool { return k.Reason == "it has infinite values" }); i < 0 || len(r.Layers) != 6 {
		t.Errorf("infinite weights: %+v", r.Kept)
	}
}

// An infinite weight in a file stays there.
func TestInfiniteInFile(t *testing.T) {
	m := testModel(t, "ios16_fp32.mlpackage")
	path := filepath.Join(t.TempDir(), "m.mlpackage")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	all, _ := taken(t, m)
	f, err := os.OpenFile(filepath.Join(path, "Data", "com.apple.CoreML", "weights", "weight.bin"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := int64(home(all["main/conv.weight"]).GetOffset()) + 64
	if _, err := f.WriteAt([]byte{0, 0, 0x80, 0x7f}, at); err != nil {
		t.Fatal(err)
	}
	f.Close()
	m = open(t, path)
	r := quantized(t, m, Options{Bits: 8, MinElements: 101})
	if len(r.Layers) != 6 {
		t.Errorf("compressed %+v", r.Layers)
	}
	all, p := taken(t, saved(t, m))
	w, err := p.value(all["main/conv.weight"])
	if err != nil || !math.IsInf(float64(w.F32()[0]), 1) {
		t.Errorf("have %v, %v", w, err)
	}
}
