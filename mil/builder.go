package mil

import "fmt"

// Builder appends nodes to a block. The first error sticks: later nodes are
// not added, and Err tells it, so that a lowering can be written without a
// check after every operator.
type Builder struct {
	Opset Opset
	Block *Block
	// Fold, if it is set, sees each finished node. It may compute the results,
	// whose Const it then sets: the node is not added.
	Fold  func(n *Node) bool
	err   error
	names map[string]int
	place string
}

// NewBuilder returns a builder of a new, empty block.
func NewBuilder(opset Opset) *Builder {
	return &Builder{Opset: opset, Block: &Block{}, names: map[string]int{}}
}

// Nested returns a builder of a new block inside the current one; names stay
// unique across both.
func (b *Builder) Nested() *Builder {
	return &Builder{Opset: b.Opset, Block: &Block{}, Fold: b.Fold, names: b.names, place: b.place, err: b.err}
}

// Err returns the first error.
func (b *Builder) Err() error { return b.err }

// Fail records an error, unless there is one already.
func (b *Builder) Fail(err error) {
	if b.err == nil && err != nil {
		if b.place != "" {
			err = fmt.Errorf("layer %q: %w", b.place, err)
		}
		b.err = err
	}
}

// Recover returns the first error and forgets it, so that building can go on.
func (b *Builder) Recover() error {
	err := b.err
	b.err = nil
	return err
}

// SetPlace names the source layer that is being lowered: errors and nodes
// made from now on carry it.
func (b *Builder) SetPlace(name string) { b.place = name }

// Place returns the name of the source layer that is being lowered.
func (b *Builder) Place() string { return b.place }

// Unique returns name, made unique within the program by a number.
func (b *Builder) Unique(name string) string {
	n := b.names[name]
	b.names[name] = n + 1
	if n == 0 {
		return name
	}
	return b.Unique(fmt.Sprintf("%s_%d", name, n))
}

// Append adds a finished node, unless Fold computes it.
func (b *Builder) Append(n *Node) {
	if b.err != nil {
		return
	}
	if b.Fold != nil && b.Fold(n) {
		return
	}
	for _, v := range n.Outputs {
		v.Node = n
	}
	b.Block.Nodes = append(b.Block.Nodes, n)
}
