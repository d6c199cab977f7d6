package edit

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// differences tells what an edit has changed by comparing what both models say.
// The names are those that features have now by those that they had.
func differences(before, after *spec.Model, renamed map[string]string) []Change {
	out := []Change{}
	add := func(kind, feature, was, is string) {
		if was != is {
			out = append(out, Change{kind, feature, was, is})
		}
	}
	was, is := faces(before), faces(after)
	for i := range min(len(was), len(is)) {
		for _, s := range []side{input, output, state, training} {
			old := of(was[i].face, s)
			left := slices.Clone(of(is[i].face, s))
			for _, d := range old {
				name := d.GetName()
				if n, ok := renamed[name]; ok {
					name = n
				}
				now := find(left, name)
				if now == nil {
					add("feature", d.GetName(), typeText(d), "")
					continue
				}
				left = slices.DeleteFunc(left, func(f *spec.FeatureDescription) bool { return f == now })
				add("name", now.GetName(), d.GetName(), now.GetName())
				add("type", now.GetName(), typeText(d), typeText(now))
				if typeText(d) == typeText(now) && !proto.Equal(d.GetType(), now.GetType()) {
					add("type", now.GetName(), defaultText(d), defaultText(now))
				}
				add("description", now.GetName(), d.GetShortDescription(), now.GetShortDescription())
			}
			for _, d := range left {
				add("feature", d.GetName(), "", typeText(d))
			}
		}
	}
	if a, b := mlmodel.ClassLabels(before), mlmodel.ClassLabels(after); a.Len() != b.Len() || !slices.Equal(a.Strings, b.Strings) || !slices.Equal(a.Ints, b.Ints) {
		add("labels", after.GetDescription().GetPredictedFeatureName(), labelText(a), labelText(b))
	}
	out = append(out, metadata(mlmodel.New(before).Metadata(), mlmodel.New(after).Metadata())...)
	add("spec_version", "", fmt.Sprint(before.GetSpecificationVersion()), fmt.Sprint(after.GetSpecificationVersion()))
	return out
}

// defaultText tells the default of a flexible feature, which its type leaves
// out.
func defaultText(d *spec.FeatureDescription) string {
	return fmt.Sprintf("%s, by default %v", typeText(d), mlmodel.ShapesOf(d).Default)
}

func labelText(l mlmodel.Labels) string {
	switch n := l.Len(); n {
	case 0:
		return ""
	case 1:
		return l.At(0)
	default:
		return fmt.Sprintf("%d: %s … %s", n, l.At(0), l.At(n-1))
	}
}

func metadata(was, is mlmodel.Metadata) []Change {
	var out []Change
	add := func(name, a, b string) {
		if a != b {
			out = append(out, Change{"metadata", name, a, b})
		}
	}
	add("description", was.ShortDescription, is.ShortDescription)
	add("author", was.Author, is.Author)
	add("license", was.License, is.License)
	add("version", was.Version, is.Version)
	keys := slices.Collect(maps.Keys(was.UserDefined))
	for key := range is.UserDefined {
		if _, ok := was.UserDefined[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		add(key, was.UserDefined[key], is.UserDefined[key])
	}
	return out
}
