package mlmodel

import (
	"bytes"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// patch is how one changed message comes out of its original: the fields as
// they stand in the file, some of them replaced or dropped, and new ones.
type patch struct {
	*encoder
	cur, orig protoreflect.Message
	fields    []wireField
	edits     map[int]rope              // by index into fields; an empty rope drops the field
	added     map[protowire.Number]rope // fields that the file does not have
	unknown   rope                      // after all others
}

// apply puts the message together. New fields stand before the first field
// with a greater number.
func (p *patch) apply() rope {
	var r rope
	added := slices.Sorted(maps.Keys(p.added))
	for i, f := range p.fields {
		for len(added) > 0 && added[0] < f.num {
			r.rope(p.added[added[0]])
			added = added[1:]
		}
		if edit, ok := p.edits[i]; ok {
			r.rope(edit)
		} else {
			r.file(p.m.src, f.start, f.end)
		}
	}
	for _, num := range added {
		r.rope(p.added[num])
	}
	r.rope(p.unknown)
	return r
}

// plan decides about every field.
func (p *patch) plan() error {
	d := p.cur.Descriptor()
	at := map[protowire.Number][]int{} // where known fields stand
	var unknown, payload []int
	for i, f := range p.fields {
		fd := d.Fields().ByNumber(f.num)
		switch {
		case d == weightParams && payloadKind(f) != 0:
			payload = append(payload, i)
		case d == weightParams && f.num == markerField:
			// No field of the decoded message stands for it: it stays.
		case fd == nil || !typeFits(fd, f.typ):
			unknown = append(unknown, i)
		default:
			at[f.num] = append(at[f.num], i)
		}
	}
	done := map[protoreflect.Name]bool{}
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		if d == weightParams && kindOfNumber[fd.Number()] != 0 {
			continue
		}
		if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
			if !done[od.Name()] {
				done[od.Name()] = true
				if err := p.oneof(od, at); err != nil {
					return err
				}
			}
			continue
		}
		if err := p.field(fd, at[fd.Number()]); err != nil {
			return err
		}
	}
	cur, orig := p.cur.GetUnknown(), p.orig.GetUnknown()
	if d == weightParams {
		var marks, origMarks []byte
		marks, cur = splitMarkers(cur)
		origMarks, orig = splitMarkers(orig)
		if err := p.payload(payload, marks, origMarks); err != nil {
			return err
		}
	}
	if !bytes.Equal(cur, orig) {
		p.drop(unknown)
		p.unknown.bytes(cur)
	}
	return nil
}

// typeFits tells whether a field of that wire type is taken as fd and not as
// an unknown field.
func typeFits(fd protoreflect.FieldDescriptor, typ protowire.Type) bool {
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return typ == protowire.BytesType
	}
	if fd.IsList() && typ == protowire.BytesType {
		return true // packed
	}
	switch fd.Kind() {
	case protoreflect.FloatKind:
		return typ == protowire.Fixed32Type
	case protoreflect.DoubleKind:
		return typ == protowire.Fixed64Type
	}
	return typ == protowire.VarintType // the format has no other fixed or zigzag types
}

func (p *patch) drop(at []int) {
	for _, i := range at {
		p.edits[i] = rope{}
	}
}

// replace puts r in the place of the field's first occurrence.
func (p *patch) replace(num protowire.Number, at []int, r rope) {
	if len(at) == 0 {
		p.added[num] = r
		return
	}
	p.drop(at)
	p.edits[at[0]] = r
}

// differs compares one field of both messages.
func (p *patch) differs(fd protoreflect.FieldDescriptor) (bool, error) {
	a, err := canonical(alone(p.cur, fd))
	if err != nil {
		return false, err
	}
	b, err := canonical(alone(p.orig, fd))
	return !bytes.Equal(a, b), err
}

// oneof handles the members of a oneof together: among several in a file the
// last counts.
func (p *patch) oneof(od protoreflect.OneofDescriptor, at map[protowire.Number][]int) error {
	changed, present := false, 0
	for i := range od.Fields().Len() {
		fd := od.Fields().Get(i)
		d, err := p.differs(fd)
		if err != nil {
			return err
		}
		changed = changed || d
		if len(at[fd.Number()]) > 0 {
			present++
		}
	}
	if !changed {
		return nil
	}
	for i := range od.Fields().Len() {
		fd := od.Fields().Get(i)
		if present > 1 || !p.cur.Has(fd) {
			p.drop(at[fd.Number()])
		}
	}
	fd := p.cur.WhichOneof(od)
	switch {
	case fd == nil:
		return nil
	case present > 1:
		return p.renew(fd, at[fd.Number()])
	}
	return p.field(fd, at[fd.Number()])
}

// renew encodes a field anew.
func (p *patch) renew(fd protoreflect.FieldDescriptor, at []int) error {
	if !p.cur.Has(fd) {
		p.drop(at)
		return nil
	}
	r, err := p.fresh(alone(p.cur, fd))
	if err != nil {
		return err
	}
	p.replace(fd.Number(), at, r)
	return nil
}

func (p *patch) field(fd protoreflect.FieldDescriptor, at []int) error {
	if changed, err := p.differs(fd); !changed || err != nil {
		return err
	}
	switch {
	case fd.IsMap():
		return p.mapField(fd, at)
	case fd.IsList() && fd.Message() != nil:
		return p.list(fd, at)
	case fd.Message() != nil && p.cur.Has(fd) && p.orig.Has(fd) && len(at) == 1:
		return p.edit(at[0], p.cur.Get(fd).Message(), p.orig.Get(fd).Message())
	}
	return p.renew(fd, at)
}

// edit re-encodes the message in one field of the file.
func (p *patch) edit(at int, cur, orig protoreflect.Message) error {
	r, err := p.renested(p.fields[at], cur, orig)
	if err != nil {
		return err
	}
	if f := p.fields[at]; !r.is(p.m.src, f.start, f.end) {
		p.edits[at] = r
	}
	return nil
}

// renested re-encodes a message with the tag and length before it.
func (p *patch) renested(f wireField, cur, orig protoreflect.Message) (rope, error) {
	var r rope
	inner, err := p.message(cur, orig, f.value, f.end)
	if err != nil {
		return r, err
	}
	if inner.is(p.m.src, f.value, f.end) {
		r.file(p.m.src, f.start, f.end) // the length as it was encoded
		return r, nil
	}
	r.nested(protowire.AppendTag(nil, f.num, f.typ), inner)
	return r, nil
}

// list encodes a repeated message. Elements are matched with those of the
// file; what stands where it stood is edited in place.
func (p *patch) list(fd protoreflect.FieldDescriptor, at []int) error {
	cur, orig := p.cur.Get(fd).List(), p.orig.Get(fd).List()
	match, err := matchLists(cur, orig)
	if err != nil {
		return err
	}
	inPlace := cur.Len() == orig.Len()
	for i, j := range match {
		inPlace = inPlace && i == j
	}
	if inPlace {
		for i := range cur.Len() {
			if err := p.edit(at[i], cur.Get(i).Message(), orig.Get(i).Message()); err != nil {
				return err
			}
		}
		return nil
	}
	var all rope
	tag := protowire.AppendTag(nil, fd.Number(), protowire.BytesType)
	for i, j := range match {
		var r rope
		if j >= 0 {
			r, err = p.renested(p.fields[at[j]], cur.Get(i).Message(), orig.Get(j).Message())
		} else {
			var inner rope
			inner, err = p.fresh(cur.Get(i).Message())
			r.nested(tag, inner)
		}
		if err != nil {
			return err
		}
		all.rope(r)
	}
	p.replace(fd.Number(), at, all)
	return nil
}

// matchLists returns for each element of cur the element of orig that it was,
// or -1: equal ones in the same place, equal ones elsewhere, those of the same
// name, and, if the lists are equally long, what stands in the same place.
func matchLists(cur, orig protoreflect.List) ([]int, error) {
	now, err := canonicals(cur)
	if err != nil {
		return nil, err
	}
	before, err := canonicals(orig)
	if err != nil {
		return nil, err
	}
	match := make([]int, len(now))
	taken := make([]bool, len(before))
	for i := range now {
		match[i] = -1
		if i < len(before) && now[i] == before[i] {
			match[i], taken[i] = i, true
		}
	}
	// pair matches what is left by a key, first come, first served.
	pair := func(now, before func(i int) string) {
		free := map[string][]int{}
		for j := range taken {
			if key := before(j); !taken[j] && key != "" {
				free[key] = append(free[key], j)
			}
		}
		for i := range match {
			if match[i] >= 0 {
				continue
			}
			if js := free[now(i)]; len(js) > 0 {
				match[i], taken[js[0]] = js[0], true
				free[now(i)] = js[1:]
			}
		}
	}
	pair(func(i int) string { return now[i] }, func(j int) string { return before[j] })
	pair(func(i int) string { return nameOf(cur.Get(i).Message()) }, func(j int) string { return nameOf(orig.Get(j).Message()) })
	if len(now) == len(before) {
		for i := range match {
			if match[i] < 0 && !taken[i] {
				match[i] = i
			}
		}
	}
	return match, nil
}

func canonicals(l protoreflect.List) ([]string, error) {
	out := make([]string, l.Len())
	for i := range out {
		b, err := canonical(l.Get(i).Message())
		if err != nil {
			return nil, err
		}
		out[i] = string(b)
	}
	return out, nil
}

// nameOf is what a message goes by: its name, or that of an operation's first
// output.
func nameOf(m protoreflect.Message) string {
	if o, ok := m.Interface().(*spec.Operation); ok {
		if outs := o.GetOutputs(); len(outs) > 0 {
			return outs[0].GetName()
		}
		return ""
	}
	fd := m.Descriptor().Fields().ByName("name")
	if fd == nil || fd.Kind() != protoreflect.StringKind || fd.IsList() {
		return ""
	}
	return m.Get(fd).String()
}

// mapField encodes a map. Entries that stand once in the file are edited in
// place, new ones follow in the order of their keys.
func (p *patch) mapField(fd protoreflect.FieldDescriptor, at []int) error {
	cur, orig := p.cur.Get(fd).Map(), p.orig.Get(fd).Map()
	if len(at) != orig.Len() { // some key occurs twice
		return p.renew(fd, at)
	}
	edits := map[int]rope{}
	seen := map[any]bool{}
	for _, i := range at {
		key, inner, ok, err := p.entry(fd, p.fields[i])
		if err != nil {
			return err
		}
		if !ok {
			return p.renew(fd, at)
		}
		seen[key.Interface()] = true
		if !cur.Has(key) {
			edits[i] = rope{}
			continue
		}
		a, err := canonical(p.single(fd, key, cur))
		if err != nil {
			return err
		}
		b, err := canonical(p.single(fd, key, orig))
		if err != nil {
			return err
		}
		if bytes.Equal(a, b) {
			continue
		}
		if fd.MapValue().Message() == nil || inner.num == 0 {
			edits[i], err = p.fresh(p.single(fd, key, cur))
		} else {
			edits[i], err = p.reentered(p.fields[i], inner, cur.Get(key).Message(), orig.Get(key).Message())
		}
		if err != nil {
			return err
		}
	}
	maps.Copy(p.edits, edits)
	more := p.cur.New()
	cur.Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
		if !seen[key.Interface()] {
			more.Mutable(fd).Map().Set(key, v)
		}
		return true
	})
	r, err := p.fresh(more)
	if err != nil || r.size == 0 {
		return err
	}
	if len(at) == 0 {
		p.added[fd.Number()] = r
		return nil
	}
	last := at[len(at)-1]
	kept, ok := p.edits[last]
	if !ok {
		kept.file(p.m.src, p.fields[last].start, p.fields[last].end)
	}
	kept.rope(r)
	p.edits[last] = kept
	return nil
}

// single returns a message with one entry of a map.
func (p *patch) single(fd protoreflect.FieldDescriptor, key protoreflect.MapKey, m protoreflect.Map) protoreflect.Message {
	one := p.cur.New()
	one.Mutable(fd).Map().Set(key, m.Get(key))
	return one
}

// entry reads the key of a map entry and finds its value. It fails on an
// entry that is not just one key and one value, each of which may be missing.
func (p *patch) entry(fd protoreflect.FieldDescriptor, f wireField) (key protoreflect.MapKey, value wireField, ok bool, err error) {
	var keyBytes []byte
	for off := f.value; off < f.end; {
		inner, err := p.w.next(off, f.end, 0)
		if err != nil {
			return key, value, false, err
		}
		off = inner.end
		switch {
		case inner.num == 1 && keyBytes == nil && typeFits(fd.MapKey(), inner.typ):
			if keyBytes, err = p.w.appendTo(nil, inner.start, inner.end); err != nil {
				return key, value, false, err
			}
		case inner.num == 2 && value.num == 0 && typeFits(fd.MapValue(), inner.typ):
			value = inner
		default:
			return key, value, false, nil
		}
	}
	b := protowire.AppendTag(nil, f.num, protowire.BytesType)
	b = protowire.AppendBytes(b, keyBytes)
	one := p.cur.New()
	if err := proto.Unmarshal(b, one.Interface()); err != nil {
		return key, value, false, err
	}
	one.Get(fd).Map().Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		key, ok = k, true
		return false
	})
	return key, value, ok, nil
}

// reentered re-encodes the value in a map entry.
func (p *patch) reentered(f, value wireField, cur, orig protoreflect.Message) (rope, error) {
	var r, inner rope
	v, err := p.renested(value, cur, orig)
	if err != nil {
		return r, err
	}
	inner.file(p.m.src, f.value, value.start)
	inner.rope(v)
	inner.file(p.m.src, value.end, f.end)
	r.nested(protowire.AppendTag(nil, f.num, f.typ), inner)
	return r, nil
}

// payload handles the payload fields of a WeightParams, which are told by the
// marker in the decoded message.
func (p *patch) payload(at []int, marks, origMarks []byte) error {
	now := p.cur.New()
	filled := false
	for num := range kindOfNumber {
		if fd := weightParams.Fields().ByNumber(num); p.cur.Has(fd) {
			now.Set(fd, p.cur.Get(fd))
			filled = true
		}
	}
	if !filled && bytes.Equal(marks, origMarks) {
		return nil
	}
	now.SetUnknown(marks)
	r, err := p.fresh(now)
	if err != nil {
		return err
	}
	p.replace(numFloat, at, r)
	return nil
}
