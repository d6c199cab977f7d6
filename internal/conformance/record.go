package conformance

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Recording is a prediction that is to become a case.
type Recording struct {
	ID       string // and the name of the folder
	Suite    string // "": the name of the folder that holds the cases
	Source   string // who computed the outputs
	Model    *mlmodel.Model
	Function string // that was run; "" is the default
	Inputs   map[string]Value
	Outputs  map[string]Value
	// RTol and ATol are the bounds |got - want| ≤ ATol + RTol·|want| for
	// numbers that are not integers. Integers and strings must be equal.
	RTol, ATol float64
}

// caseFile is case.json as it is written.
type caseFile struct {
	Suite       string     `json:"suite"`
	Source      string     `json:"source,omitempty"`
	Model       string     `json:"model"`
	Function    string     `json:"function,omitempty"`
	SpecVersion int32      `json:"spec_version"`
	Kind        string     `json:"kind"`
	Ops         []string   `json:"ops"`
	Variants    []string   `json:"variants"`
	Opset       string     `json:"opset,omitempty"`
	FP16        bool       `json:"fp16"`
	Inputs      []recorded `json:"inputs"`
	Outputs     []recorded `json:"outputs"`
	ID          string     `json:"id"`
}

// recorded is an entry as it is written.
type recorded struct {
	Name       string            `json:"name"`
	Image      string            `json:"image,omitempty"`
	From       string            `json:"from,omitempty"`
	File       string            `json:"file,omitempty"`
	DType      string            `json:"dtype,omitempty"`
	Shape      *[]int            `json:"shape,omitempty"` // [] is a shape too
	Value      any               `json:"value,omitempty"`
	Dict       *[][2]any         `json:"dict,omitempty"`
	Check      string            `json:"check,omitempty"`
	RTol       *float64          `json:"rtol,omitempty"`
	ATol       *float64          `json:"atol,omitempty"`
	ShapeCheck string            `json:"shape_check,omitempty"`
	NonFinite  bool              `json:"nonfinite,omitempty"`
	Feature    map[string]string `json:"feature"`
}

// Record writes a case into the folder dir/ID, which must not be there yet. An
// interrupted Record leaves no such folder.
func Record(dir string, r Recording) error {
	if err := r.write(dir); err != nil {
		return fmt.Errorf("record case %q: %w", r.ID, err)
	}
	return nil
}

func (r *Recording) write(dir string) error {
	if err := checkFileName(r.ID); err != nil || strings.Contains(r.ID, "/") || strings.HasPrefix(r.ID, ".") {
		return errors.New("the id must be a plain folder name")
	}
	if len(r.Outputs) == 0 {
		return errors.New("there are no outputs to check")
	}
	tolerance := bounds{&r.RTol, &r.ATol}
	if err := tolerance.validate(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	target := filepath.Join(dir, r.ID)
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already", target)
	}
	temp, err := os.MkdirTemp(dir, ".case-")
	if err != nil {
		return err
	}
	if err = r.fill(temp, dir); err == nil {
		if err = os.Chmod(temp, 0o755); err == nil {
			err = os.Rename(temp, target)
		}
	}
	if err != nil {
		os.RemoveAll(temp)
	}
	return err
}

// fill writes the files of the case into folder.
func (r *Recording) fill(folder, dir string) error {
	f := caseFile{
		Suite: r.Suite, Source: r.Source, Function: r.Function, ID: r.ID,
		SpecVersion: r.Model.Spec().GetSpecificationVersion(), Kind: r.Model.Kind(),
		Ops: slices.Sorted(maps.Keys(r.Model.Summary().Layers)), Variants: []string{},
		Opset: opsetOf(r.Model, r.Function), FP16: hasFloat16(r.Model),
		Model: "model.mlmodel",
	}
	if f.Ops == nil {
		f.Ops = []string{}
	}
	if f.Suite == "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		f.Suite = filepath.Base(abs)
	}
	if r.Model.IsPackage() {
		f.Model = "model.mlpackage"
	}
	if err := r.Model.Save(filepath.Join(folder, f.Model)); err != nil {
		return err
	}
	var err error
	if f.Inputs, err = recordValues(folder, "in", r.Inputs); err != nil {
		return err
	}
	if f.Outputs, err = recordValues(folder, "out", r.Outputs); err != nil {
		return err
	}
	for i := range f.Outputs {
		r.setCheck(&f.Outputs[i], r.Outputs[f.Outputs[i].Name])
	}
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, "case.json"), func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// setCheck says how an output is to be compared.
func (r *Recording) setCheck(e *recorded, v Value) {
	if e.Shape != nil {
		e.ShapeCheck = shapeExact
	}
	_, whole := wholeNumbers(v)
	_, text := texts(v)
	if e.Check = checkEqual; whole || text || e.From == "bool" {
		return
	}
	e.Check, e.RTol, e.ATol = checkAllClose, &r.RTol, &r.ATol
	if n, _, err := numbers(v); err == nil {
		e.NonFinite = slices.ContainsFunc(n, func(f float64) bool { return !finite(f) })
	}
}

// recordValues writes the arrays among the values to files and returns the
// entries of all, in order of name.
func recordValues(folder, prefix string, values map[string]Value) ([]recorded, error) {
	out := []recorded{}
	for i, name := range slices.Sorted(maps.Keys(values)) {
		e := recorded{Name: name, Feature: map[string]string{}}
		if name == "" {
			return nil, errors.New("a value has no name")
		}
		if err := e.record(folder, fmt.Sprintf("%s_%d.npy", prefix, i), values[name]); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		out = append(out, e)
	}
	return out, nil
}

func (e *recorded) record(folder, file string, v Value) error {
	switch v := v.(type) {
	case Array:
		e.Feature["type"] = typeArray
		return e.array(folder, file, v.Tensor)
	case Image:
		e.Feature["type"] = typeImage
		e.Image = "RGB"
		if v.Rank() == 2 {
			e.Image = "L"
		}
		if err := checkPicture(v.Tensor); err != nil {
			return err
		}
		return e.array(folder, file, v.Tensor)
	case String:
		e.Feature["type"] = typeString
		e.Value = string(v)
	case Int:
		e.Feature["type"] = typeInt64
		e.Value = int64(v)
	case Float:
		e.Feature["type"] = typeDouble
		if !finite(float64(v)) { // JSON has no such numbers
			return e.array(folder, file, tensor.New(tensor.Float64, []int{1}, []float64{float64(v)}))
		}
		e.Value = float64(v)
	case StringDict:
		e.Feature["type"], e.Feature["key"] = typeDict, keyString
		return recordDict(e, v)
	case IntDict:
		e.Feature["type"], e.Feature["key"] = typeDict, keyInt
		return recordDict(e, v)
	default:
		return fmt.Errorf("want a value, have a %T", v)
	}
	return nil
}

// array writes a file. Truth values become integers, and the float types that
// NumPy does not have float32.
func (e *recorded) array(folder, file string, t *tensor.Tensor) error {
	d := t.DType()
	switch {
	case d == tensor.Bool:
		e.From, d = "bool", tensor.Int32
	case numpyName(d) != "" || d == tensor.String:
	case d.IsFloat():
		d = tensor.Float32
	default:
		d = tensor.Int32
	}
	if d != t.DType() {
		var err error
		if t, err = t.ConvertTo(d); err != nil {
			return err
		}
	}
	shape := slices.Concat([]int{}, t.Shape())
	e.File, e.DType, e.Shape = file, numpyName(d), &shape
	return writeFile(filepath.Join(folder, file), func(w io.Writer) error { return tensor.WriteNPY(w, t) })
}

// numpyName returns NumPy's name of a type, "" if a case cannot hold it.
func numpyName(d tensor.DType) string {
	for name, t := range dtypes {
		if t == d {
			return name
		}
	}
	return ""
}

func recordDict[K string | int64](e *recorded, dict map[K]float64) error {
	pairs := [][2]any{}
	for _, k := range slices.Sorted(maps.Keys(dict)) {
		if !finite(dict[k]) {
			return fmt.Errorf("the value of key %v is %v, which case.json cannot hold", k, dict[k])
		}
		pairs = append(pairs, [2]any{k, dict[k]})
	}
	e.Dict = &pairs
	return nil
}

// opsetOf returns the opset of a program's function, "" for other models.
func opsetOf(m *mlmodel.Model, function string) string {
	functions := m.Spec().GetMlProgram().GetFunctions()
	if function == "" {
		if function = m.Spec().GetDescription().GetDefaultFunctionName(); function == "" {
			function = "main"
		}
	}
	return functions[function].GetOpset()
}

// hasFloat16 tells whether an operation of the programs makes float16 values.
func hasFloat16(m *mlmodel.Model) bool {
	for op := range mlmodel.Operations(m.Spec()) {
		for _, out := range op.GetOutputs() {
			if out.GetType().GetTensorType().GetDataType() == spec.DataType_FLOAT16 {
				return true
			}
		}
	}
	return false
}

// writeFile writes a file and brings it to the disk.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	buf := bufio.NewWriter(f)
	return errors.Join(write(buf), buf.Flush(), f.Sync(), f.Close())
}

// finite tells a number from NaN and the infinities.
func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
