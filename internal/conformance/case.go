package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

// Case is one golden case. What it holds besides is read when it is run.
type Case struct {
	ID          string // the name of its folder
	Suite       string // "nn", "mil", …
	Kind        string // the model's type: "neuralNetwork", "mlProgram", …
	SpecVersion int
	Opset       string   // of an ML Program: "CoreML5" … "CoreML8"
	Ops         []string // layer types, MIL operations or model types
	Variants    []string // modes of layers: "pooling.L2"
	FP16        bool     // some value of the ML Program has type float16
	XFail       string   // why the reference holds but Apple's framework is known to miss it
	Model       string   // the file or package in FS
	Function    string   // to be run; "" is the default

	fsys  fs.FS  // the case's folder
	path  string // of the folder, for errors
	batch int    // 0: not a batch
	steps []step // at least one
	err   error  // why the case cannot be run
}

// FS returns the case's folder: case.json, the model, arrays.
func (c *Case) FS() fs.FS { return c.fsys }

// Err tells why the case cannot be run: its case.json is missing or malformed.
// Such a case fails.
func (c *Case) Err() error { return c.err }

// step is one prediction, or as many independent ones as the batch has.
type step struct {
	Inputs     []entry `json:"inputs"`
	Outputs    []entry `json:"outputs"`
	WriteState []entry `json:"write_state"`
}

// entry is a named value of a case: an input, a state to be written, or an
// output with the way to compare it.
type entry struct {
	Name    string                     `json:"name"`
	File    string                     `json:"file"`
	DType   string                     `json:"dtype"`
	Shape   []int                      `json:"shape"`
	Image   string                     `json:"image"`
	Value   json.RawMessage            `json:"value"`
	Values  []json.RawMessage          `json:"values"`
	Dict    []dictPair                 `json:"dict"`
	Dicts   [][]dictPair               `json:"dicts"`
	Feature struct{ Type, Key string } `json:"feature"`

	Check              string    `json:"check"`
	RTol               *float64  `json:"rtol"`
	ATol               *float64  `json:"atol"`
	Delta              *float64  `json:"delta"`
	SNR                *float64  `json:"snr"`
	PSNR               *float64  `json:"psnr"`
	CentralMoments     []float64 `json:"central_moments"`
	Decimal            *int      `json:"decimal"`
	AllowMismatchRatio float64   `json:"allow_mismatch_ratio"`
	Suggest            *bounds   `json:"suggest"`
	ShapeCheck         string    `json:"shape_check"`
	ExpectedShape      []int     `json:"expected_shape"`
	View               any       `json:"view"`
	State              string    `json:"state"`
}

type bounds struct {
	RTol *float64 `json:"rtol"`
	ATol *float64 `json:"atol"`
}

// dictPair is a key, string or integer, and a number.
type dictPair []json.RawMessage

// The bounds of what one case may ask for.
const (
	maxSamples   = 1 << 16
	maxValues    = 1 << 21 // of all samples of a batch
	maxCaseJSON  = 64 << 20
	maxCaseBytes = 1 << 30 // of its arrays; of all files of a case in an archive
)

// parseCase reads a case.json.
func parseCase(b []byte) (*Case, error) {
	var f struct {
		Suite       string   `json:"suite"`
		Kind        string   `json:"kind"`
		SpecVersion int      `json:"spec_version"`
		Opset       string   `json:"opset"`
		Ops         []string `json:"ops"`
		Variants    []string `json:"variants"`
		FP16        bool     `json:"fp16"`
		XFail       string   `json:"xfail"`
		Model       string   `json:"model"`
		Function    string   `json:"function"`
		Batch       *int     `json:"batch"`
		Steps       []step   `json:"steps"`
		step
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, jsonError(err)
	}
	c := &Case{
		Suite: f.Suite, Kind: f.Kind, SpecVersion: f.SpecVersion, Opset: f.Opset, Ops: f.Ops, Variants: f.Variants,
		FP16: f.FP16, XFail: f.XFail, Model: f.Model, Function: f.Function, steps: f.Steps,
	}
	if err := checkFileName(f.Model); err != nil {
		return nil, fault.New(fault.Corrupt, "model", "%w", err)
	}
	if f.Batch != nil {
		if c.batch = *f.Batch; c.batch < 1 || c.batch > maxSamples {
			return nil, fault.New(fault.BadValue, "batch", "want 1 to %d, have %d", maxSamples, c.batch)
		}
		if n := len(f.Inputs) + len(f.Outputs); n > maxValues/c.batch {
			return nil, fault.New(fault.Limit, "batch", "%d inputs and outputs of %d samples are more than %d values", n, c.batch, maxValues)
		}
	}
	switch {
	case len(f.Steps) == 0:
		c.steps = []step{f.step}
	case f.Inputs != nil || f.Outputs != nil || f.WriteState != nil:
		return nil, fault.New(fault.Corrupt, "steps", "stand beside inputs, outputs or write_state of their own")
	case f.Batch != nil:
		return nil, fault.New(fault.Corrupt, "steps", "stand beside batch")
	}
	for i := range c.steps {
		if err := c.steps[i].validate(c.batch); err != nil {
			if len(f.Steps) > 0 {
				return nil, fmt.Errorf("steps[%d]: %w", i, err)
			}
			return nil, err
		}
	}
	return c, nil
}

// jsonError says where in the file a JSON error is.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fault.New(fault.Corrupt, fmt.Sprintf("byte %d", syntax.Offset), "%w", err)
	}
	return fault.New(fault.Corrupt, "", "%w", err)
}

// checkFileName refuses names that lead out of the case's folder.
func checkFileName(name string) error {
	switch {
	case name == "":
		return errors.New("no file name is given")
	case !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, `\:`):
		return fmt.Errorf("%q does not name a file inside the case", name)
	}
	return nil
}

func (s *step) validate(batch int) error {
	if len(s.Outputs) == 0 {
		return fault.New(fault.Corrupt, "outputs", "there are none: nothing to check")
	}
	for _, part := range []struct {
		what    string
		entries []entry
		check   func(*entry) error
	}{
		{"inputs", s.Inputs, func(e *entry) error { return e.validate(batch, true) }},
		{"write_state", s.WriteState, func(e *entry) error { return e.validateState() }},
		{"outputs", s.Outputs, func(e *entry) error { return e.validateOutput(batch) }},
	} {
		for i := range part.entries {
			e := &part.entries[i]
			place := fmt.Sprintf("%s[%d] %q", part.what, i, e.Name)
			if e.Name == "" {
				return fault.New(fault.Corrupt, place, "has no name")
			}
			if err := part.check(e); err != nil {
				return fault.New(fault.Corrupt, place, "%w", err)
			}
		}
	}
	return nil
}

// validate checks where an entry's value comes from. Outputs of which only the
// shape or the distribution counts have none.
func (e *entry) validate(batch int, needed bool) error {
	var sources []string
	for _, s := range []struct {
		name    string
		there   bool
		batched bool // its form in a batch, or in none
	}{
		{"file", e.File != "", batch > 0},
		{"value", e.Value != nil, false},
		{"values", e.Values != nil, true},
		{"dict", e.Dict != nil, false},
		{"dicts", e.Dicts != nil, true},
	} {
		if !s.there {
			continue
		}
		if s.batched != (batch > 0) {
			return fmt.Errorf("has %s, which does not go with batch %d", s.name, batch)
		}
		sources = append(sources, s.name)
	}
	switch {
	case len(sources) > 1:
		return fmt.Errorf("has both %s", strings.Join(sources, " and "))
	case len(sources) == 0 && needed:
		return errors.New("has no file, value or dict")
	}
	if e.File != "" {
		if err := checkFileName(e.File); err != nil {
			return err
		}
	}
	if e.DType != "" {
		if _, ok := dtypes[e.DType]; !ok {
			return fmt.Errorf("dtype %q is unknown", e.DType)
		}
	}
	if n := len(e.Values) + len(e.Dicts); n > 0 && n != batch {
		return fmt.Errorf("has %d values in a batch of %d", n, batch)
	}
	if _, err := tensor.CheckShape(e.Shape); err != nil {
		return err
	}
	_, err := e.literals()
	return err
}

func (e *entry) validateState() error {
	if e.File == "" {
		return errors.New("has no file")
	}
	return e.validate(0, true)
}

func (e *entry) validateOutput(batch int) error {
	needed := e.Check != checkShape && e.Check != checkMoments
	if err := e.validate(batch, needed); err != nil {
		return err
	}
	if _, err := tensor.CheckShape(e.ExpectedShape); err != nil {
		return fmt.Errorf("expected_shape: %w", err)
	}
	if !slices.Contains([]string{"", shapeExact, shapeSqueeze, shapeSize, shapeBroadcast}, e.ShapeCheck) {
		return fmt.Errorf("shape_check %q is unknown", e.ShapeCheck)
	}
	if e.Check == checkShape && e.Shape == nil && e.ExpectedShape == nil {
		return errors.New("has no shape to check")
	}
	if r := e.AllowMismatchRatio; r < 0 || r > 1 {
		return fmt.Errorf("allow_mismatch_ratio: want 0 to 1, have %v", r)
	}
	if e.Suggest != nil {
		if err := e.Suggest.validate(); err != nil {
			return fmt.Errorf("suggest: %w", err)
		}
	}
	switch e.Check {
	case checkAllClose:
		return (&bounds{e.RTol, e.ATol}).validate()
	case checkRelError:
		return notNegative("delta", e.Delta)
	case checkSNR:
		if e.SNR == nil || e.PSNR == nil {
			return errors.New("want snr and psnr")
		}
	case checkMoments:
		if len(e.CentralMoments) == 0 {
			return errors.New("want central_moments")
		}
		if e.Decimal == nil || *e.Decimal < 0 || *e.Decimal > 300 {
			return errors.New("want decimal, 0 to 300")
		}
	case checkEqual, checkShape:
	case "":
		return errors.New("does not say how to check it")
	default:
		return fmt.Errorf("check %q is unknown", e.Check)
	}
	return nil
}

func (b *bounds) validate() error {
	return errors.Join(notNegative("rtol", b.RTol), notNegative("atol", b.ATol))
}

func notNegative(name string, v *float64) error {
	if v == nil {
		return fmt.Errorf("want %s", name)
	}
	if *v < 0 || math.IsNaN(*v) {
		return fmt.Errorf("%s is negative: %v", name, *v)
	}
	return nil
}
