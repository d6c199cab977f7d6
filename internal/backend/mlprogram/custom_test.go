package mlprogram_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// customOps are the custom layers of a model with the constants that they read
// in place of the names of these.
func customOps(t *testing.T, m *mlmodel.Model) []*spec.Operation {
	t.Helper()
	constants := map[string]*spec.Value{}
	var out []*spec.Operation
	for o := range mlmodel.Operations(m.Spec()) {
		if o.GetType() == "const" {
			constants[o.GetOutputs()[0].GetName()] = o.GetAttributes()["val"]
		}
		if o.GetType() != "custom_layer" {
			continue
		}
		c := proto.CloneOf(o.Operation)
		for _, name := range slices.Sorted(maps.Keys(c.GetInputs())) {
			for _, arg := range c.GetInputs()[name].GetArguments() {
				if v := constants[arg.GetName()]; v != nil {
					arg.SetValue(v)
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// Custom layers that coremltools wrote are read and written as they were: every
// attribute, input, constant and type.
func TestCustomLayersRoundTrip(t *testing.T) {
	before, err := mlmodel.Open("../../../testdata/custom.mlpackage")
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	want := customOps(t, before)
	for _, o := range []mlprogram.Options{{}, {Float: tensor.Float16}, {Target: mil.IOS18}} {
		net, err := coreml.ReadProgram(before.Spec().GetMlProgram(), "main", before.Blob)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := write(t, net.Func, o)
		after := written(t, m)
		have := customOps(t, after)
		if o.Float == tensor.Float16 { // casts stand around: the layers keep their types
			for i := range have {
				for _, arg := range slices.Collect(maps.Values(have[i].GetInputs())) {
					if b := arg.GetArguments()[0]; strings.HasSuffix(b.GetName(), "_to_fp32") {
						b.SetName(strings.TrimSuffix(strings.TrimSuffix(b.GetName(), "_to_fp32"), "_cast_fp16"))
					}
				}
			}
		}
		if diff := cmp.Diff(want, have, protocmp.Transform()); diff != "" || len(want) != 2 {
			t.Errorf("%+v: -want +have\n%s", o, diff)
		}
		if diff := cmp.Diff(before.Summary().Dependencies, after.Summary().Dependencies); diff != "" {
			t.Errorf("%+v: -want +have\n%s", o, diff)
		}
	}
}

// Running a model that needs code says which and for what.
func TestCustomLayersDoNotRun(t *testing.T) {
	doc, err := mlmodel.Open("../../../testdata/custom.mlpackage")
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Close()
	net, err := coreml.ReadProgram(doc.Spec().GetMlProgram(), "main", doc.Blob)
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.Specialize(net.Func, []mil.Type{net.Func.Inputs[0].Type}, engine.Options{})
	if fault.KindOf(err) != fault.Unsupported {
		t.Fatalf("have %v", err)
	}
	for _, part := range []string{`"swirled"`, `"AcmeSwirl"`, "x tensor<fp32, [1, 3, 4]>", "angle", "weights kernel"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: does not say %s", err, part)
		}
	}
}

// What a damaged file may say of a custom layer.
func TestCustomLayersDamaged(t *testing.T) {
	doc, err := mlmodel.Open("../../../testdata/custom.mlpackage")
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Close()
	text := func(s string) *spec.Value {
		return spec.Value_builder{
			Type: spec.ValueType_builder{TensorType: spec.TensorType_builder{DataType: spec.DataType_STRING}.Build()}.Build(),
			ImmediateValue: spec.Value_ImmediateValue_builder{Tensor: spec.TensorValue_builder{
				Strings: spec.TensorValue_RepeatedStrings_builder{Values: []string{s}}.Build(),
			}.Build()}.Build(),
		}.Build()
	}
	for _, c := range []struct {
		name   string
		change func(o *spec.Operation)
		want   string
	}{
		{"no class", func(o *spec.Operation) { delete(o.GetAttributes(), "class_name") }, "class_name"},
		{"empty class", func(o *spec.Operation) { o.GetAttributes()["class_name"] = text("") }, "class_name"},
		{"no such input", func(o *spec.Operation) { delete(o.GetInputs(), "kernel") }, "kernel"},
		{"unknown attribute", func(o *spec.Operation) { o.GetAttributes()["speed"] = text("high") }, "speed"},
		{"names are no attribute", func(o *spec.Operation) { o.GetAttributes()["names"] = text("x") }, "names"},
		{"order of numbers", func(o *spec.Operation) { o.GetAttributes()["input_order"] = new(spec.Value) }, "input_order"},
		{"no outputs", func(o *spec.Operation) { o.SetOutputs(nil) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := proto.CloneOf(doc.Spec().GetMlProgram())
			for _, o := range p.GetFunctions()["main"].GetBlockSpecializations()["CoreML5"].GetOperations() {
				if o.GetType() == op.CustomLayer.Name && len(o.GetInputs()) > 2 {
					c.change(o)
				}
			}
			net, err := coreml.ReadProgram(p, "main", doc.Blob)
			if err == nil {
				_, err = mlprogram.Write(&mlprogram.Program{Funcs: []*mil.Func{net.Func}}, mlprogram.Options{})
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %v, want one about %q", err, c.want)
			}
		})
	}
}

// Operations that a target has not become custom layers, and only these.
func TestPartial(t *testing.T) {
	make := func() *mil.Func {
		b := mil.NewBuilder(mil.IOS18)
		x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 2, 4, 8)}
		b.SetPlace("attend")
		y := op.Call(b, "scaled_dot_product_attention", op.Args{"query": x, "key": x, "value": tensor.Zeros(tensor.Float32, x.Type.Shape)})
		b.SetPlace("y")
		y = op.Call(b, "pixel_unshuffle", op.Args{"x": y[0], "downscale_factor": 2})
		z := op.Call(b, "relu", op.Args{"x": y[0]})
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		f := &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x}, Body: b.Block}
		f.Body.Outputs = z
		return f
	}
	for _, c := range []struct {
		target mil.Opset
		want   []string
	}{{mil.IOS15, []string{"scaled_dot_product_attention", "pixel_unshuffle"}}, {mil.IOS16, []string{"scaled_dot_product_attention"}}, {mil.IOS18, nil}, {0, nil}} {
		m, err := mlprogram.Write(&mlprogram.Program{Funcs: []*mil.Func{make()}}, mlprogram.Options{Target: c.target, Partial: true, Float: tensor.Float16})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var have []string
		for _, o := range customOps(t, m) {
			have = append(have, o.GetAttributes()["class_name"].GetImmediateValue().GetTensor().GetStrings().GetValues()[0])
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%v: custom layers %v, want %v", c.target, have, c.want)
		}
		for _, o := range customOps(t, m) {
			list := func(name string) int { return len(o.GetAttributes()[name].GetImmediateValue().GetList().GetValues()) }
			if o.GetOutputs()[0].GetType().GetTensorType().GetDataType() != spec.DataType_FLOAT32 || list("input_order")+list("parameters")+list("weights") != len(o.GetInputs()) {
				t.Errorf("%v: %v", c.target, o)
			}
		}
		if d := m.Summary().Dependencies; c.target == mil.IOS15 && cmp.Diff(map[string]any{"downscale_factor": int64(2)}, d[1].Parameters) != "" {
			t.Errorf("parameters %v", d[1])
		}
	}
	f := make()
	list := &mil.Value{Name: "l", Type: mil.Type{Kind: mil.List, Elem: &mil.Type{DType: tensor.Float32, Shape: []int{1}}, Len: 1}}
	f.Inputs = append(f.Inputs, list)
	length := &mil.Node{Op: "list_length", Name: "n", Inputs: []mil.Input{{Name: "lx", Values: []*mil.Value{list}}}, Outputs: []*mil.Value{{Name: "n", Type: mil.TensorType(tensor.Int32)}}}
	f.Body.Nodes, f.Body.Outputs = append(f.Body.Nodes, length), append(f.Body.Outputs, length.Outputs...)
	if _, err := mlprogram.Write(&mlprogram.Program{Funcs: []*mil.Func{f}}, mlprogram.Options{Target: mil.IOS15, Partial: true}); err == nil {
		t.Error("a list becomes something")
	}
}
