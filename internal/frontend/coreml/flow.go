package coreml

import (
	"maps"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// flow is what a sequence of layers does to blobs.
type flow struct {
	exposed map[string]bool // read, perhaps, before it is written
	written map[string]bool // written, perhaps
	sure    map[string]bool // written in any case
	reads   map[string]int  // how often each blob is read
	jumps   bool            // may end the round of a loop around it
	layers  int             // their number
}

func newFlow() *flow {
	return &flow{exposed: map[string]bool{}, written: map[string]bool{}, sure: map[string]bool{}, reads: map[string]int{}}
}

func (f *flow) read(name string) {
	f.reads[name]++
	if !f.sure[name] {
		f.exposed[name] = true
	}
}

func (f *flow) write(name string) {
	f.written[name] = true
	if !f.jumps {
		f.sure[name] = true
	}
}

// follow adds what comes next. What it writes is written in any case only
// where sure says so.
func (f *flow) follow(g *flow, sure bool) {
	for name := range g.exposed {
		if !f.sure[name] {
			f.exposed[name] = true
		}
	}
	for name, n := range g.reads {
		f.reads[name] += n
	}
	maps.Copy(f.written, g.written)
	if sure && !f.jumps {
		maps.Copy(f.sure, g.sure)
	}
	f.jumps = f.jumps || g.jumps
	f.layers += g.layers
}

// flowOf returns the flow of a nested network. What is nested too deep has
// none: it is not going to be lowered.
func (l *lowering) flowOf(nn *spec.NeuralNetwork, depth int) *flow {
	f := l.flows[nn]
	if f == nil && depth <= maxNesting {
		f = l.flow(nn.GetLayers(), depth)
		l.flows[nn] = f
	}
	if f == nil {
		return newFlow()
	}
	return f
}

// flow returns the flow of a sequence of layers.
func (l *lowering) flow(layers []*spec.NeuralNetworkLayer, depth int) *flow {
	f := newFlow()
	for _, layer := range layers {
		f.layers++
		for _, name := range layer.GetInput() {
			f.read(name)
		}
		switch layer.WhichLayer() {
		case spec.NeuralNetworkLayer_LoopBreak_case:
			f.write(stopped)
			f.write(broken)
			f.jumps = true
		case spec.NeuralNetworkLayer_LoopContinue_case:
			f.write(stopped)
			f.jumps = true
		case spec.NeuralNetworkLayer_Branch_case:
			yes := l.flowOf(layer.GetBranch().GetIfBranch(), depth+1)
			no := l.flowOf(layer.GetBranch().GetElseBranch(), depth+1)
			sure := map[string]bool{}
			for name := range yes.sure {
				if no.sure[name] && !f.jumps {
					sure[name] = true
				}
			}
			f.follow(yes, false)
			f.follow(no, false)
			maps.Copy(f.sure, sure)
		case spec.NeuralNetworkLayer_Loop_case:
			p := layer.GetLoop()
			f.follow(l.flowOf(condition(p), depth+1), true) // it runs once at least
			if name := p.GetConditionVar(); name != "" {
				f.read(name)
			}
			body := *l.flowOf(p.GetBodyNetwork(), depth+1)
			body.jumps = false // a jump in the body stays in the body
			body.written = maps.Clone(body.written)
			delete(body.written, stopped)
			delete(body.written, broken)
			f.follow(&body, false)
		}
		for _, name := range layer.GetOutput() {
			f.write(name)
		}
	}
	return f
}
