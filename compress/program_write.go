package compress

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/blob"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// references returns all places of a message that name a tensor in a weight
// file.
func references(m protoreflect.Message) []*spec.Value_BlobFileValue {
	var found []*spec.Value_BlobFileValue
	var walk func(m protoreflect.Message)
	walk = func(m protoreflect.Message) {
		if b, ok := m.Interface().(*spec.Value_BlobFileValue); ok {
			found = append(found, b)
			return
		}
		m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch {
			case fd.IsMap() && fd.MapValue().Message() != nil:
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					walk(v.Message())
					return true
				})
			case fd.IsMap() || fd.Message() == nil:
			case fd.IsList():
				for i := range v.List().Len() {
					walk(v.List().Get(i).Message())
				}
			default:
				walk(v.Message())
			}
			return true
		})
	}
	walk(m)
	return found
}

// weightFile is a weight file that is to be written anew.
type weightFile struct {
	name string
	refs []*spec.Value_BlobFileValue // to what is copied
	jobs []*programJob               // by the offset of what they replace
	home map[*programJob]uint64
	at   map[uint64]uint64 // new offsets by old ones
}

// home returns the weight file that holds a constant, or a part of it: there
// its new form goes. It is nil for those in place.
func home(c *constant) *spec.Value_BlobFileValue {
	refs := references(c.op.ProtoReflect())
	if len(refs) == 0 {
		return nil
	}
	return slices.MinFunc(refs, func(a, b *spec.Value_BlobFileValue) int {
		return cmp.Or(cmp.Compare(a.GetFileName(), b.GetFileName()), cmp.Compare(a.GetOffset(), b.GetOffset()))
	})
}

// files returns the weight files that jobs change, in the order of their
// names, with everything in them that is still needed.
func (p *programs) files() []*weightFile {
	files := map[string]*weightFile{}
	replaced := map[*spec.Value_BlobFileValue]bool{}
	for _, j := range p.jobs {
		h := home(j.constants[0])
		if h == nil {
			continue
		}
		f := files[h.GetFileName()]
		if f == nil {
			f = &weightFile{name: h.GetFileName(), home: map[*programJob]uint64{}, at: map[uint64]uint64{}}
			files[h.GetFileName()] = f
		}
		f.jobs = append(f.jobs, j)
		f.home[j] = h.GetOffset()
		for _, c := range j.constants {
			for _, r := range references(c.op.ProtoReflect()) {
				replaced[r] = true
			}
		}
	}
	p.addReferences(files, replaced)
	for _, f := range files {
		slices.SortStableFunc(f.jobs, func(a, b *programJob) int { return cmp.Compare(f.home[a], f.home[b]) })
	}
	return sortedFiles(files)
}

func (p *programs) addReferences(files map[string]*weightFile, but map[*spec.Value_BlobFileValue]bool) {
	for _, s := range mlmodel.Models(p.m.Spec()) {
		for _, r := range references(s.GetMlProgram().ProtoReflect()) {
			if f := files[r.GetFileName()]; f != nil && !but[r] {
				f.refs = append(f.refs, r)
			}
		}
	}
	for _, f := range files {
		slices.SortStableFunc(f.refs, func(a, b *spec.Value_BlobFileValue) int { return cmp.Compare(a.GetOffset(), b.GetOffset()) })
	}
}

func sortedFiles(files map[string]*weightFile) []*weightFile {
	var all []*weightFile
	for _, key := range slices.Sorted(maps.Keys(files)) {
		all = append(all, files[key])
	}
	return all
}

// inPlace computes the encodings of constants that stand in the program.
func (p *programs) inPlace(ctx context.Context, step func()) error {
	var jobs []*programJob
	for _, j := range p.jobs {
		if home(j.constants[0]) == nil {
			jobs = append(jobs, j)
		}
	}
	return p.compute(ctx, jobs, len(jobs), func(*programJob) error { step(); return nil })
}

// compute encodes weights, and hands them to take in their order.
func (p *programs) compute(ctx context.Context, jobs []*programJob, ahead int, take func(*programJob) error) error {
	return ordered(ctx, len(jobs), p.o.Workers, ahead, func(ctx context.Context, i int) (programEncoding, error) {
		e, err := p.encode(ctx, jobs[i])
		if err != nil {
			return e, fault.New(kindOr(err, fault.BadValue), jobs[i].place(), "%w", err)
		}
		return e, nil
	}, func(i int, e programEncoding) error {
		jobs[i].result = e
		return take(jobs[i])
	})
}

// inFiles writes weight files anew, with the new encodings where the old ones
// were and everything else copied, and then puts the encodings of that file
// into the program.
func (p *programs) inFiles(ctx context.Context, step func()) error {
	for _, f := range p.files() {
		if err := p.rewrite(ctx, f, step); err != nil {
			return err
		}
	}
	return nil
}

func (p *programs) rewrite(ctx context.Context, f *weightFile, step func()) error {
	old, err := p.m.Blob(f.name)
	if err != nil {
		return err
	}
	err = p.m.WriteBlob(f.name, func(w *blob.Writer) error {
		refs := f.refs
		err := p.compute(ctx, f.jobs, 2*p.o.Workers, func(j *programJob) error {
			defer step()
			for len(refs) > 0 && refs[0].GetOffset() <= f.home[j] {
				if err := f.copy(w, old, refs[0]); err != nil {
					return err
				}
				refs = refs[1:]
			}
			if j.result.kept != "" {
				for _, r := range j.references() {
					if err := f.copy(w, old, r); err != nil {
						return err
					}
				}
				return nil
			}
			return j.write(w)
		})
		if err != nil {
			return err
		}
		for _, r := range refs {
			if err := f.copy(w, old, r); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, r := range f.refs {
		r.SetOffset(f.at[r.GetOffset()])
	}
	for _, j := range f.jobs {
		if j.result.kept == "" {
			j.apply(f.name)
			continue
		}
		for _, r := range j.references() {
			r.SetOffset(f.at[r.GetOffset()])
		}
	}
	return nil
}

// copy copies a tensor that is still needed, once.
func (f *weightFile) copy(w *blob.Writer, old *blob.File, r *spec.Value_BlobFileValue) error {
	if _, ok := f.at[r.GetOffset()]; ok {
		return nil
	}
	e, err := old.At(r.GetOffset())
	if err != nil {
		return err
	}
	f.at[r.GetOffset()], err = w.Copy(old, e)
	return err
}

// references returns all that a job's constants have in weight files.
func (j *programJob) references() []*spec.Value_BlobFileValue {
	var all []*spec.Value_BlobFileValue
	for _, c := range j.constants {
		all = append(all, references(c.op.ProtoReflect())...)
	}
	return all
}

// write puts the tensors of an encoding into a weight file, but for small
// ones, and forgets what they hold.
func (j *programJob) write(w *blob.Writer) error {
	for i := range j.result.params {
		param := &j.result.params[i]
		if param.argument || param.value.Len() < 10 {
			continue
		}
		var err error
		if param.offset, err = w.Append(param.value); err != nil {
			return fault.New(kindOr(err, fault.Unsupported), j.place(), "%w", err)
		}
		param.typed, param.value = typed(param.value), nil
	}
	return nil
}

// apply turns a job's constants into operations of the new form, whose large
// tensors are in that file.
func (j *programJob) apply(file string) {
	j.applied = true
	for _, c := range j.constants {
		held := map[string]*spec.Value{}
		for _, param := range j.result.params {
			if param.value == nil {
				held[param.name] = inFile(param.typed, file, param.offset)
			} else {
				held[param.name] = literal(param.value)
			}
		}
		attributes := map[string]*spec.Value{}
		if name := c.op.GetAttributes()["name"]; name != nil {
			attributes["name"] = name
		}
		c.op.SetInputs(nil)
		c.op.SetType(j.result.op)
		if c.fn.opset >= mil.IOS18 && j.result.op != "const" {
			inputs := map[string]*spec.Argument{}
			for name, v := range held {
				binding := spec.Argument_Binding_builder{Value: v}.Build()
				inputs[name] = spec.Argument_builder{Arguments: []*spec.Argument_Binding{binding}}.Build()
			}
			c.op.SetInputs(inputs)
		} else {
			maps.Copy(attributes, held)
		}
		c.op.SetAttributes(attributes)
	}
}

// removeUnused takes out the parts of compressed constants that are parts no
// longer.
func (p *programs) removeUnused(ctx context.Context) error {
	files := map[string]*weightFile{}
	for removed := p.o.Again; removed; {
		removed = false
		for _, fn := range p.functions {
			scan := scanner{fn: fn}
			scan.block(fn.block(), nil)
			gone := map[*spec.Operation]bool{}
			for _, c := range scan.found {
				if p.parts[c.op] && len(c.uses) == 0 && !c.result && len(c.op.GetOutputs()) == 1 {
					gone[c.op] = true
					for _, r := range references(c.op.ProtoReflect()) {
						files[r.GetFileName()] = &weightFile{name: r.GetFileName(), at: map[uint64]uint64{}}
					}
				}
			}
			if len(gone) > 0 {
				removed = true
				remove(fn.block(), gone)
			}
		}
	}
	p.addReferences(files, nil)
	for _, f := range sortedFiles(files) {
		if err := p.rewrite(ctx, f, func() {}); err != nil {
			return err
		}
	}
	return nil
}

func remove(b *spec.Block, gone map[*spec.Operation]bool) {
	b.SetOperations(slices.DeleteFunc(b.GetOperations(), func(o *spec.Operation) bool { return gone[o] }))
	for _, o := range b.GetOperations() {
		for _, inner := range o.GetBlocks() {
			remove(inner, gone)
		}
	}
}

// function is the block of a function that is used: that of its opset.
type function struct {
	*spec.Function
	name    string
	prefix  string // of its constants' names
	opset   mil.Opset
	changed bool
}

func (f *function) block() *spec.Block { return f.GetBlockSpecializations()[f.GetOpset()] }

// lift gives a function the oldest opset that has compressed constants. The
// operators of iOS 15 do the same in iOS 16: their new arguments are optional.
func (f *function) lift() {
	if f.opset >= mil.IOS16 {
		return
	}
	blocks := f.GetBlockSpecializations()
	blocks[mil.IOS16.String()] = blocks[f.GetOpset()]
	delete(blocks, f.GetOpset())
	f.SetBlockSpecializations(blocks)
	f.SetOpset(mil.IOS16.String())
}

// liftable tells why a function cannot be lifted.
func (f *function) liftable() error {
	if _, ok := f.GetBlockSpecializations()[mil.IOS16.String()]; ok && f.opset < mil.IOS16 {
		return fault.New(fault.Unsupported, fmt.Sprintf("function %q", f.name), "it has blocks for %s and for %s", f.opset, mil.IOS16)
	}
	return nil
}
