package compare

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// Images returns the pictures in a folder and the folders below it, sorted by
// path. Each is an input for a model's only picture, a *media.Photo. A folder without pictures
// is an error.
func Images(dir string) (Source, error) {
	paths, err := media.List(dir)
	if err != nil {
		return Source{}, err
	}
	return Source{Len: len(paths), All: func(yield func(Input) bool) {
		for _, path := range paths {
			if !yield(Input{Name: relative(dir, path), Open: func() (Features, error) {
				m, err := media.Open(path, media.Options{})
				if err != nil {
					return nil, err
				}
				return Features{"": &media.Photo{Image: m}}, nil
			}}) {
				return
			}
		}
	}}, nil
}

func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		return filepath.ToSlash(rel)
	}
	return path
}

// Arrays returns the inputs in a NumPy file (.npy for a model with one input,
// .npz for one with several, by name), or in all such files of a folder. Arrays
// of a .npz that the model does not know are passed over, unless it knows none.
//
// A file is one input if its arrays have shapes that the model takes. If
// instead each array has one more axis in front, or has N rows where the model
// wants one, it is N inputs, one a row. Arrays H×W×3 or H×W of type uint8, and
// N of them, are pictures where the model takes pictures.
func Arrays(path string, face mlmodel.Interface) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Source{}, err
	}
	files := []string{path}
	dir := filepath.Dir(path)
	if info.IsDir() {
		dir = path
		if files, err = arrayFiles(path); err != nil {
			return Source{}, err
		}
	} else if !isArrayFile(path) {
		return Source{}, fmt.Errorf("%s: want a .npy or .npz file, or a folder of them", path)
	}
	return Source{All: func(yield func(Input) bool) {
		for _, file := range files {
			rows, n, err := readRows(file, face)
			if err != nil {
				n = 1
			}
			for i := range n {
				name := relative(dir, file)
				if n > 1 {
					name = fmt.Sprintf("%s[%d]", name, i)
				}
				if !yield(Input{Name: name, Open: func() (Features, error) {
					if err != nil {
						return nil, err
					}
					in := Features{}
					for name, row := range rows {
						v, err := row(i)
						if err != nil {
							return nil, fmt.Errorf("%s: array %q: %w", file, name, err)
						}
						in[name] = v
					}
					return in, nil
				}}) {
					return
				}
			}
		}
	}}, nil
}

func isArrayFile(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".npy" || ext == ".npz"
}

func arrayFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && isArrayFile(path) && !strings.HasPrefix(d.Name(), ".") {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no .npy or .npz files", dir)
	}
	slices.Sort(files)
	return files, err
}

// rowFunc gives one input's part of an array.
type rowFunc func(i int) (any, error)

// readRows reads a file and tells how many inputs its arrays are.
func readRows(file string, face mlmodel.Interface) (map[string]rowFunc, int, error) {
	var names []string
	for _, f := range face.Inputs {
		names = append(names, f.Name)
	}
	arrays, err := ReadArrays(file, names...)
	if err != nil {
		return nil, 0, err
	}
	if len(arrays) == 1 && len(names) == 1 { // its name does not matter
		for _, t := range arrays {
			arrays = map[string]*tensor.Tensor{"": t}
		}
	}
	if _, one := arrays[""]; !one && len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return arrays[name] != nil }) {
		return nil, 0, fmt.Errorf("%s: holds arrays %q, but the model's inputs are %q", file, slices.Sorted(maps.Keys(arrays)), names)
	}
	rows := map[string]rowFunc{}
	count := -1
	for name, t := range arrays {
		row, n := split(t, feature(name, face))
		if count >= 0 && n != count {
			return nil, 0, fmt.Errorf("%s: array %q holds %d inputs, another %d", file, name, n, count)
		}
		count = n
		rows[name] = row
	}
	return rows, count, nil
}

// ReadArrays reads a NumPy file: the arrays of a .npz by name, or that of a
// .npy under the name "". Of a .npz that has some of the names given, only those
// are read.
func ReadArrays(file string, names ...string) (map[string]*tensor.Tensor, error) {
	if strings.ToLower(filepath.Ext(file)) == ".npy" {
		t, err := tensor.ReadNPYFile(file)
		if err != nil {
			return nil, err
		}
		return map[string]*tensor.Tensor{"": t}, nil
	}
	z, err := tensor.OpenNPZ(file)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	arrays := map[string]*tensor.Tensor{}
	some := slices.ContainsFunc(z.Names(), func(name string) bool { return slices.Contains(names, name) })
	for _, name := range z.Names() {
		if some && !slices.Contains(names, name) {
			continue
		}
		if arrays[name], err = z.Read(name); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if len(arrays) == 0 {
		return nil, fmt.Errorf("%s: %w", file, errors.New("holds no arrays"))
	}
	return arrays, nil
}

// feature finds what the model says of an input; the zero Feature if nothing.
func feature(name string, face mlmodel.Interface) mlmodel.Feature {
	for _, f := range face.Inputs {
		if f.Name == name || name == "" && len(face.Inputs) == 1 {
			return f
		}
	}
	return mlmodel.Feature{}
}

// split tells how many inputs an array is and gives each one's part.
func split(t *tensor.Tensor, f mlmodel.Feature) (rowFunc, int) {
	shape := t.Shape()
	whole := func(int) (any, error) { return t, nil }
	if t.Len() == 0 { // or rows without end could come from a small file
		return whole, 1
	}
	switch f.Kind {
	case mlmodel.Image:
		if row, n := splitPictures(t, !strings.HasPrefix(f.Image.ColorSpace, "GRAY")); row != nil {
			return row, n
		}
		if len(shape) == 4 && shape[0] != 1 {
			return func(i int) (any, error) { return rowOf(t, i, shape[1:]) }, shape[0]
		}
	case mlmodel.MultiArray:
		if len(shape) == 0 || fits(shape, f.Array) {
			return whole, 1
		}
		if fits(shape[1:], f.Array) {
			return func(i int) (any, error) { return rowOf(t, i, shape[1:]) }, shape[0]
		}
		if one := append([]int{1}, shape[1:]...); fits(one, f.Array) {
			return func(i int) (any, error) { return rowOf(t, i, one) }, shape[0]
		}
	}
	return whole, 1
}

// fits tells whether a shape is one that the model declares.
func fits(shape []int, a *mlmodel.ArrayType) bool {
	for _, s := range a.Shapes {
		if slices.EqualFunc(s, shape, func(want int64, have int) bool { return want == int64(have) }) {
			return true
		}
	}
	if a.Ranges != nil {
		return slices.EqualFunc(a.Ranges, shape, func(r mlmodel.Range, have int) bool { return r.Contains(int64(have)) })
	}
	return slices.EqualFunc(a.Shape, shape, func(want int64, have int) bool { return want == int64(have) })
}

// rowOf returns row i of an array as an array of its own, over the same
// memory.
func rowOf(t *tensor.Tensor, i int, shape []int) (any, error) {
	b := t.Packed()
	size := t.DType().PackedSize(tensor.Size(shape))
	if size < 0 || len(b) < (i+1)*size {
		return nil, fmt.Errorf("an array of %s cannot be split", t.DType())
	}
	return tensor.FromPacked(t.DType(), shape, b[i*size:(i+1)*size:(i+1)*size])
}

// splitPictures takes bytes H×W×3, N×H×W×3 and H×W, and N×H×W for a gray
// input; it returns nil for others, such as 3×H×W.
func splitPictures(t *tensor.Tensor, colour bool) (rowFunc, int) {
	s := t.Shape()
	n, channels := 1, 1
	if len(s) >= 3 && s[len(s)-1] == 3 {
		s, channels = s[:len(s)-1], 3
	}
	if len(s) == 3 && (channels == 3 || !colour) {
		n, s = s[0], s[1:]
	}
	if t.DType() != tensor.Uint8 || len(s) != 2 || s[0] == 0 || s[1] == 0 {
		return nil, 0
	}
	b, size := t.Packed(), s[0]*s[1]*channels
	return func(i int) (any, error) {
		return &media.Image{W: s[1], H: s[0], Channels: channels, Pix: b[i*size : (i+1)*size]}, nil
	}, n
}
