package tensor

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// golden is one array as NumPy sees it.
type golden struct {
	name, shape string
	values      []string
}

func goldens(t *testing.T) []golden {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		out = append(out, golden{f[0], f[1], f[2:]})
	}
	return out
}

func (g golden) check(t *testing.T, x *Tensor) {
	t.Helper()
	if got := strings.ReplaceAll(FormatShape(x.Shape()), "×", "x"); got != g.shape {
		t.Errorf("%s: shape %s, want %s", g.name, got, g.shape)
		return
	}
	if x.Len() != len(g.values) {
		t.Errorf("%s: %d values, want %d", g.name, x.Len(), len(g.values))
		return
	}
	for i, want := range g.values {
		var ok bool
		switch x.DType() {
		case String:
			s, err := hex.DecodeString(strings.TrimSuffix(want, "-"))
			ok = err == nil && string(s) == x.Strings()[i]
		case Uint64:
			u, err := strconv.ParseUint(want, 10, 64)
			ok = err == nil && uint64(Data[int64](x)[i]) == u
		case Int64:
			v, err := strconv.ParseInt(want, 10, 64)
			ok = err == nil && Data[int64](x)[i] == v
		default:
			f, err := strconv.ParseFloat(want, 64)
			ok = err == nil && math.Float64bits(x.Float64s()[i]) == math.Float64bits(f)
		}
		if !ok {
			t.Errorf("%s: value %d of %v: want %s", g.name, i, x, want)
			return
		}
	}
}

// kindOf returns the type after which a golden file is named, if it is.
func kindOf(name string) DType { return npyTypes[name[:strings.IndexByte(name+"_", '_')]] }

func TestReadNPYFile(t *testing.T) {
	for _, g := range goldens(t) {
		if strings.HasPrefix(g.name, "npz:") {
			continue
		}
		path := filepath.Join("testdata", g.name+".npy")
		x, err := ReadNPYFile(path)
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		if want := kindOf(g.name); want != Invalid && x.DType() != want {
			t.Errorf("%s: type %s, want %s", g.name, x.DType(), want)
		}
		g.check(t, x)

		// The same from readers that do not know their length and give one
		// byte at a time; what follows the array is left alone.
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := io.MultiReader(iotest.OneByteReader(bytes.NewReader(b)), strings.NewReader("rest"))
		if x, err = ReadNPY(r); err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		g.check(t, x)
		if rest, err := io.ReadAll(r); err != nil || string(rest) != "rest" {
			t.Errorf("%s: leaves %q, %v", g.name, rest, err)
		}

		// Cut anywhere, it is an error.
		for n := range b {
			for _, r := range []io.Reader{bytes.NewReader(b[:n]), iotest.HalfReader(bytes.NewReader(b[:n]))} {
				if _, err := ReadNPY(r); err == nil {
					t.Errorf("%s: no error for %d of %d bytes", g.name, n, len(b))
				}
			}
		}
	}
}

// TestWriteNPYBytes: where NumPy wrote row-major, little endian, format 1.0,
// the same bytes come out.
func TestWriteNPYBytes(t *testing.T) {
	for _, name := range []string{
		"b1_little", "i1_little", "i2_little", "i4_little", "i8_little", "u1_little", "u2_little", "u4_little", "u8_little",
		"f2_little", "f4_little", "f8_little", "scalar", "empty", "unicode_little",
	} {
		want, err := os.ReadFile(filepath.Join("testdata", name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		x, err := ReadNPY(bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []*Tensor{x, x.Decoded()} {
			var b bytes.Buffer
			if err := WriteNPY(&b, x); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%s:\nhave %q\nwant %q", name, b.Bytes(), want)
			}
		}
	}
}

func npyFile(header string, elements string) []byte {
	b := []byte(npyMagic + "\x01\x00")
	b = append(b, byte(len(header)), byte(len(header)>>8))
	return append(b, header+elements...)
}

func TestReadNPYHeaders(t *testing.T) {
	for _, header := range []string{
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n",
		"{'descr':'<f4','fortran_order':False,'shape':(1,)}",
		`{"shape": (1L,), "fortran_order": True, "descr": "<f4"}` + "  \n",
		" { 'shape' : ( 1 , ) , 'descr' : '=f4' , 'fortran_order' : False } ",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': ()}",
	} {
		x, err := ReadNPY(bytes.NewReader(npyFile(header, "\x00\x00\x80\x3f")))
		if err != nil {
			t.Errorf("%s: %v", header, err)
		} else if x.DType() != Float32 || x.Len() != 1 || x.F32()[0] != 1 {
			t.Errorf("%s: have %v %v", header, x, x.F32())
		}
	}
}

func TestReadNPYRefuses(t *testing.T) {
	head := func(descr, shape string) string {
		return fmt.Sprintf("{'descr': %s, 'fortran_order': False, 'shape': %s, }", descr, shape)
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "magic number: unexpected EOF"},
		{[]byte("PK\x03\x04 something"), "not a NumPy file"},
		{[]byte("\x93NUMPY\x04\x00    "), "format 4.0 is not known"},
		{[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "at most 65536"},
		{[]byte("\x93NUMPY\x01\x00\x40\x00{"), "header: unexpected EOF"},
		{npyFile("", ""), "want '{'"},
		{npyFile("{}", ""), `"descr" is missing`},
		{npyFile(head("'<f4'", "(1,)")+"x", ""), "after the dictionary"},
		{npyFile("{'descr': '<f4', 'descr': '<f4'}", ""), "stands twice"},
		{npyFile("{'x': 1}", ""), `"x" is not known`},
		{npyFile("{'descr': '<f4' 'shape': ()}", ""), "want '}'"},
		{npyFile("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", ""), "want True or False"},
		{npyFile("{'descr': '<f4", ""), "want a string"},
		{npyFile(`{'descr': '<f\x34'}`, ""), "want a string"},
		{npyFile(head("'<f4'", "3"), ""), "want '('"},
		{npyFile(head("'<f4'", "(3)"), ""), "one dimension d is written (d,)"},
		{npyFile(head("'<f4'", "(,)"), ""), "want a dimension"},
		{npyFile(head("'<f4'", "(1 2)"), ""), "(d,)"},
		{npyFile(head("'<f4'", "(1, 2 3)"), ""), "want ',' or ')'"},
		{npyFile(head("'<f4'", "(1.5,)"), ""), "(d,)"},
		{npyFile(head("'<f4'", "(-3,)"), ""), "negative dimension"},
		{npyFile(head("'<f4'", "(99999999999999999999,)"), ""), "want a dimension"},
		{npyFile(head("'<f4'", "(4294967296, 4294967296)"), ""), "more than"},
		{npyFile(head("'<f4'", "("+strings.Repeat("1,", 65)+")"), ""), "more than 64 dimensions"},
		{npyFile(head("'<f4'", "(3,)"), "1234"), "want 3 fp32 = 12 bytes, have 4"},
		{npyFile(head("'f4'", "(3,)"), ""), "want a byte order"},
		{npyFile(head("'|f4'", "(3,)"), ""), "need a byte order"},
		{npyFile(head("'<c8'", "(3,)"), ""), "not supported"},
		{npyFile(head("'|V2'", "(3,)"), ""), "not supported"},
		{npyFile(head("'|O'", "(3,)"), ""), "pickle"},
		{npyFile(head("[('x', '<f4')]", "(3,)"), ""), "structured"},
		{npyFile(head("'<U0'", "(2147483647,)"), ""), "of no length"},
		{npyFile(head("'<U999999999999'", "(1,)"), ""), "length of a string"},
		{npyFile(head("'<U'", "(1,)"), ""), "length of a string"},
		{npyFile(head("'<U1'", "(1,)"), "\x00\xd8\x00\x00"), "0xd800 is not a Unicode character"},
		{npyFile(head("'<U1'", "(1,)"), "\x00\x00\x11\x80"), "0x80110000 is not a Unicode character"},
	} {
		_, err := ReadNPY(bytes.NewReader(c.b))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "npy: ") {
			t.Errorf("%q:\nhave %v\nwant %s", c.b, err, c.want)
		}
	}
	for name, want := range map[string]string{"object": "pickle", "structured": "structured", "complex": "not supported", "missing": "no such file"} {
		if _, err := ReadNPYFile(filepath.Join("testdata", name+".npy")); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "more.npy")
	if err := os.WriteFile(path, npyFile(head("'|u1'", "(1,)"), "ab"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadNPYFile(path); err == nil || !strings.Contains(err.Error(), "more bytes") {
		t.Errorf("bytes after the end: %v", err)
	}
}

// TestReadNPYMemory: a shape that lies costs no memory, whether or not the
// reader knows its length.
func TestReadNPYMemory(t *testing.T) {
	b := npyFile("{'descr': '<f8', 'fortran_order': True, 'shape': (2147483647,)}", strings.Repeat("x", 100000))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, r := range []io.Reader{bytes.NewReader(b), iotest.HalfReader(bytes.NewReader(b))} {
		if _, err := ReadNPY(r); err == nil {
			t.Error("no error")
		}
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("took %d bytes", took)
	}
}

func TestWriteNPYRefuses(t *testing.T) {
	for _, c := range []struct {
		t    *Tensor
		want string
	}{
		{Zeros(BFloat16, nil), "NumPy has no bf16"},
		{Zeros(Uint4, nil), "NumPy has no uint4"},
		{New(String, []int{1}, []string{"a\x00"}), "ends in a NUL"},
		{New(String, []int{1}, []string{"\xff"}), "not UTF-8"},
		{Zeros(Float32, slices.Repeat([]int{1}, 65)), "65 dimensions"},
	} {
		var b bytes.Buffer
		if err := WriteNPY(&b, c.t); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: have %v, want %s", c.t, err, c.want)
		}
		if b.Len() != 0 {
			t.Errorf("%v: %d bytes written before the error", c.t, b.Len())
		}
	}
	x := Zeros(Float32, []int{100000})
	for _, room := range []int{0, 100, 300000} {
		if err := WriteNPY(&fullWriter{room}, x); err != errFull {
			t.Errorf("a disk full after %d bytes: %v", room, err)
		}
	}
	if err := WriteNPY(&fullWriter{200}, New(String, []int{1}, []string{strings.Repeat("a", 100)})); err != errFull {
		t.Errorf("strings on a full disk: %v", err)
	}
}

var errFull = fmt.Errorf("disk full")

type fullWriter struct{ room int }

func (w *fullWriter) Write(b []byte) (int, error) {
	if len(b) > w.room {
		return 0, errFull
	}
	w.room -= len(b)
	return len(b), nil
}

// drawTensor draws a tensor that NumPy can hold.
func drawTensor(t *rapid.T) *Tensor {
	shape := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 4).Draw(t, "shape")
	n := Size(shape)
	kinds := []DType{String}
	for _, d := range npyTypes {
		kinds = append(kinds, d)
	}
	slices.Sort(kinds)
	d := rapid.SampledFrom(kinds).Draw(t, "type")
	if d == String {
		word := rapid.String().Filter(func(s string) bool { return !strings.HasSuffix(s, "\x00") })
		return New(String, shape, rapid.SliceOfN(word, n, n).Draw(t, "strings"))
	}
	size := d.PackedSize(n)
	x, err := FromPacked(d, shape, rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "bytes"))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func equal(a, b *Tensor) bool {
	if a.DType() != b.DType() || !slices.Equal(a.Shape(), b.Shape()) {
		return false
	}
	if a.DType() == String {
		return slices.Equal(a.Strings(), b.Strings())
	}
	return bytes.Equal(a.Packed(), b.Packed())
}

func TestNPYRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawTensor(t)
		var b bytes.Buffer
		if err := WriteNPY(&b, x); err != nil {
			t.Fatal(err)
		}
		y, err := ReadNPY(&b)
		if err != nil {
			t.Fatal(err)
		}
		if !equal(x, y) || b.Len() != 0 {
			t.Fatalf("%v comes back as %v, %d bytes left", x, y, b.Len())
		}
	})
}

// TestRowMajor holds the tiled transposition against plain indexing.
func TestRowMajor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := rapid.SliceOfN(rapid.IntRange(1, 5), 2, 5).Draw(t, "shape")
		shape[0] += rapid.SampledFrom([]int{0, 30, 70}).Draw(t, "rows")
		shape[len(shape)-1] += rapid.SampledFrom([]int{0, 30}).Draw(t, "columns")
		item := rapid.SampledFrom([]int{1, 2, 3, 4, 8, 12}).Draw(t, "item")
		n := Size(shape)
		src := make([]byte, n*item)
		for i := range src {
			src[i] = byte(i * 7919 >> 3)
		}
		want := make([]byte, 0, len(src))
		index := make([]int, len(shape))
		for range n {
			at, stride := 0, 1
			for d, i := range index {
				at += i * stride
				stride *= shape[d]
			}
			want = append(want, src[at*item:(at+1)*item]...)
			for d := len(shape) - 1; d >= 0; d-- {
				if index[d]++; index[d] < shape[d] {
					break
				}
				index[d] = 0
			}
		}
		if !bytes.Equal(rowMajor(src, shape, item), want) {
			t.Fatalf("shape %v, %d bytes", shape, item)
		}
	})
}

func TestNPZ(t *testing.T) {
	for _, file := range []string{"stored.npz", "deflated.npz"} {
		z, err := OpenNPZ(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"w", "layer/bias", "names"}; !slices.Equal(z.Names(), want) {
			t.Errorf("%s: names %q, want %q", file, z.Names(), want)
		}
		for _, g := range goldens(t) {
			if name, ok := strings.CutPrefix(g.name, "npz:"); ok {
				x, err := z.Read(name)
				if err != nil {
					t.Errorf("%s: %v", file, err)
					continue
				}
				g.check(t, x)
			}
		}
		if _, err := z.Read("none"); err == nil || !strings.Contains(err.Error(), `"none": there is none`) {
			t.Errorf("%s: %v", file, err)
		}
		if err := z.Close(); err != nil {
			t.Error(err)
		}
		if _, err := z.Read("w"); err == nil {
			t.Error("a closed archive still reads")
		}
	}
	if _, err := OpenNPZ("testdata/none.npz"); err == nil {
		t.Error("no error for a file that is not there")
	}
	if _, err := OpenNPZ("testdata/scalar.npy"); err == nil || !strings.Contains(err.Error(), "scalar.npy: npz: ") {
		t.Errorf("not an archive: %v", err)
	}
}

func TestNPZRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arrays := map[string]*Tensor{}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringN(1, 20, 60), 0, 4, rapid.ID).Draw(t, "names") {
			arrays[name] = drawTensor(t)
		}
		var b, again bytes.Buffer
		if err := WriteNPZ(&b, arrays); err != nil {
			t.Fatal(err)
		}
		if err := WriteNPZ(&again, arrays); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Fatalf("the same arrays give other bytes (%v)", err)
		}
		z, err := NewNPZ(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if len(z.Names()) != len(arrays) || !slices.IsSorted(z.Names()) {
			t.Fatalf("names %q", z.Names())
		}
		for name, x := range arrays {
			y, err := z.Read(name)
			if err != nil {
				t.Fatal(err)
			}
			if !equal(x, y) {
				t.Fatalf("%q: %v comes back as %v", name, x, y)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// archive makes an archive of one entry by hand.
func archive(t *testing.T, h *zip.FileHeader, content []byte) *NPZ {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	e, err := w.CreateRaw(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := NewNPZ(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestNPZRefuses(t *testing.T) {
	scalar, err := os.ReadFile("testdata/scalar.npy")
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(len(scalar))
	for _, c := range []struct {
		h    zip.FileHeader
		want string
	}{
		{zip.FileHeader{CompressedSize64: n, UncompressedSize64: n, CRC32: 1}, "checksum"},
		{zip.FileHeader{CompressedSize64: n, UncompressedSize64: n + 1}, "stored as"},
		{zip.FileHeader{CompressedSize64: n + 1000, UncompressedSize64: n + 1000}, "of an archive of"},
		{zip.FileHeader{CompressedSize64: n - 1, UncompressedSize64: n - 1}, "want scalar fp32 = 4 bytes, have 3"},
		{zip.FileHeader{CompressedSize64: n, UncompressedSize64: n, Flags: 1}, "encrypted"},
		{zip.FileHeader{CompressedSize64: n, UncompressedSize64: n, Method: 12}, "method 12"},
		{zip.FileHeader{CompressedSize64: n, UncompressedSize64: n, Method: zip.Deflate}, "unexpected EOF"},
	} {
		c.h.Name = "x.npy"
		if _, err := archive(t, &c.h, scalar).Read("x"); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"x"`) {
			t.Errorf("%+v: have %v, want %s", c.h, err, c.want)
		}
	}

	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for range 2 {
		if _, err := w.Create("x.npy"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewNPZ(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil || !strings.Contains(err.Error(), `two arrays are called "x"`) {
		t.Errorf("a name twice: %v", err)
	}

	for _, arrays := range []map[string]*Tensor{
		{"": Zeros(Float32, nil)}, {"\xff": Zeros(Float32, nil)}, {"x": Zeros(BFloat16, nil)},
	} {
		if err := WriteNPZ(io.Discard, arrays); err == nil || !strings.HasPrefix(err.Error(), "npz: ") {
			t.Errorf("%v: %v", arrays, err)
		}
	}
}

// TestNPZMemory: an entry that unpacks to more than the archive declares, or
// that claims a great size for few bytes, costs little.
func TestNPZMemory(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	e, err := w.Create("x.npy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(npyFile("{'descr': '<f8', 'fortran_order': False, 'shape': (2147483647,)}", strings.Repeat("x", 100000))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	z, err := NewNPZ(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&before)
	if _, err := z.Read("x"); err == nil || !strings.Contains(err.Error(), "have 100000") {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("took %d bytes", took)
	}
}

func BenchmarkNPY(b *testing.B) {
	path := filepath.Join(b.TempDir(), "large.npy")
	x := Zeros(Float32, []int{25, 1000, 1000})
	for i, d := 0, x.F32(); i < len(d); i++ {
		d[i] = float32(i)
	}
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := WriteNPY(f, x); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("file", func(b *testing.B) {
		b.SetBytes(100e6)
		for b.Loop() {
			if _, err := ReadNPYFile(path); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stream", func(b *testing.B) {
		b.SetBytes(100e6)
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := ReadNPY(f); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
	b.Run("decoded", func(b *testing.B) {
		b.SetBytes(100e6)
		for b.Loop() {
			t, err := ReadNPYFile(path)
			if err != nil {
				b.Fatal(err)
			}
			t.Decoded()
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(100e6)
		for b.Loop() {
			if err := WriteNPY(io.Discard, x); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fortran", func(b *testing.B) {
		b.SetBytes(100e6)
		for b.Loop() {
			rowMajor(memory(x.F32()), []int{1000, 25, 1000}, 4)
		}
	})
}
