// Package compress decides which weights of a document get which encoding and
// puts it in place: in neural networks (.mlmodel), ML Programs (.mlpackage) and
// pipelines of these. Whatever is not a weight that it compresses stays as it
// was. The numerics are those of package quant; how a model computes, and how
// well it does so afterwards, is not for this room.
package compress

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"github.com/smelt-ml/smelt/compress/quant"
	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel"
)

// Mode is a way to represent weights in few bits.
type Mode string

// The modes. Float16 is that of 16 bits and of no others.
const (
	Linear          Mode = "linear"           // scale and bias of each output channel
	LinearSymmetric Mode = "linear_symmetric" // the same, with zero in the middle
	LinearLUT       Mode = "linear_lut"       // a table of evenly spaced values
	KMeans          Mode = "kmeans"           // the table with the least squared error
	CustomLUT       Mode = "custom_lut"       // a table from Options
	Float16         Mode = "float16"
)

// Vectors says what becomes of biases, of the parameters of normalizations and
// of other vectors that take little space next to the weights they go with.
type Vectors uint8

// The choices for vectors.
const (
	// VectorsDefault is what coremltools does: those of neural networks are
	// compressed, those of ML Programs stay.
	VectorsDefault Vectors = iota
	VectorsKeep
	VectorsCompress
)

// Options choose what Quantize does. The zero value of all but Bits asks for
// what coremltools does.
type Options struct {
	// Bits is 16, for half-precision floats, or 8 to 1.
	Bits int
	// Mode is Linear when empty. With 16 bits it does not matter.
	Mode Mode
	// CustomLUT makes the table of CustomLUT: 2^bits values, and for each
	// weight the index of its own. It is called by several goroutines.
	CustomLUT func(bits int, weights []float32) (table []float32, codes []int, err error)
	// Tables are fixed tables of CustomLUT, where there is no function: each
	// weight gets the nearest value.
	Tables Tables
	// Select keeps out the weights for which it is false. It is called once for
	// each weight that could be compressed, by one goroutine. With 16 bits the
	// weights of a network's layer are of one type: one that is selected takes
	// the others along.
	Select func(Weight) bool
	// Vectors says whether biases and the like are compressed.
	Vectors Vectors
	// MinElements keeps smaller weights out. 0 stands for 1 in neural networks
	// and for 2049 in ML Programs, or 10 for vectors there.
	MinElements int
	// Again compresses what is quantized already once more.
	Again bool
	// Workers is the number of weights compressed at the same time; 0 stands
	// for one for each core.
	Workers int
	// Progress is called after each weight, by one goroutine at a time.
	Progress func(done, total int)
}

// Weight describes a weight to Options.Select.
type Weight struct {
	// Name is unique in a model: in networks the path of the layer, followed by
	// "." and the role but for the role "weights"; in programs the name of the
	// constant, after the function's where there are several functions.
	Name string
	// Layer is the path of the layer, or the name of the operation that takes
	// the constant.
	Layer string
	Type  string // of the layer or operation: "convolution", "conv"
	Role  string // what it is for: "weights", "bias", "weight"
	Shape []int  // as stored
	// Elements is the number of values.
	Elements int
	// Bits is 32 or 16 for floats, less for what is quantized already.
	Bits   int
	Vector bool // a bias or the like
}

// LayerReport says what became of a weight.
type LayerReport struct {
	Name     string `json:"name"`
	Layer    string `json:"layer"`
	Type     string `json:"type"`
	Role     string `json:"role"`
	Shape    []int  `json:"shape"`
	Elements int    `json:"elements"`
	// Bits and Mode are those of the encoding in the file. They may differ from
	// those asked for, where the format does not have these; Note says so.
	Bits   int   `json:"bits"`
	Mode   Mode  `json:"mode"`
	Before int64 `json:"bytes_before"` // of codes, tables, scales and biases
	After  int64 `json:"bytes_after"`
	// MSE and MaxError compare the values that the new encoding stands for with
	// those of the old one.
	MSE      float64 `json:"mse"`
	MaxError float64 `json:"max_error"`
	// SNR is in dB, nil where there is no error at all or no signal.
	SNR  *float64 `json:"snr_db"`
	Note string   `json:"note,omitempty"`
}

// Kept names a weight that stayed as it was.
type Kept struct {
	Name     string `json:"name"`
	Layer    string `json:"layer"`
	Type     string `json:"type"`
	Role     string `json:"role"`
	Shape    []int  `json:"shape"`
	Elements int    `json:"elements"`
	Bits     int    `json:"bits"`
	Bytes    int64  `json:"bytes"`
	Reason   string `json:"reason"`
}

// Report says what Quantize did to each weight of a model. A constant that
// functions share is there once. It can be marshalled to JSON.
type Report struct {
	Layers []LayerReport `json:"layers"`
	Kept   []Kept        `json:"kept"`
	Before int64         `json:"weight_bytes_before"` // of all layers and all that is kept
	After  int64         `json:"weight_bytes_after"`
}

func (r *Report) keep(w Weight, bytes int64, reason string) {
	r.Kept = append(r.Kept, Kept{w.Name, w.Layer, w.Type, w.Role, w.Shape, w.Elements, w.Bits, bytes, reason})
	r.Before += bytes
	r.After += bytes
}

func (r *Report) add(w Weight, before int64, e encoding) {
	l := LayerReport{
		Name: w.Name, Layer: w.Layer, Type: w.Type, Role: w.Role, Shape: w.Shape, Elements: w.Elements,
		Bits: e.bits, Mode: e.mode, Before: before, After: e.size,
		MSE: e.stats.MSE, MaxError: e.stats.MaxError, Note: e.note,
	}
	if snr := e.stats.SNR; !math.IsInf(snr, 0) && !math.IsNaN(snr) {
		l.SNR = &snr
	}
	r.Layers = append(r.Layers, l)
	r.Before += before
	r.After += e.size
}

// encoding is what all encodings have in common.
type encoding struct {
	bits  int
	mode  Mode
	size  int64 // bytes of codes, tables, scales and biases
	stats quant.Stats
	note  string
}

// Quantize compresses the weights of a model in place; saving it is up to the
// caller. It raises the specification version where the new encodings need
// that. If it fails the model is as it was, unless its ML Programs keep their
// weights in several files: then the program may be compressed in part, and
// is sound.
//
// That there is nothing to compress is an error of kind fault.BadValue, as are
// weights that are NaN.
func Quantize(ctx context.Context, m *mlmodel.Model, o Options) (*Report, error) {
	r, err := quantize(ctx, m, o)
	if err != nil {
		return nil, fault.InFile(err, m.Path())
	}
	return r, nil
}

func quantize(ctx context.Context, m *mlmodel.Model, o Options) (*Report, error) {
	if o.Mode == "" {
		o.Mode = Linear
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Workers < 1 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	r := &Report{Layers: []LayerReport{}, Kept: []Kept{}}
	net, err := planNetworks(m, o, r)
	if err != nil {
		return nil, err
	}
	prog, err := planPrograms(m, o, r)
	if err != nil {
		return nil, err
	}
	total := len(net.jobs) + len(prog.jobs)
	if total == 0 {
		return nil, r.nothing()
	}
	if err := o.Tables.used(append(net.weights(), prog.weights()...)); err != nil {
		return nil, err
	}
	done := 0
	step := func() {
		done++
		if o.Progress != nil {
			o.Progress(done, total)
		}
	}
	if err := net.compute(ctx, step); err != nil {
		return nil, err
	}
	if err := prog.run(ctx, step); err != nil {
		return nil, err
	}
	if err := net.apply(); err != nil {
		return nil, err
	}
	if len(r.Layers) == 0 {
		return nil, r.nothing()
	}
	raise(m, net, prog)
	return r, nil
}

// raise gives the models that were changed, and the pipelines around them, the
// specification versions that they need.
func raise(m *mlmodel.Model, net *networks, prog *programs) {
	for _, s := range mlmodel.Models(m.Spec()) {
		version := net.version(s)
		if version == 0 && !prog.touches(s) {
			continue
		}
		// New knows nothing of the weights, which are the model's.
		version = max(version, mlmodel.New(s).RequiredVersion())
		s.SetSpecificationVersion(max(s.GetSpecificationVersion(), version))
	}
	s := m.Spec()
	s.SetSpecificationVersion(max(s.GetSpecificationVersion(), m.RequiredVersion()))
}

// check finds what is wrong with the options themselves.
func (o *Options) check() error {
	bad := func(format string, args ...any) error { return fault.New(fault.BadValue, "", format, args...) }
	if o.Bits != 16 && (o.Bits < 1 || o.Bits > 8) {
		return bad("%d bits: want 16, or 8 to 1", o.Bits)
	}
	switch o.Mode {
	case Linear, LinearLUT, KMeans:
	case LinearSymmetric:
		if o.Bits == 1 {
			return bad("%s: 1 bit has no middle, want 2 or more", o.Mode)
		}
	case CustomLUT:
		if o.CustomLUT == nil && len(o.Tables) == 0 {
			return bad("%s: neither a function nor tables are given", o.Mode)
		}
	case Float16:
		if o.Bits != 16 {
			return bad("%s is of 16 bits, not of %d", o.Mode, o.Bits)
		}
	default:
		return bad("mode %q is not known: want %s, %s, %s, %s or %s", o.Mode, Linear, LinearSymmetric, LinearLUT, KMeans, CustomLUT)
	}
	if o.MinElements < 0 {
		return bad("least number of elements %d: want 0 or more", o.MinElements)
	}
	if o.Bits == 16 || o.Mode != CustomLUT {
		return nil
	}
	return o.Tables.check(o.Bits)
}

// nothing explains why no weights are left to compress.
func (r *Report) nothing() error {
	if len(r.Kept) == 0 {
		return fault.New(fault.BadValue, "", "the model has no weights to compress")
	}
	var order []string
	counts := map[string]int{}
	for _, k := range r.Kept {
		if counts[k.Reason]++; counts[k.Reason] == 1 {
			order = append(order, k.Reason)
		}
	}
	text := "no weights are left to compress"
	for _, reason := range order {
		verb := "stay"
		if counts[reason] == 1 {
			verb = "stays"
		}
		text += fmt.Sprintf("; %d %s: %s", counts[reason], verb, reason)
	}
	return fault.New(fault.BadValue, "", "%s", text)
}
