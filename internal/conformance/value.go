package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

// dtypes are the element types that a case may have, by their NumPy names.
var dtypes = map[string]tensor.DType{
	"bool": tensor.Bool,
	"int8": tensor.Int8, "int16": tensor.Int16, "int32": tensor.Int32, "int64": tensor.Int64,
	"uint8": tensor.Uint8, "uint16": tensor.Uint16, "uint32": tensor.Uint32, "uint64": tensor.Uint64,
	"float16": tensor.Float16, "float32": tensor.Float32, "float64": tensor.Float64,
}

// The names of feature types and of the types of dictionary keys.
const (
	typeDouble = "doubleType"
	typeInt64  = "int64Type"
	typeString = "stringType"
	typeArray  = "multiArrayType"
	typeImage  = "imageType"
	typeDict   = "dictionaryType"
	keyString  = "stringKeyType"
	keyInt     = "int64KeyType"
)

// reader reads the values of a case, no more than so many bytes of them.
type reader struct {
	*Case
	left int64
}

// values returns an entry's value, or those of the whole batch. There are none
// where only the shape or the distribution counts.
func (c *reader) values(e *entry) ([]Value, error) {
	if e.File == "" {
		return e.literals()
	}
	all, err := c.arrays(e)
	return all, fault.InFile(err, filepath.Join(c.path, e.File))
}

// arrays returns what an entry's file holds.
func (c *reader) arrays(e *entry) ([]Value, error) {
	t, err := c.array(e)
	if err != nil {
		return nil, err
	}
	if c.batch == 0 {
		v, err := e.dress(t)
		return []Value{v}, err
	}
	if t.Rank() == 0 || t.Shape()[0] != c.batch {
		return nil, fault.New(fault.BadShape, "", "want a first axis of %d, the batch, have %s", c.batch, t)
	}
	all := make([]Value, c.batch)
	for i := range all {
		if all[i], err = e.dress(row(t, i)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// row returns t[i].
func row(t *tensor.Tensor, i int) *tensor.Tensor {
	shape := t.Shape()[1:]
	n := tensor.Size(shape)
	if t.DType() == tensor.String {
		return tensor.New(tensor.String, shape, t.Strings()[i*n:(i+1)*n])
	}
	size := t.DType().PackedSize(n)
	r, err := tensor.FromPacked(t.DType(), shape, t.Packed()[i*size:(i+1)*size])
	if err != nil {
		panic(err) // t itself has the right size
	}
	return r
}

// dress gives an array the form that the feature's type asks for.
func (e *entry) dress(t *tensor.Tensor) (Value, error) {
	switch {
	case e.Image != "":
		return Image{t}, checkPicture(t)
	case t.DType() == tensor.String:
		if t.Len() == 1 && e.Feature.Type != typeArray {
			return String(t.Strings()[0]), nil
		}
	case t.Len() == 1 && e.Feature.Type == typeDouble:
		return Float(t.Float64s()[0]), nil
	case t.Len() == 1 && e.Feature.Type == typeInt64 && t.DType().IsInt():
		return Int(integers(t)[0]), nil
	case t.Rank() == 0 && e.Feature.Type == typeArray:
		return Array{t.Reshape([]int{1})}, nil // a scalar is given as [1]
	}
	return Array{t}, nil
}

// checkPicture checks that an array has the shape of a picture.
func checkPicture(t *tensor.Tensor) error {
	r := t.Rank()
	if t.DType() != tensor.String && (r == 2 || r == 3 && t.Shape()[2] == 3) {
		return nil
	}
	return fault.New(fault.BadShape, "", "want a picture, height×width or height×width×3, have %s", t)
}

// integers returns the elements of an integer tensor.
func integers(t *tensor.Tensor) []int64 {
	wide, err := t.ConvertTo(tensor.Int64)
	if err != nil {
		panic(err) // integers always fit
	}
	return tensor.Data[int64](wide)
}

// array reads an entry's file and holds it against what case.json says of it.
func (c *reader) array(e *entry) (*tensor.Tensor, error) {
	b, err := readFile(c.fsys, e.File, c.left)
	if err != nil {
		return nil, err
	}
	c.left -= int64(len(b))
	r := bytes.NewReader(b)
	t, err := tensor.ReadNPY(r)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "", "%w", err)
	}
	if r.Len() > 0 {
		return nil, fault.New(fault.Corrupt, "", "%d bytes follow the array %s", r.Len(), t)
	}
	if e.DType != "" && dtypes[e.DType] != t.DType() {
		return nil, fault.New(fault.Corrupt, "", "case.json says %s, the array is %s", dtypes[e.DType], t.DType())
	}
	// Through a view the test saw another shape of the same elements, which is
	// the one in the file.
	if e.Shape != nil && !slices.Equal(e.Shape, t.Shape()) && (e.View == nil || tensor.Size(e.Shape) != t.Len()) {
		return nil, fault.New(fault.BadShape, "", "case.json says %s, the array is %s", tensor.FormatShape(e.Shape), tensor.FormatShape(t.Shape()))
	}
	return t, nil
}

// readFile reads a regular file of at most limit bytes.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		// The error names the file again; what is wrong is enough.
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fault.New(fault.Corrupt, "", "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fault.New(fault.Corrupt, "", "%w", err)
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Corrupt, "", "is not a regular file")
	case info.Size() > limit:
		return nil, fault.New(fault.Limit, "", "has %d bytes where no more than %d may be read", info.Size(), limit)
	}
	// What an archive says of a size is not trusted: memory is taken as the
	// bytes arrive.
	b, err := io.ReadAll(io.LimitReader(f, info.Size()+1))
	if err != nil {
		return nil, fault.New(fault.Corrupt, "", "%w", err)
	}
	return b, nil
}

// literals returns the values that stand in case.json itself.
func (e *entry) literals() ([]Value, error) {
	texts, dicts := e.Values, e.Dicts
	if e.Value != nil {
		texts = []json.RawMessage{e.Value}
	}
	if e.Dict != nil {
		dicts = [][]dictPair{e.Dict}
	}
	var all []Value
	for _, text := range texts {
		v, err := e.literal(text)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	for _, pairs := range dicts {
		v, err := e.dict(pairs)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// literal reads a number or a string. A number is what the feature's type
// says, without one what it looks like.
func (e *entry) literal(text json.RawMessage) (Value, error) {
	if strings.HasPrefix(string(text), `"`) {
		var s string
		err := json.Unmarshal(text, &s)
		return String(s), err
	}
	if e.Feature.Type != typeDouble {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return Int(n), nil
		}
	}
	var f *float64
	if err := json.Unmarshal(text, &f); err != nil || f == nil {
		return nil, fmt.Errorf("want a number or a string, have %.40s", text)
	}
	return Float(*f), nil
}

// dict reads key-value pairs. All keys are strings or all are integers.
func (e *entry) dict(pairs []dictPair) (Value, error) {
	byInt, byString := IntDict{}, StringDict{}
	for i, p := range pairs {
		if len(p) != 2 {
			return nil, fmt.Errorf("pair %d of the dictionary has %d parts", i, len(p))
		}
		var v *float64
		if err := json.Unmarshal(p[1], &v); err != nil || v == nil {
			return nil, fmt.Errorf("pair %d of the dictionary: want a number, have %.40s", i, p[1])
		}
		var name string
		if err := json.Unmarshal(p[0], &name); err == nil && string(p[0]) != "null" {
			byString[name] = *v
		} else if n, err := strconv.ParseInt(string(p[0]), 10, 64); err == nil {
			byInt[n] = *v
		} else {
			return nil, fmt.Errorf("pair %d of the dictionary: want a string or an integer as the key, have %.40s", i, p[0])
		}
		if len(byInt)+len(byString) != i+1 {
			return nil, fmt.Errorf("pair %d of the dictionary: the key %s stands twice", i, p[0])
		}
	}
	switch {
	case len(byInt) > 0 && len(byString) > 0:
		return nil, errors.New("the dictionary has keys of both kinds")
	case len(byInt) > 0 || len(byString) == 0 && e.Feature.Key == "int64KeyType":
		return byInt, nil
	}
	return byString, nil
}
