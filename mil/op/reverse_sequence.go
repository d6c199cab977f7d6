package op

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ReverseSequenceArgs are the arguments of reverse_sequence: Lengths has one
// element for every index of the batch axis.
type ReverseSequenceArgs struct {
	X         *mil.Value `mil:"x,T"`
	Lengths   *mil.Value `mil:"lengths,U"`
	SeqAxis   int        `mil:"seq_axis,int32,const,optional"`
	BatchAxis int        `mil:"batch_axis,int32,const,optional"`
}

// ReverseSequence turns around the first elements along an axis, as many as
// the lengths say for each index of another.
var ReverseSequence = Define(Spec[ReverseSequenceArgs]{
	Name: "reverse_sequence", Since: mil.IOS15, Types: Types{"T": Any, "U": onlyInt32},
	Infer: inferReverseSequence, Eval: evalReverseSequence, Sample: sampleReverseSequence,
})

// ReverseSequenceIOS17 is ReverseSequence for more element types.
var ReverseSequenceIOS17 = Define(Spec[ReverseSequenceArgs]{
	Name: "reverse_sequence", Since: mil.IOS17, Types: Types{"T": AnyIOS17, "U": SignedInt},
	Infer: inferReverseSequence, Eval: evalReverseSequence, Sample: sampleReverseSequence,
})

func inferReverseSequence(a *ReverseSequenceArgs) ([]mil.Type, error) {
	shape := dims(a.X)
	seq, err := axis(a.SeqAxis, len(shape))
	if err != nil {
		return nil, fmt.Errorf("seq_axis: %w", err)
	}
	batch, err := axis(a.BatchAxis, len(shape))
	if err != nil {
		return nil, fmt.Errorf("batch_axis: %w", err)
	}
	if seq == batch {
		return nil, errors.New("seq_axis and batch_axis are the same")
	}
	n, err := vector("lengths", a.Lengths)
	if err != nil {
		return nil, err
	}
	if _, ok := merge(n, shape[batch]); !ok {
		return nil, fmt.Errorf("%d lengths for a batch of %d", n, shape[batch])
	}
	if lengths, known := knownInts(a.Lengths); known && shape[seq] >= 0 {
		for _, l := range lengths {
			if l < 0 || l > shape[seq] {
				return nil, fmt.Errorf("a length of %d along an axis of %d", l, shape[seq])
			}
		}
	}
	return sameShape(a.X)
}

func evalReverseSequence(a *ReverseSequenceArgs) ([]*tensor.Tensor, error) {
	if _, err := inferReverseSequence(a); err != nil {
		return nil, err
	}
	x := a.X.Const.Decoded()
	shape := x.Shape()
	seq, _ := axis(a.SeqAxis, len(shape))
	batch, _ := axis(a.BatchAxis, len(shape))
	lengths, _ := knownInts(a.Lengths)
	out, err := duplicate(x)
	if err != nil {
		return nil, err
	}
	st := strides(shape)
	for i, n := range lengths {
		m := move{shape: slices.Clone(shape), from: slices.Clone(st), to: st, fromAt: i * st[batch], toAt: i * st[batch]}
		m.shape[batch], m.shape[seq] = 1, n
		m.fromAt += (n - 1) * st[seq]
		m.from[seq] = -st[seq]
		m.apply(out, x)
	}
	return one(out)
}

func sampleReverseSequence(r *rand.Rand) ReverseSequenceArgs {
	shape := append(sampleShape(r), 1+r.IntN(4))
	p := r.Perm(len(shape))
	seq, batch := p[0], p[1]
	return ReverseSequenceArgs{
		X:       sampleFloats(r, shape...),
		Lengths: sampleInts(r, 0, shape[seq]+1, shape[batch]),
		SeqAxis: seq - len(shape)*r.IntN(2), BatchAxis: batch,
	}
}
