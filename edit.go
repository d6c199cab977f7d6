package smelt

import (
	"context"

	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/mlmodel"
)

// What Edit is told and tells.
type (
	EditOptions  = edit.Options
	EditReport   = edit.Report
	EditMetadata = edit.Metadata
	EditVerify   = edit.Verify
	// InputShapes are those that an input or output may have.
	InputShapes = mlmodel.Shapes
	// ImageInput makes a picture of an array input.
	ImageInput = edit.Image
)

// Edit changes names, types and shapes of inputs and outputs, labels and
// metadata in place; Save writes it. What it does not concern stays byte for
// byte. If it fails the model is as it was.
func (m *Model) Edit(ctx context.Context, o EditOptions) (*EditReport, error) {
	return edit.Apply(ctx, m.doc, o)
}

// Edit writes an edited copy of a model file; out may be in. If it fails nothing
// is written.
func Edit(ctx context.Context, in, out string, o EditOptions) (*EditReport, error) {
	m, err := Open(in)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	r, err := m.Edit(ctx, o)
	if err != nil {
		return nil, err
	}
	return r, m.Save(out)
}
