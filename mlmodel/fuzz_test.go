package mlmodel

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/smelt-ml/smelt/fault"
)

// describeAll calls everything that looks at an open model, to see that
// nothing panics, and reads the weights of small ones.
func describeAll(t testing.TB, m *Model) {
	m.Summary()
	m.RequiredVersion()
	m.Metadata()
	ClassLabels(m.Spec())
	for _, i := range Describe(m.Spec().GetDescription()) {
		for _, f := range i.Inputs {
			_ = f.Type()
		}
	}
	mustHaveKind := func(err error) {
		if err != nil && fault.KindOf(err) == 0 {
			t.Fatalf("no kind: %v", err)
		}
	}
	for w := range NetworkWeights(m.Spec()) {
		payload, err := m.Weights(w.Params)
		mustHaveKind(err)
		if err == nil && w.Shape != nil {
			_, err = payload.Values(w.Params.GetQuantization(), w.Shape, w.Axis)
			mustHaveKind(err)
		}
		if err == nil {
			if b, err := payload.Bytes(); err != nil || int64(len(b)) != payload.Size() {
				t.Fatalf("%d bytes, want %d; %v", len(b), payload.Size(), err)
			}
		}
	}
	for c := range Constants(m.Spec()) {
		_, shape, err := c.Type()
		mustHaveKind(err)
		if at := c.Value.GetBlobFileValue(); err == nil && c.Value.HasBlobFileValue() {
			f, err := m.Blob(at.GetFileName())
			mustHaveKind(err)
			if err == nil {
				_, err = f.Read(at.GetOffset(), shape)
				mustHaveKind(err)
			}
		}
	}
}

func FuzzModel(f *testing.F) {
	files, err := filepath.Glob("testdata/*.mlmodel")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	more, _ := filepath.Glob("testdata/*.mlpackage/" + defaultModelPath)
	for _, name := range append(files, more...) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(oddModel())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(bytesReader(b), int64(len(b)), "f")
		if err != nil {
			var e *fault.Error
			if !errors.As(err, &e) || e.Kind == 0 || e.File != "f" {
				t.Fatalf("%#v", err)
			}
			return
		}
		describeAll(t, m)
		checkIdentity(t, m, b)
		m.spec.SetSpecificationVersion(m.spec.GetSpecificationVersion() + 1)
		r, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		checkMeaning(t, m, flatten(t, r))
	})
}

func FuzzPackage(f *testing.F) {
	for _, name := range []string{"program.mlpackage", "functions.mlpackage"} {
		var parts [3][]byte
		for i, p := range []string{manifestName, defaultModelPath, "Data/com.apple.CoreML/weights/weight.bin"} {
			b, err := os.ReadFile(filepath.Join("testdata", name, p))
			if err != nil {
				f.Fatal(err)
			}
			parts[i] = b
		}
		f.Add(parts[0], parts[1], parts[2], defaultModelPath)
	}
	f.Fuzz(func(t *testing.T, manifest, model, weights []byte, at string) {
		files := fstest.MapFS{manifestName: {Data: manifest}, "Data/com.apple.CoreML/weights/weight.bin": {Data: weights}}
		if fs.ValidPath(at) && at != "." {
			files[at] = &fstest.MapFile{Data: model}
		}
		m, err := OpenFS(files, ".")
		if err != nil {
			if fault.KindOf(err) == 0 {
				t.Fatalf("%#v", err)
			}
			return
		}
		defer m.Close()
		if !m.IsPackage() || !strings.HasPrefix(m.modelPath(), "Data/") {
			t.Fatalf("the model is %q", m.modelPath())
		}
		describeAll(t, m)
		b, err := withItems(m.pkg.manifest, []manifestItem{{Path: "com.apple.CoreML/weights"}, {Path: strings.TrimPrefix(m.modelPath(), "Data/")}})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := parseManifest(b); m.pkg.manifest != nil && (err != nil || p != m.modelPath()) {
			t.Fatalf("%q becomes %q, %v", m.modelPath(), p, err)
		}
	})
}

// Every place at which a file may end, and many a bit that may be wrong.
func TestDamagedFiles(t *testing.T) {
	for _, name := range []string{"network.mlmodel", "features.mlmodel", "pipeline.mlmodel"} {
		good, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		try := func(b []byte) {
			m, err := Parse(bytesReader(b), int64(len(b)), "f")
			if err != nil {
				var e *fault.Error
				if !errors.As(err, &e) || e.Kind == 0 || e.File != "f" || e.Place == "" && len(b) > 3 {
					t.Fatalf("%s: %v", name, err)
				}
				return
			}
			describeAll(t, m)
			checkIdentity(t, m, b)
		}
		for n := range good {
			try(good[:n])
		}
		for bit := 0; bit < 8*len(good); bit += 7 {
			b := bytes.Clone(good)
			b[bit/8] ^= 1 << (bit % 8)
			try(b)
		}
	}
}

func TestParseErrors(t *testing.T) {
	deep := varint(1, 1)
	nest := func(n int) []byte {
		inner := deep
		for range n { // a pipeline in a pipeline: two messages
			inner = append(varint(1, 1), field(202, field(1, inner))...)
		}
		return inner
	}
	group := func(n int) []byte {
		var b []byte
		for range n {
			b = protowire.AppendTag(b, 9, protowire.StartGroupType)
		}
		for range n {
			b = protowire.AppendTag(b, 9, protowire.EndGroupType)
		}
		return append(varint(1, 1), b...)
	}
	program := func(inner []byte) []byte {
		return append(varint(1, 7), field(502, field(2, field(1, []byte("main")), field(2, inner)))...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		kind fault.Kind // 0: readable
		text string
	}{
		{"empty", nil, fault.Corrupt, "no Core ML model"},
		{"text", []byte("hello, world"), fault.Corrupt, "byte "},
		{"zeros", make([]byte, 100), fault.Corrupt, "byte 0"},
		{"length beyond the end", append(varint(1, 1), 0xa2, 0x1f, 0x7f), fault.Corrupt, "byte 4: field 500: has 127 bytes, only 0 are left"},
		{"length of 2^63", append(varint(1, 1), 0xa2, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), fault.Corrupt, "byte 4"},
		{"inner length", append(varint(1, 1), field(500, []byte{0x0a, 5})...), fault.Corrupt, "byte 6"},
		{"field 0", []byte{8, 1, 0, 0}, fault.Corrupt, "byte 2"},
		{"end of no group", []byte{8, 1, 0x0c}, fault.Corrupt, "byte 2"},
		{"odd floats", append(varint(1, 1), field(500, field(1, field(140, field(20, field(1, []byte{1, 2, 3})))))...), fault.Corrupt, "3 bytes are no whole number of float32"},
		{"bad text", append(varint(1, 1), field(2, field(1, field(1, []byte{0xff})))...), fault.Corrupt, "description.input.name, byte 8: the text is not valid UTF-8"},
		{"bad packed list", append(varint(1, 1), field(2, field(1, field(3, field(5, field(1, []byte{0xff})))))...), fault.Corrupt, "multiArrayType.shape, byte"},
		{"truncated in a program", program([]byte{0x0a, 9}), fault.Corrupt, "mlProgram.functions.value, byte"},
		{"49 pipelines", nest(49), 0, ""},
		{"50 pipelines", nest(50), fault.Limit, "more than 100 deep"},
		{"90 groups", group(90), 0, ""},
		{"200 groups", group(200), fault.Limit, "more than 100 deep"},
		{"group that does not end", append(varint(1, 1), 0x4b), fault.Corrupt, "does not end"},
		{"group that ends as another", append(varint(1, 1), 0x4b, 0x54), fault.Corrupt, "ends as group 10"},
	} {
		_, err := Parse(bytesReader(c.b), int64(len(c.b)), "f.mlmodel")
		if fault.KindOf(err) != c.kind || c.kind != 0 && (!strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "f.mlmodel: ")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A list of types in types, inside what is copied without a look.
	types := []byte{}
	for range 120 {
		types = field(2, field(1, types))
	}
	b := program(field(1, field(2, types)))
	if _, err := Parse(bytesReader(b), int64(len(b)), "f"); fault.KindOf(err) != fault.Limit {
		t.Error(err)
	}
	// A reader that has less than it was said to have.
	good := oddModel()
	if _, err := Parse(bytesReader(good), int64(len(good))+100, "f"); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
}

func TestPackageErrors(t *testing.T) {
	const item = `"x":{"path":"com.apple.CoreML/model.mlmodel","name":"m","author":"a","description":"d"}`
	model := oddModel()
	for _, c := range []struct {
		name     string
		manifest string
		kind     fault.Kind
		text     string
	}{
		{"good", `{"fileFormatVersion":"1.0.7","rootModelIdentifier":"x","itemInfoEntries":{` + item + `}}`, 0, ""},
		{"no JSON", `{"fileFormatVersion`, fault.Corrupt, "byte 19"},
		{"empty", `{}`, fault.Corrupt, "fileFormatVersion"},
		{"newer", `{"fileFormatVersion":"1.1.0","rootModelIdentifier":"x","itemInfoEntries":{` + item + `}}`, fault.Unsupported, "newer"},
		{"version of two numbers", `{"fileFormatVersion":"1.0","rootModelIdentifier":"x"}`, fault.Corrupt, "three numbers"},
		{"negative version", `{"fileFormatVersion":"1.-1.0","rootModelIdentifier":"x"}`, fault.Corrupt, "three numbers"},
		{"no root", `{"fileFormatVersion":"1.0.0","rootModelIdentifier":"y","itemInfoEntries":{` + item + `}}`, fault.Corrupt, `no item "y"`},
		{"climbs out", strings.ReplaceAll(`{"fileFormatVersion":"1.0.0","rootModelIdentifier":"x","itemInfoEntries":{`+item+`}}`, "com.apple", "../../com"), fault.Corrupt, "stay inside"},
		{"absolute", strings.ReplaceAll(`{"fileFormatVersion":"1.0.0","rootModelIdentifier":"x","itemInfoEntries":{`+item+`}}`, "com.apple.CoreML", "/etc"), fault.Corrupt, "stay inside"},
		{"no such model", strings.ReplaceAll(`{"fileFormatVersion":"1.0.0","rootModelIdentifier":"x","itemInfoEntries":{`+item+`}}`, "model.mlmodel", "n.mlmodel"), fault.Corrupt, "cannot be opened"},
		{"model is a directory", strings.ReplaceAll(`{"fileFormatVersion":"1.0.0","rootModelIdentifier":"x","itemInfoEntries":{`+item+`}}`, "/model.mlmodel", ""), fault.Corrupt, "no regular file"},
		{"too large", strings.Repeat(" ", maxManifest+1), fault.Limit, "more than"},
	} {
		m, err := OpenFS(fstest.MapFS{"p/" + manifestName: {Data: []byte(c.manifest)}, "p/" + defaultModelPath: {Data: model}}, "p")
		if fault.KindOf(err) != c.kind || c.kind != 0 && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil {
			m.Close()
		}
	}
	if m, err := OpenFS(fstest.MapFS{"p/" + defaultModelPath: {Data: model}}, "p"); err != nil || !m.IsPackage() {
		t.Errorf("a package without a manifest: %v", err)
	}
	for name, files := range map[string]fstest.MapFS{
		"p":          {"p/coremldata.bin": {}},
		"q.mlmodelc": {"q.mlmodelc/x": {}},
	} {
		if _, err := OpenFS(files, name); fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "compiled") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenFS(fstest.MapFS{"p/x": {}}, "p"); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Links do not lead out of a package.
func TestLinksOutOfPackage(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "m.mlpackage")
	writePackage(t, name)
	outside := filepath.Join(dir, "weight.bin")
	inside := filepath.Join(name, "Data", "com.apple.CoreML", "weights", "weight.bin")
	if err := os.Rename(inside, outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, inside); err != nil {
		t.Fatal(err)
	}
	m, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Blob("@model_path/weights/weight.bin"); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
	if err := m.Save(filepath.Join(dir, "n.mlpackage")); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
}
