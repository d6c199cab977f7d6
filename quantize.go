package smelt

import (
	"context"

	"github.com/smelt-ml/smelt/compress"
)

// Quantize compresses the model's weights in place; Save writes it. If it fails
// the model is as it was (but see compress.Quantize).
func (m *Model) Quantize(ctx context.Context, o compress.Options) (*compress.Report, error) {
	return compress.Quantize(ctx, m.doc, o)
}

// Quantize writes a smaller copy of a model file. If it fails nothing is
// written.
func Quantize(ctx context.Context, in, out string, o compress.Options) (*compress.Report, error) {
	m, err := Open(in)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	r, err := m.Quantize(ctx, o)
	if err != nil {
		return nil, err
	}
	return r, m.Save(out)
}
