package predict

// Cost counts the floating-point operations of a prediction for these inputs;
// see engine.Plan.FLOPs.
func (m *Model) Cost(in Features) (flops int64, err error) {
	inputs, _, err := m.prepare(in)
	if err != nil {
		return 0, err
	}
	p, err := m.plan(inputs)
	if err != nil {
		return 0, err
	}
	return p.FLOPs(), nil
}
