package onnx

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func ramp(n int, shape ...int) *tensor.Tensor {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i + 1)
	}
	return tensor.Floats(shape, v)
}

func TestWindows(t *testing.T) {
	x, ones := ramp(9, 1, 1, 3, 3), fl(sh{1, 1, 2, 2}, 1, 1, 1, 1)
	runNodes(t, []nodeTest{
		{op: "Conv", in: ts{x, ones}, attrs: as{attr("auto_pad", "SAME_LOWER"), attr("strides", []int{2, 2})}, want: ts{fl(sh{1, 1, 2, 2}, 1, 5, 11, 28)}},
		{op: "Conv", name: "uneven pads", in: ts{x, ones}, attrs: as{attr("pads", []int{1, 0, 0, 0})}, want: ts{fl(sh{1, 1, 3, 2}, 3, 5, 12, 16, 24, 28)}},
		{op: "ConvTranspose", in: ts{fl(sh{1, 1, 2}, 1, 2), fl(sh{1, 1, 2}, 1, 10), fl(sh{1}, 100)}, attrs: as{attr("strides", []int{3}), attr("output_padding", []int{2})}, want: ts{fl(sh{1, 1, 7}, 101, 110, 100, 102, 120, 100, 100)}},
		{op: "MaxPool", name: "ceil", in: ts{x}, attrs: as{attr("kernel_shape", []int{2, 2}), attr("strides", []int{2, 2}), attr("ceil_mode", 1)}, want: ts{fl(sh{1, 1, 2, 2}, 5, 6, 8, 9)}},
		{op: "MaxPool", name: "gaps and places", in: ts{x}, attrs: as{attr("kernel_shape", []int{2, 2}), attr("dilations", []int{2, 2})}, want: ts{fl(sh{1, 1, 1, 1}, 9), in64(sh{1, 1, 1, 1}, 8)}},
		{op: "AveragePool", name: "ceil counts no more than pads", in: ts{fl(sh{1, 1, 3}, 1, 2, 3)}, attrs: as{attr("kernel_shape", []int{2}), attr("strides", []int{2}), attr("ceil_mode", 1), attr("count_include_pad", 1)}, want: ts{fl(sh{1, 1, 2}, 1.5, 3)}},
		{op: "LpPool", in: ts{fl(sh{1, 1, 2}, 3, 4)}, attrs: as{attr("kernel_shape", []int{2})}, want: ts{fl(sh{1, 1, 1}, 5)}},
		{op: "MaxUnpool", in: ts{fl(sh{1, 1, 1, 1}, 7), in64(sh{1, 1, 1, 1}, 3)}, attrs: as{attr("kernel_shape", []int{2, 2}), attr("strides", []int{2, 2})}, want: ts{fl(sh{1, 1, 2, 2}, 0, 0, 0, 7)}},
		{op: "GlobalLpPool", in: ts{fl(sh{1, 1, 2}, 3, 4)}, want: ts{fl(sh{1, 1, 1}, 5)}},
		{op: "Conv", name: "no spatial axes", in: ts{fl(sh{1, 1}, 1), fl(sh{1, 1}, 1)}, err: "at least 3"},
	})
}

func TestIndexing(t *testing.T) {
	x := fl(sh{2, 3}, 1, 2, 3, 4, 5, 6)
	runNodes(t, []nodeTest{
		{op: "Gather", in: ts{x, in64(sh{2}, -1, 0)}, attrs: as{attr("axis", 1)}, want: ts{fl(sh{2, 2}, 3, 1, 6, 4)}},
		{op: "GatherElements", name: "fewer rows", in: ts{x, in64(sh{1, 2}, 2, 0)}, attrs: as{attr("axis", 1)}, want: ts{fl(sh{1, 2}, 3, 1)}},
		{op: "GatherND", in: ts{x, in64(sh{2, 2}, 0, 1, 1, 2)}, want: ts{fl(sh{2}, 2, 6)}},
		{op: "ScatterElements", name: "fewer rows, added", version: 18, in: ts{x, in64(sh{1, 2}, -1, -1), fl(sh{1, 2}, 10, 20)}, attrs: as{attr("axis", 1), attr("reduction", "add")}, want: ts{fl(sh{2, 3}, 1, 2, 33, 4, 5, 6)}},
		{op: "ScatterND", in: ts{x, in64(sh{1, 1}, 1), fl(sh{1, 3}, 7, 8, 9)}, want: ts{fl(sh{2, 3}, 1, 2, 3, 7, 8, 9)}},
		{op: "TopK", in: ts{x, in64(sh{1}, 2)}, attrs: as{attr("largest", 0)}, want: ts{fl(sh{2, 2}, 1, 2, 4, 5), in64(sh{2, 2}, 0, 1, 0, 1)}},
		{op: "NonZero", in: ts{fl(sh{2, 2}, 1, 0, 0, 2)}, want: ts{in64(sh{2, 2}, 0, 1, 0, 1)}},
		{op: "Compress", in: ts{x, bools(sh{2}, false, true)}, attrs: as{attr("axis", 0)}, want: ts{fl(sh{1, 3}, 4, 5, 6)}},
		{op: "Unique", in: ts{fl(sh{5}, 2, 1, 2, 3, 1)}, attrs: as{attr("sorted", 0)}, want: ts{fl(sh{3}, 2, 1, 3), in64(sh{3}, 0, 1, 3), in64(sh{5}, 0, 1, 0, 2, 1), in64(sh{3}, 2, 2, 1)}},
		{op: "Gather", name: "a wrong axis", in: ts{x, in64(nil, 0)}, attrs: as{attr("axis", 2)}, err: "axis 2"},
	})
}

func TestNormalizations(t *testing.T) {
	x := fl(sh{1, 2, 2}, 1, 3, 5, 9)
	vec := func(v ...float32) *tensor.Tensor { return fl(sh{len(v)}, v...) }
	runNodes(t, []nodeTest{
		{op: "BatchNormalization", in: ts{x, vec(1, 2), vec(0, 1), vec(1, 5), vec(4, 4)}, attrs: as{attr("epsilon", 0.0)}, want: ts{fl(sh{1, 2, 2}, 0, 1, 1, 5)}},
		{op: "InstanceNormalization", in: ts{x, vec(1, 1), vec(0, 0)}, attrs: as{attr("epsilon", 0.0)}, want: ts{fl(sh{1, 2, 2}, -1, 1, -1, 1)}},
		{op: "LayerNormalization", in: ts{x, vec(1, 2), vec(0, 1)}, attrs: as{attr("epsilon", 0.0)}, want: ts{fl(sh{1, 2, 2}, -1, 3, -1, 3), fl(sh{1, 2, 1}, 2, 7), fl(sh{1, 2, 1}, 1, 0.5)}},
		{op: "RMSNormalization", version: 23, in: ts{fl(sh{1, 2}, 1, 7), vec(1, 1)}, attrs: as{attr("epsilon", 0.0)}, want: ts{fl(sh{1, 2}, 0.2, 1.4)}},
		{op: "GroupNormalization", in: ts{x, vec(1, 1), vec(0, 0)}, attrs: as{attr("num_groups", 2), attr("epsilon", 0.0)}, want: ts{fl(sh{1, 2, 2}, -1, 1, -1, 1)}},
		{op: "com.microsoft::SkipLayerNormalization", in: ts{x, x, vec(1, 1)}, want: ts{fl(sh{1, 2, 2}, -1, 1, -1, 1)}},
		{op: "LRN", in: ts{fl(sh{1, 2, 1}, 1, 2)}, attrs: as{attr("size", 2), attr("alpha", 2.0), attr("beta", 1.0), attr("bias", 1.0)}, want: ts{fl(sh{1, 2, 1}, 1./6, 2./5)}},
	})
}

func TestQuantized(t *testing.T) {
	u8 := func(shape sh, v ...int32) *tensor.Tensor { return narrow(tensor.Uint8, shape, v...) }
	runNodes(t, []nodeTest{
		{op: "QuantizeLinear", in: ts{fl(sh{4}, 0, 1, 3, 1000), fl(nil, 2), u8(nil, 128)}, want: ts{u8(sh{4}, 128, 128, 130, 255)}},
		{op: "DequantizeLinear", name: "along an axis", in: ts{u8(sh{2, 2}, 3, 4, 5, 6), fl(sh{2}, 1, 2), u8(sh{2}, 1, 2)}, attrs: as{attr("axis", 0)}, want: ts{fl(sh{2, 2}, 2, 3, 6, 8)}},
		{op: "DequantizeLinear", name: "in blocks", in: ts{u8(sh{1, 4}, 1, 2, 3, 4), fl(sh{1, 2}, 1, 10)}, attrs: as{attr("axis", 1), attr("block_size", 2)}, want: ts{fl(sh{1, 4}, 1, 2, 30, 40)}},
		{op: "DynamicQuantizeLinear", in: ts{fl(sh{3}, 0, 2, -3)}, want: ts{u8(sh{3}, 153, 255, 0), fl(nil, 5./255), u8(nil, 153)}},
		{op: "MatMulInteger", in: ts{u8(sh{1, 2}, 2, 3), u8(sh{2, 1}, 4, 5), u8(nil, 1), u8(nil, 1)}, want: ts{narrow(tensor.Int32, sh{1, 1}, 11)}},
		{op: "com.microsoft::QLinearAdd", in: ts{u8(sh{1}, 10), fl(nil, 1), u8(nil, 0), u8(sh{1}, 20), fl(nil, 2), u8(nil, 10), fl(nil, 2), u8(nil, 1)}, want: ts{u8(sh{1}, 16)}},
	})
}

// TestWeightsStayCompressed looks for the codes of quantized weights in the
// program, and holds what is computed with them against what follows from the
// definition.
func TestWeightsStayCompressed(t *testing.T) {
	n := 64
	codes := make([]int32, n*n)
	for i := range codes {
		codes[i] = int32(i*7%200) - 100
	}
	bytes := make([]int32, n*n/2) // two codes of 4 bits in each
	for i := range bytes {
		bytes[i] = int32(i*11) % 256
	}
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(i*37) % 256
	}
	u8, i8 := narrow(tensor.Uint8, sh{1, n}, x...), narrow(tensor.Int8, sh{n, n}, codes...)
	product := make([]int32, n) // of x and the codes less 3
	for i := range n {
		for j := range n {
			product[j] += x[i] * (codes[i*n+j] - 3)
		}
	}
	floats := make([]float32, n)
	nbits := make([]float32, n)
	for i, v := range x {
		floats[i] = float32(v) / 64
		for j := range n {
			q := bytes[(j*n+i)/2] >> (4 * (i % 2)) & 15
			nbits[j] += float32(v) / 64 * float32(q-8) / 4
		}
	}
	scales := make([]float32, 2*n)
	for i := range scales {
		scales[i] = 0.25
	}
	conv := make([]float32, 0, n) // by the rows of the codes
	for j := range n {
		var sum int32
		for i := range n {
			sum += x[i] * codes[j*n+i]
		}
		conv = append(conv, float32(sum))
	}
	i32 := func(shape sh, v ...int32) *tensor.Tensor { return narrow(tensor.Int32, shape, v...) }
	for _, c := range []struct {
		op    string
		in    ts
		attrs as
		data  tensor.DType
		want  *tensor.Tensor
	}{
		{"MatMulInteger", ts{u8, i8, nil, narrow(tensor.Int8, nil, 3)}, nil, tensor.Int8, i32(sh{1, n}, product...)},
		{"ConvInteger", ts{narrow(tensor.Uint8, sh{1, n, 1}, x...), narrow(tensor.Int8, sh{n, n, 1}, codes...)}, nil, tensor.Int8, fl(sh{1, n, 1}, conv...)},
		{"com.microsoft::MatMulNBits", ts{fl(sh{1, n}, floats...), narrow(tensor.Uint8, sh{n, 2, n / 4}, bytes...), fl(sh{2 * n}, scales...)}, as{attr("K", n), attr("N", n), attr("block_size", n/2), attr("bits", 4)}, tensor.Uint4, fl(sh{1, n}, nbits...)},
	} {
		fixed := []int{1, 2, 3}
		m := single(c.op, 17, 1, c.in, fixed[:len(c.in)-1], c.attrs...)
		p, err := evaluated(t, m, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.op, err)
		}
		i := slices.IndexFunc(p.Func.Body.Nodes, func(n *mil.Node) bool { return n.Op == "constexpr_blockwise_shift_scale" })
		if i < 0 || p.Func.Body.Nodes[i].Input("data").Const.DType() != c.data {
			t.Errorf("%s: the weights are not %s any more", c.op, c.data)
		}
		out, err := compute(p, map[string]*tensor.Tensor{"a": c.in[0]}, false)
		if err != nil {
			t.Fatalf("%s: %v", c.op, err)
		}
		sameTensor(t, out[0], c.want)
	}

	g := single("DequantizeLinear", 13, 1, ts{i8, fl(nil, 0.5)}, []int{0, 1}).GetGraph()
	g.SetNode(append(g.GetNode(), nodeProto("MatMul", []string{"x", "y0"}, []string{"y"})))
	g.SetInput([]*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, 1, n)})
	g.SetOutput([]*onnxpb.ValueInfoProto{outputInfo("y")})
	p, err := evaluated(t, modelProto(13, g), nil)
	if err != nil {
		t.Fatal(err)
	}
	if nodes := p.Func.Body.Nodes; nodes[0].Op != "constexpr_blockwise_shift_scale" || nodes[0].Input("data").Const.DType() != tensor.Int8 {
		t.Errorf("the first node is %v", nodes[0])
	}
}

func TestControl(t *testing.T) {
	double := onnxpb.GraphProto_builder{
		Input:  []*onnxpb.ValueInfoProto{valueInfo("i", tensor.Int64), valueInfo("c", tensor.Bool), valueInfo("v", tensor.Float32, 1)},
		Output: []*onnxpb.ValueInfoProto{outputInfo("c"), outputInfo("v2"), outputInfo("v2")},
		Node:   []*onnxpb.NodeProto{nodeProto("Add", []string{"v", "v"}, []string{"v2"})},
	}.Build()
	branch := func(op string) *onnxpb.GraphProto {
		return onnxpb.GraphProto_builder{
			Output: []*onnxpb.ValueInfoProto{outputInfo("r")}, Node: []*onnxpb.NodeProto{nodeProto(op, []string{"x"}, []string{"r"})},
		}.Build()
	}
	m := single("Loop", 13, 2, ts{in64(nil, 3), bools(nil, true), fl(sh{1}, 1)}, []int{0, 1, 2}, attr("body", double))
	out := evaluate(t, m, nil)
	sameTensor(t, out[0], fl(sh{1}, 8))
	sameTensor(t, out[1], fl(sh{3, 1}, 2, 4, 8))

	m = single("If", 13, 1, ts{bools(nil, false)}, []int{0}, attr("then_branch", branch("Relu")), attr("else_branch", branch("Neg")))
	m.GetGraph().SetInitializer(append(m.GetGraph().GetInitializer(), tensorProto("x", fl(sh{1}, -2))))
	sameTensor(t, evaluate(t, m, nil)[0], fl(sh{1}, 2))

	// Where the condition is only known when it is run there is a cond.
	m = single("If", 13, 1, ts{bools(nil, false)}, nil, attr("then_branch", branch("Relu")), attr("else_branch", branch("Neg")))
	m.GetGraph().SetInput(append(m.GetGraph().GetInput(), valueInfo("x", tensor.Float32, "N")))
	p, err := evaluated(t, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Func.Body.Nodes[len(p.Func.Body.Nodes)-1]; n.Op != "cond" || len(n.Blocks) != 2 {
		t.Errorf("the last node is %v", n)
	}
}

func TestFunctions(t *testing.T) {
	m := seedModels()["function"]
	sameTensor(t, evaluate(t, m, map[string]*tensor.Tensor{"x": fl(sh{2}, 1, 2)})[0], fl(sh{2}, 2, 4))
	// One that calls itself is refused.
	f := m.GetFunctions()[0]
	f.SetNode([]*onnxpb.NodeProto{nodeProto("local::Twice", []string{"a"}, []string{"b"})})
	f.SetOpsetImport(m.GetOpsetImport())
	if _, err := evaluated(t, m, nil); fault.KindOf(err) != fault.Limit {
		t.Errorf("a function that calls itself gives %v", err)
	}
}

func TestRest(t *testing.T) {
	runNodes(t, []nodeTest{
		{op: "Resize", in: ts{fl(sh{1, 1, 1, 2}, 1, 3), nil, fl(sh{4}, 1, 1, 1, 2)}, attrs: as{attr("mode", "linear")}, want: ts{fl(sh{1, 1, 1, 4}, 1, 1.5, 2.5, 3)}},
		{op: "Resize", name: "nearest of integers", in: ts{in64(sh{2}, 1, 3), nil, nil, in64(sh{1}, 3)}, attrs: as{attr("nearest_mode", "ceil"), attr("coordinate_transformation_mode", "asymmetric")}, want: ts{in64(sh{3}, 1, 3, 3)}},
		{op: "GridSample", version: 20, in: ts{fl(sh{1, 1, 2, 2}, 1, 2, 3, 4), fl(sh{1, 1, 1, 2}, 0, 0)}, want: ts{fl(sh{1, 1, 1, 1}, 2.5)}},
		{op: "DFT", version: 17, in: ts{fl(sh{1, 2, 1}, 3, 1)}, want: ts{fl(sh{1, 2, 2}, 4, 0, 2, 0)}},
		{op: "Attention", version: 23, in: ts{fl(sh{1, 1, 1, 1}, 0), fl(sh{1, 1, 2, 1}, 1, 5), fl(sh{1, 1, 2, 1}, 2, 4)}, want: ts{fl(sh{1, 1, 1, 1}, 3)}},
		{op: "com.microsoft::BiasGelu", in: ts{fl(sh{1}, 1), fl(sh{1}, -1)}, want: ts{fl(sh{1}, 0)}},
		{op: "RNN", in: ts{fl(sh{2, 1, 1}, 1, 1), fl(sh{1, 1, 1}, 1), fl(sh{1, 1, 1}, 1)}, attrs: as{attr("hidden_size", 1), attr("activations", []string{"Affine"}), attr("activation_alpha", []float32{2})}, want: ts{fl(sh{2, 1, 1, 1}, 2, 6), fl(sh{1, 1, 1}, 6)}},
		{op: "NegativeLogLikelihoodLoss", in: ts{fl(sh{2, 2}, -1, -2, -3, -4), in64(sh{2}, 0, 1)}, attrs: as{attr("ignore_index", 1)}, want: ts{fl(nil, 1)}},
		{op: "NonMaxSuppression", in: ts{fl(sh{1, 2, 4}, 0, 0, 1, 1, 0, 0, 1, 0.9), fl(sh{1, 1, 2}, 0.5, 0.9), in64(sh{1}, 5), fl(sh{1}, 0.5)}, want: ts{in64(sh{1, 3}, 0, 0, 1)}},
	})
}

func TestClassical(t *testing.T) {
	x := fl(sh{1, 2}, 3, -4)
	runNodes(t, []nodeTest{
		{op: "ai.onnx.ml::Scaler", in: ts{x}, attrs: as{attr("offset", []float32{1, 0}), attr("scale", []float32{2})}, want: ts{fl(sh{1, 2}, 4, -8)}},
		{op: "ai.onnx.ml::Normalizer", in: ts{x}, attrs: as{attr("norm", "L2")}, want: ts{fl(sh{1, 2}, 0.6, -0.8)}},
		{op: "ai.onnx.ml::LinearRegressor", in: ts{x}, attrs: as{attr("coefficients", []float32{1, 2}), attr("intercepts", []float32{10})}, want: ts{fl(sh{1, 1}, 5)}},
		{op: "ai.onnx.ml::Imputer", in: ts{x}, attrs: as{attr("replaced_value_float", -4.0), attr("imputed_value_floats", []float32{7})}, want: ts{fl(sh{1, 2}, 3, 7)}},
		{op: "ai.onnx.ml::FeatureVectorizer", in: ts{x, in64(sh{1, 1}, 5)}, want: ts{fl(sh{1, 3}, 3, -4, 5)}},
		{op: "ai.onnx.ml::Binarizer", in: ts{x}, want: ts{fl(sh{1, 2}, 1, 0)}},
		{op: "BitCast", version: 26, in: ts{narrow(tensor.Int8, sh{1}, -1)}, attrs: as{attr("to", 2)}, want: ts{narrow(tensor.Uint8, sh{1}, 255)}},
		{op: "BitCast", version: 26, in: ts{fl(sh{1}, 1)}, attrs: as{attr("to", 6)}, err: "the bits of"},
	})
}

func TestExternalData(t *testing.T) {
	external := func(location, offset string) *onnxpb.ModelProto {
		entry := func(k, v string) *onnxpb.StringStringEntryProto {
			return onnxpb.StringStringEntryProto_builder{Key: proto.String(k), Value: proto.String(v)}.Build()
		}
		w := onnxpb.TensorProto_builder{
			Name: proto.String("w"), Dims: []int64{2}, DataType: proto.Int32(1), DataLocation: onnxpb.TensorProto_EXTERNAL.Enum(),
			ExternalData: []*onnxpb.StringStringEntryProto{entry("location", location), entry("offset", offset), entry("length", "8")},
		}.Build()
		g := onnxpb.GraphProto_builder{Initializer: []*onnxpb.TensorProto{w}, Output: []*onnxpb.ValueInfoProto{outputInfo("w")}}
		return modelProto(13, g.Build())
	}
	data := fl(sh{3}, 9, 1, 2).Packed()
	dir := fstest.MapFS{"w.bin": {Data: data}}
	tests := []struct{ location, offset, err string }{
		{"w.bin", "4", ""},
		{"w.bin", "8", "has 12 bytes"},
		{"../w.bin", "0", "leaves the model's folder"},
		{"/etc/passwd", "0", "leaves"},
		{"none.bin", "0", "none.bin"},
		{"w.bin", "-4", "bytes from -4"},
		{"w.bin", "x", `offset "x"`},
	}
	for _, test := range tests {
		m, err := Parse(encode(t, external(test.location, test.offset)), dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Program(Options{})
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s from %s on: %v, want %q", test.location, test.offset, err, test.err)
		}
	}
	// Through a folder of the file system, links that leave it included.
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "outside"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(root, "model")
	if err := os.Mkdir(inner, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../outside", filepath.Join(inner, "link")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(inner, "m.onnx")
	if err := os.WriteFile(path, encode(t, external("link", "0")), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Program(Options{}); err == nil {
		t.Error("a link out of the folder is followed")
	}
}

func TestTensors(t *testing.T) {
	build := func(b onnxpb.TensorProto_builder) (*tensor.Tensor, error) { return (&Model{}).tensorOf(b.Build()) }
	half, err := build(onnxpb.TensorProto_builder{DataType: proto.Int32(10), Dims: []int64{2}, Int32Data: []int32{0x3c00, 0xc000}})
	if err != nil {
		t.Fatal(err)
	}
	sameTensor(t, half, fl(sh{2}, 1, -2))
	nibbles, err := build(onnxpb.TensorProto_builder{DataType: proto.Int32(22), Dims: []int64{3}, Int32Data: []int32{0xf1, 0x07}})
	if err != nil {
		t.Fatal(err)
	}
	sameTensor(t, nibbles, fl(sh{3}, 1, -1, 7))
	bits, err := build(onnxpb.TensorProto_builder{DataType: proto.Int32(16), Dims: []int64{1}, Int32Data: []int32{0x4040}})
	if err != nil {
		t.Fatal(err)
	}
	sameTensor(t, bits, fl(sh{1}, 3))
	for name, b := range map[string]onnxpb.TensorProto_builder{
		"too few":      {DataType: proto.Int32(1), Dims: []int64{3}, FloatData: []float32{1}},
		"too many":     {DataType: proto.Int32(1), Dims: []int64{1}, RawData: make([]byte, 8)},
		"huge":         {DataType: proto.Int32(1), Dims: []int64{1 << 40, 1 << 40}},
		"negative":     {DataType: proto.Int32(1), Dims: []int64{-1}},
		"no type":      {Dims: []int64{1}},
		"out of range": {DataType: proto.Int32(2), Dims: []int64{1}, Int32Data: []int32{300}},
		"segment":      {DataType: proto.Int32(1), Dims: []int64{1}, Segment: onnxpb.TensorProto_Segment_builder{Begin: proto.Int64(5)}.Build()},
	} {
		if got, err := build(b); err == nil {
			t.Errorf("%s gives %v", name, got)
		}
	}
	sparse, err := (&lowering{model: &Model{}}).sparse(onnxpb.SparseTensorProto_builder{
		Dims: []int64{2, 2}, Values: tensorProto("s", fl(sh{1}, 5)), Indices: tensorProto("", in64(sh{1, 2}, 1, 0)),
	}.Build())
	if err != nil {
		t.Fatal(err)
	}
	sameTensor(t, sparse, fl(sh{2, 2}, 0, 0, 5, 0))
}

// TestSmallFilesMakeLittle holds that a few bytes cannot ask for gigabytes.
func TestSmallFilesMakeLittle(t *testing.T) {
	g := onnxpb.GraphProto_builder{
		Input:  []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, 8000, 8000)},
		Output: []*onnxpb.ValueInfoProto{outputInfo("y0")},
	}
	for i := range 9 {
		g.Node = append(g.Node, nodeProto("EyeLike", []string{"x"}, []string{"y" + string(rune('0'+i))}))
	}
	if _, err := evaluated(t, modelProto(13, g.Build()), nil); fault.KindOf(err) != fault.Limit {
		t.Errorf("nine large matrices give %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	for name, b := range map[string][]byte{"nothing": nil, "noise": []byte("noise, no model"), "cut": encode(t, seedModels()["conv"])[:60]} {
		if _, err := Parse(b, nil); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s gives %v", name, err)
		}
	}
	m := seedModels()["conv"]
	m.GetOpsetImport()[0].SetVersion(99)
	if _, err := Parse(encode(t, m), nil); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("operator set 99 gives %v", err)
	}
	m = single("Relu", 13, 1, ts{fl(sh{1}, 1)}, nil)
	m.GetGraph().GetNode()[0].SetInput([]string{"none"})
	if _, err := evaluated(t, m, nil); err == nil || !strings.Contains(err.Error(), `"none" is made nowhere`) {
		t.Errorf("a missing input gives %v", err)
	}
}

// TestFused holds that definitions of operators which ONNX lacked are those
// operators.
func TestFused(t *testing.T) {
	graph := func(nodes ...*onnxpb.NodeProto) *onnxpb.ModelProto {
		return modelProto(13, onnxpb.GraphProto_builder{
			Input: []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, "N")}, Output: []*onnxpb.ValueInfoProto{outputInfo("y")}, Node: nodes,
			Initializer: []*onnxpb.TensorProto{tensorProto("half", fl(nil, 0.5)), tensorProto("one", fl(sh{1}, 1)), tensorProto("root", fl(nil, 1.4142135))},
		}.Build())
	}
	tests := map[string]*onnxpb.ModelProto{
		"silu": graph(nodeProto("Sigmoid", []string{"x"}, []string{"s"}), nodeProto("Mul", []string{"s", "x"}, []string{"y"})),
		"gelu": graph(
			nodeProto("Div", []string{"x", "root"}, []string{"d"}), nodeProto("Erf", []string{"d"}, []string{"e"}),
			nodeProto("Add", []string{"e", "one"}, []string{"a"}), nodeProto("Mul", []string{"x", "a"}, []string{"m"}),
			nodeProto("Mul", []string{"m", "half"}, []string{"y"}),
		),
	}
	for want, m := range tests {
		p, err := evaluated(t, m, nil)
		if err != nil {
			t.Fatal(err)
		}
		if nodes := p.Func.Body.Nodes; len(nodes) != 1 || nodes[0].Op != want {
			t.Errorf("%s: the program is %v", want, nodes)
		}
	}
}
