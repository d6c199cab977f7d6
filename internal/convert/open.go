package convert

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// sources are the formats that are not Core ML's, by what the names of their
// files end in. Adding one is a file with its open function and a row here.
var sources = map[string]func(path string, o Options) (*source, error){
	".onnx": openONNX,
}

// open reads a source by what its name ends in.
func open(path string, o Options) (*source, error) {
	if read := sources[strings.ToLower(filepath.Ext(path))]; read != nil {
		return read(path, o)
	}
	return openCoreML(path, o)
}

// Open opens a model for those who look at it or run it: a Core ML file as it
// is, and one of another format as the ML Program in float32 that it becomes, in
// memory, or as a classical model. The report tells of that; it is nil where nothing was converted.
func Open(ctx context.Context, path string) (*mlmodel.Model, *Report, error) {
	read := sources[strings.ToLower(filepath.Ext(path))]
	if read == nil {
		m, err := mlmodel.Open(path)
		return m, nil, err
	}
	o := Options{Float: tensor.Float32}
	o.out = ".mlmodel" // which a classical model becomes, if it can
	s, err := read(path, o)
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	if s.document != nil {
		r := newReport(Classical)
		_, _, err := s.write(ctx, nil, "", o, r)
		return s.document, r, err
	}
	var m *mlmodel.Model
	held := target{
		name: MLProgram, title: "ML Program", identifier: mlprogram.Identifier, core: true,
		write: func(ctx context.Context, s *source, _ string, o Options, r *Report) (*result, error) {
			var err error
			m, err = programOf(ctx, s, o, r, true)
			return nil, err
		},
	}
	r := newReport(held.name)
	if _, _, err := s.write(ctx, &held, "", o, r); err != nil {
		return nil, nil, fault.InFile(err, path)
	}
	return m, r, nil
}

// FeatureName is what an input or output of another format is called in Core ML,
// where names are letters, digits and underscores.
func FeatureName(name string) string { return mlprogram.Identifier(name) }
