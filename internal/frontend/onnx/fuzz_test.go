package onnx

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/tensor"
)

// small refuses models whose declared sizes would only make fuzzing slow.
func small(p *Model) bool {
	n := 0
	for _, v := range p.proto.GetGraph().GetInput() {
		for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
			n = max(n, int(d.GetDimValue()))
		}
	}
	return n < 1<<12
}

// FuzzParse reads bytes as a model and lowers it: an error or a program, and
// never anything else.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "seeds", "*.onnx"))
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(encode(f, mixed()))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b, nil)
		if err != nil || !small(m) {
			return
		}
		lowers(t, m)
	})
}

// FuzzNode lowers single nodes of any operator with arguments by chance: what a
// byte-wise mutation of files hardly ever comes to.
func FuzzNode(f *testing.F) {
	for i := range uint64(64) {
		f.Add(i, i)
	}
	names := slices.Sorted(maps.Keys(rules))
	for name := range graphRules {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		m := randomNode(r, names[r.IntN(len(names))])
		bytes, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		model, err := Parse(bytes, nil)
		if err != nil {
			return
		}
		lowers(t, model)
	})
}

// lowers wants a program or an error, with and without a fallback.
func lowers(t *testing.T, m *Model) {
	t.Helper()
	for _, fallback := range []Rule{nil, stand} {
		p, err := m.Program(Options{Fallback: fallback})
		if (p == nil) == (err == nil) {
			t.Fatal("neither a program nor an error, or both")
		}
	}
}

// attributeNames are those that rules read.
var attributeNames = strings.Fields(`axis axes keepdims perm mode pads kernel_shape strides dilations group auto_pad ceil_mode
count_include_pad storage_order output_padding output_shape epsilon alpha beta transA transB to direction hidden_size layout
linear_before_reset activations clip input_forget num_scan_inputs blocksize k largest sorted reduction batch_dims
select_last_index exclusive reverse num_outputs start end value value_ints value_float axes noop_with_empty_axes
coordinate_transformation_mode nearest_mode cubic_coeff_a antialias scales is_causal q_num_heads kv_num_heads num_heads
softcap scale update_rule activation interleaved rotary_embedding_dim equation num_groups size p onesided inverse
block_size align_corners padding_mode output_height output_width sampling_ratio offset_group center_point_box dtype
seed shape high low fmod upper min max min_value split allowzero periodic ignore_index unidirectional qkv_hidden_sizes K N bits`)

func randomAttribute(r *rand.Rand, name string) *onnxpb.AttributeProto {
	words := strings.Fields(`same NOTSET SAME_UPPER SAME_LOWER VALID linear cubic nearest reflect edge wrap constant none add mul sum
		forward reverse bidirectional LEFT RIGHT CRD DCR gated delta ij,jk->ik ...i,i->... ii->i half_pixel align_corners asymmetric
		tf_crop_and_resize zeros border reflection bilinear not_larger Tanh Relu silu`)
	switch r.IntN(8) {
	case 0, 1, 2:
		return attr(name, r.IntN(7)-2)
	case 3, 4:
		v := make([]int, r.IntN(6))
		for i := range v {
			v[i] = r.IntN(6) - 2
		}
		return attr(name, v)
	case 5:
		return attr(name, float64(r.IntN(5))/2-1)
	case 6:
		return attr(name, []float32{1, float32(r.IntN(3))})
	}
	return attr(name, words[r.IntN(len(words))])
}

func randomTensor(r *rand.Rand) *tensor.Tensor {
	shape := make([]int, r.IntN(6))
	for i := range shape {
		shape[i] = []int{0, 1, 2, 2, 3, 4, 6, 8}[r.IntN(8)]
	}
	if r.IntN(3) == 0 {
		shape = []int{r.IntN(5)}
	}
	n := tensor.Size(shape)
	switch r.IntN(6) {
	case 0, 1:
		v := make([]int64, n)
		for i := range v {
			v[i] = int64(r.IntN(8) - 2)
		}
		return tensor.New(tensor.Int64, shape, v)
	case 2:
		return tensor.New(tensor.Bool, shape, make([]bool, n))
	case 3:
		v := make([]int32, n)
		for i := range v {
			v[i] = int32(r.IntN(9))
		}
		return tensor.New([]tensor.DType{tensor.Uint8, tensor.Int8, tensor.Int32}[r.IntN(3)], shape, v)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * 3)
	}
	return tensor.New([]tensor.DType{tensor.Float32, tensor.Float32, tensor.Float16}[r.IntN(3)], shape, v)
}

// randomNode makes a model of one node. Often the inputs are alike, which gets
// further.
func randomNode(r *rand.Rand, op string) *onnxpb.ModelProto {
	var attrs []*onnxpb.AttributeProto
	for range r.IntN(5) {
		name := attributeNames[r.IntN(len(attributeNames))]
		attrs = append(attrs, randomAttribute(r, name))
	}
	var in []*tensor.Tensor
	var fixed []int
	first := randomTensor(r)
	for i := range r.IntN(9) {
		switch r.IntN(6) {
		case 0:
			in = append(in, nil)
		case 1, 2:
			in = append(in, first)
		default:
			in = append(in, randomTensor(r))
		}
		if r.IntN(2) == 0 {
			fixed = append(fixed, i)
		}
	}
	m := single(op, 7+r.IntN(22), 1+r.IntN(4), in, fixed, attrs...)
	if r.IntN(3) == 0 { // dimensions that are not known
		for _, v := range m.GetGraph().GetInput() {
			for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
				if r.IntN(2) == 0 {
					d.SetDimParam([]string{"N", "M", ""}[r.IntN(3)])
				}
			}
		}
	}
	if graphRules[op] != nil {
		body := single("Add", 21, 1, []*tensor.Tensor{first, first}, nil).GetGraph()
		for _, name := range []string{"body", "then_branch", "else_branch"} {
			m.GetGraph().GetNode()[0].SetAttribute(append(m.GetGraph().GetNode()[0].GetAttribute(), attr(name, body)))
		}
	}
	return m
}
