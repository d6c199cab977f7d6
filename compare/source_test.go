package compare

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func npy(t *testing.T, v *tensor.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tensor.WriteNPY(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func npz(t *testing.T, arrays map[string]*tensor.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tensor.WriteNPZ(&b, arrays); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// collect opens every input.
func collect(t *testing.T, s Source) (names []string, all []Features, errs []error) {
	t.Helper()
	for in := range s.All {
		f, err := in.Open()
		names, all, errs = append(names, in.Name), append(all, f), append(errs, err)
	}
	return names, all, errs
}

func TestImages(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	if err := media.EncodePNG(&b, media.New(4, 3, 3)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "z", "a.png"), b.Bytes())
	write(t, filepath.Join(dir, "b.png"), b.Bytes())
	write(t, filepath.Join(dir, "c.jpg"), []byte("no picture"))
	write(t, filepath.Join(dir, "notes.txt"), []byte("no picture either"))
	s, err := Images(dir)
	if err != nil {
		t.Fatal(err)
	}
	names, all, errs := collect(t, s)
	if !slices.Equal(names, []string{"b.png", "c.jpg", "z/a.png"}) || s.Len != 3 {
		t.Errorf("inputs %v of %d", names, s.Len)
	}
	if m, ok := all[0][""].(*media.Photo); !ok || m.W != 4 || errs[0] != nil {
		t.Errorf("the first is %v, %v", all[0], errs[0])
	}
	if errs[1] == nil || !strings.Contains(errs[1].Error(), "c.jpg") {
		t.Errorf("the error of a text is %v", errs[1])
	}
	if _, err := Images(t.TempDir()); err == nil {
		t.Error("a folder without pictures is no error")
	}
}

func array(name string, shape ...int64) mlmodel.Feature {
	return mlmodel.Feature{Name: name, Kind: mlmodel.MultiArray, Array: &mlmodel.ArrayType{DType: tensor.Float32, Shape: shape}}
}

func picture(space string) mlmodel.Feature {
	return mlmodel.Feature{Name: "image", Kind: mlmodel.Image, Image: &mlmodel.ImageType{ColorSpace: space}}
}

// How an array becomes inputs.
func TestRows(t *testing.T) {
	flexible := array("x", 1, 3)
	flexible.Array.Ranges = []mlmodel.Range{{Min: 1, Max: 1}, {Min: 2, Max: -1}}
	several := array("x", 1, 3)
	several.Array.Shapes = [][]int64{{1, 3}, {2, 3}}
	for _, c := range []struct {
		name  string
		f     mlmodel.Feature
		dtype tensor.DType
		shape []int
		n     int
		row   []int
	}{
		{"one", array("x", 1, 3), tensor.Float32, []int{1, 3}, 1, []int{1, 3}},
		{"rows of batch 1", array("x", 1, 3), tensor.Float32, []int{4, 3}, 4, []int{1, 3}},
		{"one more axis", array("x", 1, 3), tensor.Float32, []int{4, 1, 3}, 4, []int{1, 3}},
		{"one row of one more axis", array("x", 2, 3), tensor.Float32, []int{1, 2, 3}, 1, []int{2, 3}},
		{"no batch axis", array("x", 3), tensor.Float32, []int{4, 3}, 4, []int{3}},
		{"no fit", array("x", 1, 3), tensor.Float32, []int{4, 5}, 1, []int{4, 5}},
		{"no row", array("x", 1, 3), tensor.Float32, []int{0, 3}, 1, []int{0, 3}},
		{"many rows of nothing", picture("RGB"), tensor.Float32, []int{1 << 20, 3, 0, 4}, 1, []int{1 << 20, 3, 0, 4}},
		{"scalar", array("x", 1), tensor.Float32, []int{}, 1, []int{}},
		{"range", flexible, tensor.Float32, []int{1, 7}, 1, []int{1, 7}},
		{"rows in range", flexible, tensor.Float32, []int{5, 7}, 5, []int{1, 7}},
		{"enumerated", several, tensor.Float32, []int{2, 3}, 1, []int{2, 3}},
		{"rows of enumerated", several, tensor.Float32, []int{6, 3}, 6, []int{1, 3}},
		{"half precision", array("x", 1, 3), tensor.Float16, []int{4, 3}, 4, []int{1, 3}},
		{"picture", picture("RGB"), tensor.Uint8, []int{5, 4, 3}, 1, nil},
		{"pictures", picture("BGR"), tensor.Uint8, []int{2, 5, 4, 3}, 2, nil},
		{"gray picture for colours", picture("RGB"), tensor.Uint8, []int{5, 4}, 1, nil},
		{"gray pictures", picture("GRAYSCALE"), tensor.Uint8, []int{7, 5, 4}, 7, nil},
		{"planes", picture("RGB"), tensor.Uint8, []int{3, 5, 4}, 1, []int{3, 5, 4}},
		{"float planes", picture("RGB"), tensor.Float32, []int{6, 3, 5, 4}, 6, []int{3, 5, 4}},
		{"a scalar for a number", mlmodel.Feature{Name: "x", Kind: mlmodel.Double}, tensor.Float32, []int{}, 1, []int{}},
	} {
		file := filepath.Join(t.TempDir(), "in.npy")
		data := make([]float32, tensor.Size(c.shape))
		for i := range data {
			data[i] = float32(i % 100)
		}
		v, err := tensor.Floats(c.shape, data).ConvertTo(c.dtype)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, npy(t, v))
		s, err := Arrays(file, mlmodel.Interface{Inputs: []mlmodel.Feature{c.f}})
		if err != nil {
			t.Fatal(err)
		}
		names, all, errs := collect(t, s)
		if len(names) != c.n {
			t.Errorf("%s: %d inputs, want %d", c.name, len(names), c.n)
			continue
		}
		for i := range all {
			if errs[i] != nil {
				t.Errorf("%s: %v", c.name, errs[i])
				continue
			}
			switch got := all[i][""].(type) {
			case *tensor.Tensor:
				if c.row == nil || !slices.Equal(got.Shape(), c.row) || got.DType() != c.dtype {
					t.Errorf("%s: row %d is %s, want %v", c.name, i, got, c.row)
				} else if size := tensor.Size(c.row); size > 0 && got.Float64s()[size-1] != float64((i*size+size-1)%100) {
					t.Errorf("%s: row %d ends with %v", c.name, i, got.Float64s()[size-1])
				}
			case *media.Image:
				if size := len(got.Pix); c.row != nil || got.W != 4 || got.H != 5 || int(got.Pix[size-1]) != (i*size+size-1)%100 {
					t.Errorf("%s: picture %d is %d×%d", c.name, i, got.W, got.H)
				}
			default:
				t.Errorf("%s: row %d is a %T", c.name, i, got)
			}
		}
	}
}

func TestNamedArrays(t *testing.T) {
	face := mlmodel.Interface{Inputs: []mlmodel.Feature{array("a", 1, 2), array("b", 2)}}
	z := func(shape ...int) *tensor.Tensor { return tensor.Zeros(tensor.Float32, shape) }
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1.npz"), npz(t, map[string]*tensor.Tensor{"a": z(3, 2), "b": z(3, 2), "extra": z(9)}))
	write(t, filepath.Join(dir, "2.npz"), npz(t, map[string]*tensor.Tensor{"a": z(1, 2), "b": z(2)}))
	write(t, filepath.Join(dir, "3.npz"), npz(t, map[string]*tensor.Tensor{"a": z(2, 2), "b": z(3, 2)}))
	write(t, filepath.Join(dir, "4.npz"), npz(t, map[string]*tensor.Tensor{"c": z(2, 2)}))
	write(t, filepath.Join(dir, "5.npz"), []byte("PK is not all"))
	write(t, filepath.Join(dir, ".hidden.npz"), []byte("passed over"))
	write(t, filepath.Join(dir, "readme.txt"), []byte("passed over"))
	s, err := Arrays(dir, face)
	if err != nil {
		t.Fatal(err)
	}
	names, all, errs := collect(t, s)
	if !slices.Equal(names, []string{"1.npz[0]", "1.npz[1]", "1.npz[2]", "2.npz", "3.npz", "4.npz", "5.npz"}) {
		t.Fatalf("inputs %v", names)
	}
	for i, f := range all[:4] {
		if errs[i] != nil || len(f) != 2 || f["a"].(*tensor.Tensor).Rank() != 2 || f["b"].(*tensor.Tensor).Rank() != 1 {
			t.Errorf("%s is %v, %v", names[i], f, errs[i])
		}
	}
	for i, want := range map[int]string{4: "inputs, another", 5: `holds arrays ["c"]`, 6: "5.npz"} {
		if errs[i] == nil || !strings.Contains(errs[i].Error(), want) {
			t.Errorf("%s: error %v, want %q", names[i], errs[i], want)
		}
	}
	if _, err := Arrays(filepath.Join(dir, "readme.txt"), face); err == nil {
		t.Error("a text file is taken for arrays")
	}
	if _, err := Arrays(filepath.Join(dir, "nowhere.npy"), face); err == nil {
		t.Error("a file that is not there is no error")
	}
	if _, err := Arrays(t.TempDir(), face); err == nil {
		t.Error("an empty folder is no error")
	}
}

// Whatever a file holds, its inputs can be opened or say why not.
func FuzzArrays(f *testing.F) {
	f.Add([]byte("\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n012345678901234567890123"), true)
	f.Add([]byte("\x93NUMPY\x01\x00\x46\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 3), }       \n012345678901234567"), false)
	f.Add([]byte("\x93NUMPY\x01\x00\x46\x00{'descr': '<U1', 'fortran_order': False, 'shape': (2, 3), }          \n"), true)
	f.Add([]byte("PK\x03\x04"), false)
	f.Fuzz(func(t *testing.T, b []byte, colour bool) {
		file := filepath.Join(t.TempDir(), "in.npy")
		if bytes.HasPrefix(b, []byte("PK")) {
			file = file[:len(file)-1] + "z"
		}
		write(t, file, b)
		in := array("x", 1, 3)
		if colour {
			in = picture("RGB")
		}
		s, err := Arrays(file, mlmodel.Interface{Inputs: []mlmodel.Feature{in}})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for in := range s.All {
			if v, err := in.Open(); err == nil && len(v) == 0 {
				t.Errorf("%s is empty", in.Name)
			}
			if n++; n == 100 {
				break
			}
		}
	})
}
