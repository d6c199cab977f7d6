package mlmodel

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/blob"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

func parseBytes(t testing.TB, b []byte) *Model {
	t.Helper()
	m, err := Parse(bytesReader(b), int64(len(b)), "m.mlmodel")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// encoded returns what Save would write.
func encoded(t testing.TB, m *Model) []byte {
	t.Helper()
	r, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return ropeBytes(t, r)
}

func ropeBytes(t testing.TB, r rope) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := r.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != r.size || int64(b.Len()) != n {
		t.Fatalf("a rope of %d bytes wrote %d", r.size, n)
	}
	return b.Bytes()
}

// anew encodes all of m without use of its original bytes and compares what
// comes out with m by the whole of the decoded messages, weights included.
func anew(t testing.TB, m *Model) {
	t.Helper()
	r, err := (&encoder{m: m}).fresh(m.spec.ProtoReflect())
	if err != nil {
		t.Errorf("%s: %v", m.Path(), err)
		return
	}
	file := make([]byte, m.src.size)
	if err := readFull(m.src, file, 0); err != nil {
		t.Fatal(err)
	}
	var want, got spec.Model
	if err := proto.Unmarshal(file, &want); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(ropeBytes(t, r), &got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&want, &got) {
		t.Errorf("%s: encoded anew it has another meaning", m.Path())
	}
}

// sameFiles compares two models file by file.
func sameFiles(t testing.TB, a fs.FS, aName string, b fs.FS, bName string) {
	t.Helper()
	list := func(fsys fs.FS, root string) map[string][]byte {
		files := map[string][]byte{}
		err := fs.WalkDir(fsys, root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := fs.ReadFile(fsys, p)
			files[strings.TrimPrefix(p, root)] = content
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	want, got := list(a, aName), list(b, bName)
	for p, content := range want {
		if other, ok := got[p]; !ok || !bytes.Equal(content, other) {
			t.Errorf("%s%s: was not saved as it was", aName, p)
		}
	}
	for p := range got {
		if _, ok := want[p]; !ok && p != "/"+manifestName {
			t.Errorf("%s%s: was not there before", aName, p)
		}
	}
}

// field builds wire bytes.
func field(num protowire.Number, payload ...[]byte) []byte {
	b := protowire.AppendTag(nil, num, protowire.BytesType)
	return protowire.AppendBytes(b, slices.Concat(payload...))
}

func varint(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

func floats(v ...float32) []byte { return tensor.Floats([]int{len(v)}, v).Packed() }

// longField is a field whose length is encoded in more bytes than it takes.
func longField(num protowire.Number, payload []byte) []byte {
	b := protowire.AppendTag(nil, num, protowire.BytesType)
	return append(append(b, 0x80|byte(len(payload)), 0x80, 0), payload...)
}

// oddModel is a network with everything that an encoder likes to lose:
// unknown fields, fields out of order, lengths encoded long, lists of floats
// in several records, defaults written out.
func oddModel() []byte { return oddModelWith("conv", longField) }

func oddModelWith(layerName string, layerField func(protowire.Number, []byte) []byte) []byte {
	split := slices.Concat(
		field(1, floats(1, 2)), varint(50, 0),
		protowire.AppendFixed32(protowire.AppendTag(nil, 1, protowire.Fixed32Type), 0x40400000), // 3
		field(77, []byte("strange")), field(1, floats(4)),
	)
	conv := slices.Concat(field(91, field(2, []byte{0, 0x3c})), field(90, split), varint(1, 1), varint(70, 0))
	layer := slices.Concat(field(100, conv), field(1, []byte(layerName)), field(2, []byte("x")))
	inner := slices.Concat(field(1, []byte("ip")), field(140, slices.Concat(varint(1, 2), field(20, field(30, []byte{0xab}), field(40, varint(1, 4))))))
	net := slices.Concat(varint(999, 5), layerField(1, layer), field(1, inner))
	return slices.Concat(field(500, net), varint(1, 9), field(12345, []byte("later versions")),
		field(2, field(100, field(100, field(1, []byte("k")), field(2, []byte("v"))))))
}

func layers(m *Model) []*spec.NeuralNetworkLayer { return m.Spec().GetNeuralNetwork().GetLayers() }

func TestWeights(t *testing.T) {
	m := parseBytes(t, oddModel())
	conv := layers(m)[0].GetConvolution()
	if n := len(conv.GetWeights().GetFloatValue()); n != 0 {
		t.Errorf("%d floats were decoded", n)
	}
	w, err := m.Weights(conv.GetWeights())
	if err != nil {
		t.Fatal(err)
	}
	v, err := w.Values(nil, []int{2, 2}, -1)
	if err != nil || !slices.Equal(v, []float32{1, 2, 3, 4}) || w.Kind() != Float32 || w.Size() != 16 || w.Len(0) != 4 {
		t.Errorf("%v, %v; %v", v, err, w)
	}
	w, err = m.Weights(conv.GetBias())
	if err != nil {
		t.Fatal(err)
	}
	if v, err := w.Values(nil, []int{1}, -1); err != nil || v[0] != 1 || w.Kind() != Float16 {
		t.Error(v, err, w.Kind())
	}
	if w, err := m.Weights(nil); err != nil || w.Kind() != 0 {
		t.Error(w, err)
	}
	if _, err := parseBytes(t, oddModel()).Weights(conv.GetBias()); fault.KindOf(err) != fault.BadValue {
		t.Errorf("weights of another model: %v", err)
	}
}

func TestValues(t *testing.T) {
	linear := func(bits uint64, scale, bias []float32) *spec.QuantizationParams {
		q, l := new(spec.QuantizationParams), new(spec.LinearQuantizationParams)
		l.SetScale(scale)
		l.SetBias(bias)
		q.SetNumberOfBits(bits)
		q.SetLinearQuantization(l)
		return q
	}
	table := func(bits uint64, v ...float32) *spec.QuantizationParams {
		q, l := new(spec.QuantizationParams), new(spec.LookUpTableQuantizationParams)
		l.SetFloatValue(v)
		q.SetNumberOfBits(bits)
		q.SetLookupTableQuantization(l)
		return q
	}
	one := []float32{1}
	// The codes of the format's own example: most significant bit first.
	example := []byte{0x03, 0x57, 0xac, 0xf0, 0x25, 0x8a, 0xcf, 0x02, 0x57, 0xac, 0xf0}
	for _, c := range []struct {
		name  string
		w     Weights
		q     *spec.QuantizationParams
		shape []int
		axis  int
		want  []float32 // nil: an error
	}{
		{"float32", FloatWeights([]float32{1, 2}), nil, []int{2}, 0, []float32{1, 2}},
		{"float32, too few", FloatWeights([]float32{1, 2}), nil, []int{3}, 0, nil},
		{"float16", BytesWeights(Float16, []byte{0, 0x3c, 0, 0xc0}), nil, []int{2}, 0, []float32{1, -2}},
		{"float16, odd", BytesWeights(Float16, []byte{0, 0x3c, 0}), nil, []int{1}, 0, nil},
		{"none", Weights{}, nil, []int{1}, 0, nil},
		{"none wanted", Weights{}, nil, []int{0}, 0, []float32{}},
		{"negative", FloatWeights(nil), nil, []int{-1}, 0, nil},
		{
			"4 bits", BytesWeights(Raw, example), linear(4, one, nil),
			[]int{3, 7},
			0,
			[]float32{0, 3, 5, 7, 10, 12, 15, 0, 2, 5, 8, 10, 12, 15, 0, 2, 5, 7, 10, 12, 15},
		},
		{"3 bits", BytesWeights(Raw, []byte{0b00101011, 0b10000000}), linear(3, one, nil), []int{3}, 0, []float32{1, 2, 7}},
		{"8 bits", BytesWeights(Raw, []byte{0, 255}), linear(8, []float32{2}, one), []int{2}, -1, []float32{1, 511}},
		{"channels", BytesWeights(Raw, []byte{1, 2, 3, 4}), linear(8, []float32{1, 10}, []float32{0, 5}), []int{2, 2}, 0, []float32{1, 2, 35, 45}},
		{"channels on axis 1", BytesWeights(Raw, []byte{1, 2, 3, 4}), linear(8, []float32{1, 10}, nil), []int{2, 2}, 1, []float32{1, 20, 3, 40}},
		{"wrong channels", BytesWeights(Raw, []byte{1, 2, 3, 4}), linear(8, []float32{1, 10, 3}, nil), []int{2, 2}, 0, nil},
		{"no scale", BytesWeights(Raw, []byte{1, 2}), linear(8, nil, nil), []int{2}, 0, nil},
		{"no such axis", BytesWeights(Raw, []byte{1, 2}), linear(8, []float32{1, 1}, nil), []int{2}, 1, nil},
		{"biases", BytesWeights(Raw, []byte{1, 2}), linear(8, one, []float32{1, 1}), []int{2}, 0, nil},
		{"9 bits", BytesWeights(Raw, []byte{1, 2, 3}), linear(9, one, nil), []int{2}, 0, nil},
		{"no quantization", BytesWeights(Raw, []byte{1}), nil, []int{1}, 0, nil},
		{"too few codes", BytesWeights(Raw, []byte{1}), linear(4, one, nil), []int{3}, 0, nil},
		{"table", BytesWeights(Raw, []byte{0b00011011}), table(2, 7, 8, 9, 6), []int{4}, 0, []float32{7, 8, 9, 6}},
		{"short table", BytesWeights(Raw, []byte{0b00011011}), table(2, 7, 8, 9), []int{4}, 0, nil},
		{"int8", BytesWeights(Int8Raw, []byte{255, 127}), linear(8, []float32{0.5}, nil), []int{2}, 0, []float32{-0.5, 63.5}},
		{"int8, too many", BytesWeights(Int8Raw, []byte{255, 127}), linear(8, one, nil), []int{1}, 0, nil},
	} {
		got, err := c.w.Values(c.q, c.shape, c.axis)
		if c.want == nil && fault.KindOf(err) == 0 || c.want != nil && (err != nil || !slices.Equal(got, c.want)) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

// Changes leave everything else as it was.
func TestMinimalChange(t *testing.T) {
	original := oddModel()
	replace := func(old, new []byte) []byte {
		if bytes.Count(original, old) != 1 {
			t.Fatalf("% x does not stand once in the model", old)
		}
		return bytes.Replace(original, old, new, 1)
	}
	for _, c := range []struct {
		name   string
		change func(m *Model)
		want   []byte
	}{
		{"nothing", func(m *Model) {}, original},
		{"version", func(m *Model) { m.spec.SetSpecificationVersion(5) }, replace(varint(1, 9), varint(1, 5))},
		{"to itself and back", func(m *Model) { layers(m)[0].SetName("q"); layers(m)[0].SetName("conv") }, original},
		{"an added field", func(m *Model) { m.spec.SetIsUpdatable(true) }, append(varint(10, 1), original...)},
		{
			"user text", func(m *Model) { m.spec.GetDescription().GetMetadata().GetUserDefined()["k"] = "w" },
			replace(field(2, []byte("v")), field(2, []byte("w"))),
		},
		{"unknown field", func(m *Model) { m.spec.ProtoReflect().SetUnknown(nil) }, replace(field(12345, []byte("later versions")), nil)},
		{"layer order", func(m *Model) { slices.Reverse(layers(m)) }, nil},
		{"less layers", func(m *Model) { m.spec.GetNeuralNetwork().SetLayers(layers(m)[1:]) }, nil},
		{"more layers", func(m *Model) {
			m.spec.GetNeuralNetwork().SetLayers(append(layers(m), proto.Clone(layers(m)[0]).(*spec.NeuralNetworkLayer)))
		}, nil},
		{"another kind", func(m *Model) { m.spec.SetIdentity(new(spec.Identity)) }, nil},
		{
			"layer name", func(m *Model) { layers(m)[0].SetName("other") },
			oddModelWith("other", func(n protowire.Number, b []byte) []byte { return field(n, b) }),
		},
	} {
		m := parseBytes(t, original)
		c.change(m)
		got := encoded(t, m)
		if c.want != nil && !bytes.Equal(got, c.want) {
			t.Errorf("%s: have\n% x, want\n% x", c.name, got, c.want)
		}
		meaning(t, c.name, m, got)
	}
}

// meaning compares encoded bytes with the messages of m, weights put in.
func meaning(t testing.TB, name string, m *Model, b []byte) {
	t.Helper()
	r, err := (&encoder{m: m}).fresh(m.spec.ProtoReflect())
	if err != nil {
		t.Fatal(err)
	}
	var want, got spec.Model
	if err := proto.Unmarshal(ropeBytes(t, r), &want); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b, &got); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if !proto.Equal(&want, &got) {
		t.Errorf("%s: have %v, want %v", name, &got, &want)
	}
}

func TestSetWeights(t *testing.T) {
	for _, c := range []struct {
		name string
		w    Weights
		want []byte
	}{
		{"floats", FloatWeights([]float32{9}), field(1, floats(9))},
		{"codes", BytesWeights(Raw, []byte{1, 2, 3}), field(30, []byte{1, 2, 3})},
		{"none", Weights{}, nil},
	} {
		m := parseBytes(t, oddModel())
		wp := layers(m)[0].GetConvolution().GetWeights()
		if err := m.SetWeights(wp, c.w); err != nil {
			t.Fatal(err)
		}
		if w, err := m.Weights(wp); err != nil || w.Kind() != c.w.Kind() || w.Size() != c.w.Size() {
			t.Errorf("%s: %v, %v", c.name, w, err)
		}
		got := encoded(t, m)
		want := field(90, c.want, varint(50, 0), field(77, []byte("strange")))
		if !bytes.Contains(got, want) {
			t.Errorf("%s: have\n% x, without\n% x", c.name, got, want)
		}
	}
	m := parseBytes(t, oddModel())
	if err := m.SetWeights(new(spec.WeightParams), BytesWeights(Float32, []byte{1})); fault.KindOf(err) != fault.BadShape {
		t.Error(err)
	}
	// What the caller has put into the message itself counts.
	wp := layers(m)[0].GetConvolution().GetWeights()
	wp.SetFloatValue([]float32{5})
	if got := encoded(t, m); !bytes.Contains(got, field(90, field(1, floats(5)), varint(50, 0), field(77, []byte("strange")))) {
		t.Errorf("% x", got)
	}
}

// writeModel makes a package in dir with a program that has one value in a
// weight file.
func writePackage(t testing.TB, name string) {
	t.Helper()
	s := new(spec.Model)
	s.SetSpecificationVersion(7)
	s.SetMlProgram(new(spec.Program))
	v, at := new(spec.Value), new(spec.Value_BlobFileValue)
	v.SetBlobFileValue(at)
	s.GetMlProgram().SetAttributes(map[string]*spec.Value{"w": v})
	at.SetFileName("@model_path/weights/weight.bin")
	m := New(s)
	defer m.Close()
	err := m.WriteBlob(at.GetFileName(), func(w *blob.Writer) error {
		off, err := w.Append(tensor.Floats([]int{3}, []float32{1, 2, 3}))
		at.SetOffset(off)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(name); err != nil {
		t.Fatal(err)
	}
}

func readBlob(t testing.TB, m *Model) []float32 {
	t.Helper()
	at := m.Spec().GetMlProgram().GetAttributes()["w"].GetBlobFileValue()
	f, err := m.Blob(at.GetFileName())
	if err != nil {
		t.Fatal(err)
	}
	x, err := f.Read(at.GetOffset(), []int{3})
	if err != nil {
		t.Fatal(err)
	}
	return x.F32()
}

func TestPackage(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "m.mlpackage")
	writePackage(t, name)
	if err := os.Mkdir(filepath.Join(name, "Data", "empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	m, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if v := readBlob(t, m); !slices.Equal(v, []float32{1, 2, 3}) || m.Kind() != "mlProgram" || !m.IsPackage() {
		t.Error(v, m.Kind())
	}
	other := filepath.Join(dir, "n.mlpackage")
	if err := m.Save(other); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, os.DirFS(dir), "m.mlpackage", os.DirFS(dir), "n.mlpackage")
	if _, err := os.Stat(filepath.Join(other, "Data", "empty")); err != nil {
		t.Error(err)
	}
	// A new weight file, written while the old one is read, saved in place.
	err = m.WriteBlob("@model_path/weights/weight.bin", func(w *blob.Writer) error {
		if _, err := w.Append(tensor.Ints([]int{1}, []int32{0})); err != nil {
			return err
		}
		v := readBlob(t, m)
		slices.Reverse(v)
		off, err := w.Append(tensor.Floats([]int{3}, v))
		m.Spec().GetMlProgram().GetAttributes()["w"].GetBlobFileValue().SetOffset(off)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		m.Spec().SetIsUpdatable(!m.Spec().GetIsUpdatable())
		if err := m.Save(name); err != nil {
			t.Fatal(err)
		}
		if v := readBlob(t, m); !slices.Equal(v, []float32{3, 2, 1}) {
			t.Error(v)
		}
		again, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if v := readBlob(t, again); !slices.Equal(v, []float32{3, 2, 1}) {
			t.Error(v)
		}
		again.Close()
	}
	if err := m.Save(filepath.Join(dir, "x.mlmodel")); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestMissingBlob(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m.mlpackage")
	writePackage(t, name)
	if err := os.RemoveAll(filepath.Join(name, "Data", "com.apple.CoreML", "weights")); err != nil {
		t.Fatal(err)
	}
	m, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	_, err = m.Blob("@model_path/weights/weight.bin")
	if fault.KindOf(err) != fault.Corrupt || !strings.Contains(fmt.Sprint(err), "weights/weight.bin is missing") {
		t.Error(err)
	}
	for _, bad := range []string{"", "weight.bin", "@model_path/", "@model_path/../../../x", "@model_path//etc/passwd", "/etc/passwd"} {
		if _, err := m.Blob(bad); fault.KindOf(err) != fault.BadValue {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSaveFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "m.mlmodel")
	if err := os.WriteFile(name, oddModel(), 0o640); err != nil {
		t.Fatal(err)
	}
	m, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for range 4 { // over the file that is open
		m.Spec().SetSpecificationVersion(m.Spec().GetSpecificationVersion() + 1)
		if err := m.Save(name); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.Replace(oddModel(), varint(1, 9), varint(1, 13), 1)
	if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, want) {
		t.Errorf("%v: % x", err, b)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
		t.Error(info.Mode(), err)
	}
	link := filepath.Join(dir, "link.mlmodel")
	if err := os.Symlink("m.mlmodel", link); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(link); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link was replaced", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d.mlpackage"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(filepath.Join(dir, "d.mlpackage")); err == nil {
		t.Error("a directory that is no package was replaced")
	}
	if err := m.Save(filepath.Join(dir, "e.mlpackage")); err != nil {
		t.Error(err)
	}
	p, err := Open(filepath.Join(dir, "e.mlpackage"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, p), want) {
		t.Error("the package holds another model")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	// Someone else writes into the file.
	again, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := os.WriteFile(name, []byte("other"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := again.Save(filepath.Join(dir, "o.mlmodel")); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 4 {
		t.Errorf("%v, %v", left, err)
	}
}
