package predict

import "context"

// PredictSingle is Predict on a single thread, for callers that keep the cores
// busy with many predictions at once.
func (m *Model) PredictSingle(ctx context.Context, in Features, state State) (Features, error) {
	w := m.worker(1)
	defer m.release(w)
	return m.predict(ctx, w, in, state)
}
