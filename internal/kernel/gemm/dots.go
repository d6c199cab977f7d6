package gemm

// isDots says whether the product is one with a vector, of which the other
// operand has the inner index in consecutive places: then packing is more work
// than multiplying.
func (j *job) isDots() bool {
	if j.PackedA != nil || j.PackedB != nil || j.Indirect != nil || j.M > 1 && j.N > 1 {
		return false
	}
	return j.A.ColStride == 1 && j.B.RowStride == 1
}

// rectDots computes a rectangle of C by products of vectors.
func (kn *Kernel) rectDots(q *work, r rect) {
	for i := r.m0; i < r.m1; i++ {
		a := at(q.A.Data, i*q.A.RowStride)
		c := q.C[i*q.LDC : i*q.LDC+r.n1]
		for j := r.n0; j < r.n1; j++ {
			var v float32
			if q.K > 0 {
				v = kn.vec.Dot(a[:q.K], q.B.Data[j*q.B.ColStride:])
			}
			if q.Add != nil {
				v += q.Add[i*q.LDAdd+j]
			}
			if q.RowBias != nil {
				v += q.RowBias[i]
			}
			if q.ColBias != nil {
				v += q.ColBias[j]
			}
			c[j] = v
		}
		q.Act.Apply(kn.vec, c[r.n0:], i)
	}
}
