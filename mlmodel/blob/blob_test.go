package blob

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

// memory is an io.WriteSeeker over a slice.
type memory struct {
	b   []byte
	pos int
}

func (m *memory) Write(p []byte) (int, error) {
	if need := m.pos + len(p); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	m.pos += copy(m.b[m.pos:], p)
	return len(p), nil
}

func (m *memory) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		panic("only from the start")
	}
	m.pos = int(off)
	return off, nil
}

func write(t interface{ Fatal(...any) }, ts ...*tensor.Tensor) ([]byte, []uint64) {
	var m memory
	w, err := NewWriter(&m)
	if err != nil {
		t.Fatal(err)
	}
	var offsets []uint64
	for _, x := range ts {
		off, err := w.Append(x)
		if err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, off)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return m.b, offsets
}

func open(t interface{ Fatal(...any) }, b []byte) *File {
	f, err := Open(bytes.NewReader(b), int64(len(b)), "weight.bin")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Data bytes and padding of every kind of packing.
func TestBytes(t *testing.T) {
	ints := func(d tensor.DType, v ...int32) *tensor.Tensor { return tensor.New(d, []int{len(v)}, v) }
	for _, c := range []struct {
		t       *tensor.Tensor
		number  uint32
		data    []byte
		padding int
	}{
		{ints(tensor.Int4, -8, -1, 0, 1, 7), 8, []byte{0xf8, 0x10, 0x07}, 4},
		{ints(tensor.Uint1, 1, 0, 1, 1, 0, 0, 0, 0, 1), 9, []byte{0x0d, 0x01}, 7},
		{ints(tensor.Uint2, 1, 2, 3, 0, 1), 10, []byte{0x39, 0x01}, 6},
		{ints(tensor.Uint3, 1, 2, 3, 4, 5), 12, []byte{0xd1, 0x58}, 1},
		{ints(tensor.Uint4, 1, 2, 15), 11, []byte{0x21, 0x0f}, 4},
		{ints(tensor.Uint6, 1, 2, 33), 13, []byte{0x81, 0x10, 0x02}, 6},
		{tensor.New(tensor.Float16, []int{3}, []float32{1, 2, 3}), 1, []byte{0, 0x3c, 0, 0x40, 0, 0x42}, 0},
		{ints(tensor.Int16, -2), 6, []byte{0xfe, 0xff}, 0},
		{ints(tensor.Uint16, 513), 7, []byte{1, 2}, 0},
		{ints(tensor.Int32, -3), 14, []byte{0xfd, 0xff, 0xff, 0xff}, 0},
	} {
		b, offsets := write(t, c.t)
		want := make([]byte, 128)
		le := binary.LittleEndian
		le.PutUint32(want[0:], 1)
		le.PutUint32(want[4:], 2)
		le.PutUint32(want[64:], 0xDEADBEEF)
		le.PutUint32(want[68:], c.number)
		le.PutUint64(want[72:], uint64(len(c.data)))
		le.PutUint64(want[80:], 128)
		le.PutUint64(want[88:], uint64(c.padding))
		want = append(want, c.data...)
		if !bytes.Equal(b, want) || offsets[0] != 64 {
			t.Errorf("%s: offset %d, wrote\n% x, want\n% x", c.t, offsets[0], b, want)
		}
		e, err := open(t, b).At(64)
		if err != nil || e != (Entry{c.t.DType(), 64, int64(len(c.data)), c.padding}) || e.Len() != c.t.Len() {
			t.Errorf("%s: read %+v, %v", c.t, e, err)
		}
	}
}

// Whatever is written is read back, wherever it stands in the file.
func TestReadIsInverseOfWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ts []*tensor.Tensor
		for range rapid.IntRange(0, 6).Draw(t, "tensors") {
			d := rapid.SampledFrom(dtypes[1:]).Draw(t, "dtype")
			shape := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3).Draw(t, "shape")
			n := tensor.Size(shape)
			b := rapid.SliceOfN(rapid.Byte(), d.PackedSize(n), d.PackedSize(n)).Draw(t, "data")
			if unused := len(b)*8 - n*d.Bits(); unused > 0 {
				b[len(b)-1] &= 0xff >> unused
			}
			x, err := tensor.FromPacked(d, shape, b)
			if err != nil {
				t.Fatal(err)
			}
			ts = append(ts, x)
		}
		b, offsets := write(t, ts...)
		f := open(t, b)
		var walked []uint64
		for e, err := range f.All() {
			if err != nil {
				t.Fatal(err)
			}
			walked = append(walked, e.Offset)
		}
		if !slices.Equal(walked, offsets) || f.Len() != len(ts) {
			t.Fatalf("wrote at %d, walked %d", offsets, walked)
		}
		var copied memory
		w, err := NewWriter(&copied)
		if err != nil {
			t.Fatal(err)
		}
		for i, off := range offsets {
			x, err := f.Read(off, ts[i].Shape())
			if err != nil {
				t.Fatal(err)
			}
			if x.DType() != ts[i].DType() || !bytes.Equal(x.Packed(), ts[i].Packed()) {
				t.Fatalf("tensor %d: wrote %s % x, read %s % x", i, ts[i], ts[i].Packed(), x, x.Packed())
			}
			e, err := f.At(off)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := w.Copy(f, e); err != nil || again != off {
				t.Fatalf("copied to %d, %v", again, err)
			}
		}
		if err := w.Close(); err != nil || !bytes.Equal(copied.b, b) {
			t.Fatalf("a copy of all tensors differs: %v", err)
		}
	})
}

func TestDamage(t *testing.T) {
	good, _ := write(t,
		tensor.New(tensor.Uint3, []int{5}, []int32{1, 2, 3, 4, 5}),
		tensor.Floats([]int{2}, []float32{1, 2}))
	put := func(off int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[off] = v; return b }
	}
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		offset uint64
		kind   fault.Kind
	}{
		{"empty", func(b []byte) []byte { return nil }, 0, fault.Corrupt},
		{"short header", func(b []byte) []byte { return b[:63] }, 0, fault.Corrupt},
		{"old version", put(4, 1), 64, fault.Unsupported},
		{"count beyond the file", put(0, 200), 64, fault.Corrupt},
		{"sentinel", put(64, 0), 64, fault.Corrupt},
		{"type 0", put(68, 0), 64, fault.Unsupported},
		{"type 18", put(68, 18), 64, fault.Unsupported},
		{"size beyond the file", put(79, 0x7f), 64, fault.Corrupt},
		{"size wraps", put(79, 0xff), 64, fault.Corrupt},
		{"data elsewhere", put(80, 192), 64, fault.Corrupt},
		{"padding 8", put(88, 8), 64, fault.Corrupt},
		{"padding leaves part of an element", put(88, 2), 64, fault.Corrupt},
		{"padding, upper half", put(92, 1), 64, fault.Corrupt},
		{"7 bytes of float32", put(192+8, 7), 192, fault.Corrupt},
		{"truncated data", func(b []byte) []byte { return b[:len(b)-1] }, 192, fault.Corrupt},
		{"truncated metadata", func(b []byte) []byte { return b[:200] }, 192, fault.Corrupt},
		{"offset past the end", nil, 1 << 20, fault.Corrupt},
		{"offset near 2^64", nil, 1<<64 - 64, fault.Corrupt},
		{"offset of the header", nil, 0, fault.Corrupt},
		{"odd offset", nil, 65, fault.Corrupt},
	} {
		b := bytes.Clone(good)
		if c.change != nil {
			b = c.change(b)
		}
		f, err := Open(bytes.NewReader(b), int64(len(b)), "weight.bin")
		if err == nil {
			_, err = f.At(c.offset)
		}
		if fault.KindOf(err) != c.kind || !strings.HasPrefix(err.Error(), "weight.bin: ") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// The padding word of a whole-byte type may hold anything.
	b := put(192+24, 77)(bytes.Clone(good))
	if e, err := open(t, b).At(192); err != nil || e.PaddingBits != 0 || e.Len() != 2 {
		t.Errorf("%+v, %v", e, err)
	}
	// A ReaderAt shorter than the size it came with.
	if f, err := Open(bytes.NewReader(good[:180]), int64(len(good)), "weight.bin"); err != nil {
		t.Error(err)
	} else if _, err := f.At(192); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
}

func TestReadChecksShape(t *testing.T) {
	b, off := write(t, tensor.New(tensor.Uint3, []int{5}, []int32{1, 2, 3, 4, 5}))
	for _, shape := range [][]int{{4}, {6}, {}, {-5}, {1 << 20, 1 << 20}} {
		if _, err := open(t, b).Read(off[0], shape); fault.KindOf(err) != fault.BadShape {
			t.Errorf("shape %v: %v", shape, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := NewWriter(&memory{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(tensor.New(tensor.Bool, []int{1}, []bool{true})); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("bool: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(tensor.Floats([]int{1}, []float32{1})); err == nil {
		t.Error("appended to a closed file")
	}
}

// A file on disk stays usable when the caller writes on after Close.
func TestWriterOnDisk(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "weight.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := NewWriter(file)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, 1000)
	for i := range values {
		values[i] = rand.Float32()
	}
	off, err := w.Append(tensor.Floats([]int{10, 100}, values))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(file, 64+64+4000, "")
	if err != nil {
		t.Fatal(err)
	}
	x, err := f.Read(off, []int{10, 100})
	if err != nil || !slices.Equal(x.F32(), values) {
		t.Error("read something else", err)
	}
	if end, _ := file.Seek(0, io.SeekCurrent); end != 64+64+4000 {
		t.Errorf("position after Close is %d", end)
	}
}

func FuzzBlob(f *testing.F) {
	for _, d := range dtypes[1:] {
		b, _ := write(f, tensor.Zeros(d, []int{5}), tensor.Zeros(d, []int{0}), tensor.Zeros(d, []int{3, 3}))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open(bytes.NewReader(b), int64(len(b)), "weight.bin")
		if err != nil {
			if fault.KindOf(err) == 0 {
				t.Fatalf("no kind: %v", err)
			}
			return
		}
		for e, err := range file.All() {
			if err != nil {
				if fault.KindOf(err) == 0 {
					t.Fatalf("no kind: %v", err)
				}
				return
			}
			x, err := file.Read(e.Offset, []int{e.Len()})
			if err != nil {
				t.Fatalf("At took %+v, Read says %v", e, err)
			}
			if len(x.Packed()) > len(b) {
				t.Fatal("more data than the file has")
			}
			x.Decoded()
		}
	})
}

// TestMemory holds a weight file in memory against one in bytes: the same
// content, read at any place, and no copies of large elements.
func TestMemory(t *testing.T) {
	var ts []*tensor.Tensor
	for i, n := range []int{0, 3, 64, 1000} {
		v := make([]float32, n)
		for j := range v {
			v[j] = float32(i + j)
		}
		ts = append(ts, tensor.Floats([]int{n}, v))
	}
	want, offsets := write(t, ts...)
	var m Memory
	w, err := NewWriter(&m)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range ts {
		packed, err := tensor.FromPacked(tensor.Float32, x.Shape(), x.Packed())
		if err != nil {
			t.Fatal(err)
		}
		if at, err := w.Append(packed); err != nil || at != offsets[i] {
			t.Fatalf("tensor %d at %d, %v; want %d", i, at, err, offsets[i])
		}
		ts[i] = packed
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	have := make([]byte, m.Size())
	if n, err := m.ReadAt(have, 0); n != len(want) || err != nil || !bytes.Equal(have, want) {
		t.Fatalf("%d bytes, %v: other than the %d written to a slice", n, err, len(want))
	}
	for _, c := range [][2]int{{0, 1}, {63, 2}, {100, 300}, {len(want) - 1, 1}, {len(want), 0}} {
		b := make([]byte, c[1])
		if n, err := m.ReadAt(b, int64(c[0])); n != len(b) || err != nil || !bytes.Equal(b, want[c[0]:c[0]+c[1]]) {
			t.Errorf("%d bytes at %d: %d, %v", c[1], c[0], n, err)
		}
	}
	for _, at := range []int64{-1, m.Size()} {
		if n, err := m.ReadAt(make([]byte, 1), at); n != 0 || err == nil {
			t.Errorf("read at %d gives %d bytes", at, n)
		}
	}
	f, err := Open(&m, m.Size(), "memory")
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range ts {
		y, err := f.Read(offsets[i], x.Shape())
		if err != nil || !bytes.Equal(x.Packed(), y.Packed()) {
			t.Fatalf("tensor %d: %v, %v", i, y, err)
		}
		if x.Len() > 0 && &x.Packed()[0] != &y.Packed()[0] {
			t.Errorf("tensor %d was copied", i)
		}
	}
	if _, err := m.Seek(1, io.SeekEnd); err == nil {
		t.Error("seeks beyond the end")
	}
	if _, err := m.Seek(60, io.SeekStart); err != nil {
		t.Error(err)
	}
	if _, err := m.Write(make([]byte, 10)); err == nil {
		t.Error("writes over two parts")
	}
}
