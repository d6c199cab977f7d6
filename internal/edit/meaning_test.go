package edit_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Renamed models answer as before.
func TestRenamedAnswers(t *testing.T) {
	for _, c := range []struct {
		path string
		to   map[string]string
	}{
		{dense, map[string]string{"x": "scores", "scores": "x"}}, // exchanged
		{dense, map[string]string{"x": "f", "scores": "c"}},      // names of inner values
		{skip, map[string]string{"x": "image"}},
		{exact, map[string]string{"x": "z", "y": "x"}}, // values of the loop, too
		{chain, map[string]string{"x": "y", "z": "x"}}, // what one model hands to another
		{net, map[string]string{"x": "conv_cast_fp16", "planes": "mean_axes_0", "scores": "cast"}},
		{classifier, map[string]string{"image": "b", "colour": "image", "scores": "probabilities"}},
		{style, map[string]string{"image": "painting", "painting": "image"}},
		{sums, map[string]string{"a": "b", "b": "a", "mean": "total", "total": "mean"}},
		{program, map[string]string{"x": "classLabel", "classLabel": "x"}},
	} {
		was := open(t, c.path)
		in := example(t, was)
		want := answers(t, was, in)
		r, is := edited(t, c.path, edit.Options{Rename: c.to, Verify: &edit.Verify{}})
		asked := predict.Features{}
		for name, v := range in {
			asked[renamed(c.to, name)] = v
		}
		have := answers(t, is, asked)
		if len(have) != len(want) {
			t.Errorf("%s: %d outputs, want %d", c.path, len(have), len(want))
		}
		for name, w := range want {
			if s, ok := w.(string); ok {
				if have[renamed(c.to, name)] != s {
					t.Errorf("%s: %s is %v, want %s", c.path, name, have[renamed(c.to, name)], s)
				}
				continue
			}
			near(t, c.path+": "+name, w, have[renamed(c.to, name)], 0)
		}
		for old, name := range c.to {
			if !slices.ContainsFunc(r.Changes, func(d edit.Change) bool {
				return d == edit.Change{Kind: "name", Feature: name, Before: old, After: name}
			}) {
				t.Errorf("%s: changes %+v", c.path, r.Changes)
			}
		}
		if len(r.Checks) != 1 || !r.Checks[0].Ran {
			t.Errorf("%s: checks %+v", c.path, r.Checks)
		}
	}
}

func renamed(to map[string]string, name string) string {
	if n, ok := to[name]; ok {
		return n
	}
	return name
}

// Everything that names features follows: training inputs, losses, vectorizers.
func TestRenameEverywhere(t *testing.T) {
	m := open(t, dense)
	nn := m.Spec().GetNeuralNetwork()
	nn.SetUpdateParams(spec.NetworkUpdateParameters_builder{LossLayers: []*spec.LossLayer{spec.LossLayer_builder{
		Name: "loss", MeanSquaredErrorLossLayer: spec.MeanSquaredErrorLossLayer_builder{Input: "scores", Target: "scores_true"}.Build(),
	}.Build()}}.Build())
	m.Spec().GetDescription().SetTrainingInput([]*spec.FeatureDescription{
		spec.FeatureDescription_builder{Name: "x"}.Build(), spec.FeatureDescription_builder{Name: "scores_true"}.Build(),
	})
	to := map[string]string{"x": "image", "scores": "p", "scores_true": "truth"}
	if _, err := edit.Apply(t.Context(), m, edit.Options{Rename: to}); err != nil {
		t.Fatal(err)
	}
	loss := nn.GetUpdateParams().GetLossLayers()[0].GetMeanSquaredErrorLossLayer()
	training := m.Spec().GetDescription().GetTrainingInput()
	if loss.GetInput() != "p" || loss.GetTarget() != "truth" || training[0].GetName() != "image" || training[1].GetName() != "truth" {
		t.Errorf("loss %v, training inputs %v", loss, training)
	}

	_, m = edited(t, trees, edit.Options{Rename: map[string]string{"a": "left", "label": "class"}})
	p := m.Spec().GetPipelineClassifier().GetPipeline().GetModels()
	if name := p[0].GetFeatureVectorizer().GetInputList()[0].GetInputColumn(); name != "left" {
		t.Errorf("the vectorizer takes %q", name)
	}
	if name := p[1].GetDescription().GetPredictedFeatureName(); name != "class" {
		t.Errorf("the trees give %q", name)
	}
	answers(t, m, predict.Features{"left": 1.0, "b": 2.0})

	custom := open(t, trees)
	custom.Spec().SetCustomModel(new(spec.CustomModel))
	if _, err := edit.Apply(t.Context(), custom, edit.Options{Rename: map[string]string{"a": "b2"}}); err == nil || !strings.Contains(err.Error(), "customModel") {
		t.Errorf("error %v", err)
	}

	_, m = edited(t, functions, edit.Options{Rename: map[string]string{"s": "memory", "x": "input"}})
	for _, f := range mlmodel.Describe(m.Spec().GetDescription()) {
		if f.States[0].Name != "memory" || f.Inputs[0].Name != "input" {
			t.Errorf("function %s takes %+v", f.Function, f)
		}
	}
	answers(t, m, predict.Features{"input": tensor.Zeros(tensor.Float32, []int{1, 16})})
}

// A picture gives what the array of its scaled pixels gives.
func TestPictureInputs(t *testing.T) {
	for _, c := range []struct {
		path, name string
		shape      []int // of the array
		image      edit.Image
		want       string
	}{
		{dense, "x", []int{3, 8, 8}, edit.Image{Color: spec.ImageFeatureType_RGB, Scale: 1. / 128, Bias: []float32{-1, -0.9, -0.8}}, "image RGB 8×8"},
		{dense, "x", []int{3, 8, 8}, edit.Image{Color: spec.ImageFeatureType_BGR, Scale: 1. / 255, Bias: []float32{-0.1, -0.2, -0.3}}, "image BGR 8×8"},
		{dense, "x", []int{3, 8, 8}, edit.Image{Color: spec.ImageFeatureType_BGR, Bias: []float32{-100}}, "image BGR 8×8"},
		{exact, "x", []int{1, 3, 8, 8}, edit.Image{Color: spec.ImageFeatureType_RGB, Scale: 0.5}, "image RGB 8×8"},
		{chain, "x", []int{3, 8, 8}, edit.Image{Color: spec.ImageFeatureType_RGB, Scale: 0.01}, "image RGB 8×8"},
		{net, "x", []int{1, 3, 16, 16}, edit.Image{Color: spec.ImageFeatureType_RGB, Scale: 1. / 128, Bias: []float32{-1, -0.9, -0.8}}, "image RGB 16×16"},
		{net, "x", []int{1, 3, 16, 16}, edit.Image{Color: spec.ImageFeatureType_BGR, Bias: []float32{-128}}, "image BGR 16×16"},
	} {
		was := open(t, c.path)
		r, is := edited(t, c.path, edit.Options{ImageInputs: map[string]edit.Image{c.name: c.image}, Verify: &edit.Verify{}})
		f := face(is).Inputs[0]
		if f.Type() != c.want {
			t.Errorf("%s: %s, want %s", c.path, f.Type(), c.want)
		}
		in := example(t, is)
		picture := in[c.name].(*media.Image)
		order := media.RGB
		if f.Image.ColorSpace == "BGR" {
			order = media.BGR
		}
		data := make([]float32, 3*picture.W*picture.H)
		if err := media.ToPlanar(picture, order, data); err != nil {
			t.Fatal(err)
		}
		for i := range data {
			if c.image.Scale != 0 {
				data[i] *= c.image.Scale
			}
			switch at := i / (picture.W * picture.H); len(c.image.Bias) {
			case 1:
				data[i] += c.image.Bias[0]
			case 3:
				data[i] += c.image.Bias[at]
			}
		}
		want := answers(t, was, predict.Features{c.name: tensor.Floats(c.shape, data)})
		for name, have := range answers(t, is, in) {
			near(t, c.path+": "+name, want[name], have, 1e-5)
		}
		if !slices.ContainsFunc(r.Changes, func(d edit.Change) bool { return d.Kind == "scaling" && d.Feature == c.name }) {
			t.Errorf("%s: changes %+v", c.path, r.Changes)
		}
		// And back.
		if _, err := edit.Apply(t.Context(), is, edit.Options{ArrayInputs: []string{c.name}, Verify: &edit.Verify{}}); err != nil {
			t.Fatal(err)
		}
		for name, have := range answers(t, is, predict.Features{c.name: tensor.Floats(c.shape, data)}) {
			near(t, c.path+", back: "+name, want[name], have, 0)
		}
	}
}

// The scaling of a picture stands before everything else, in the type of the
// input; a float16 picture is of that type itself.
func TestPictureOperations(t *testing.T) {
	kinds := func(m *mlmodel.Model) string {
		var out []string
		for o := range mlmodel.Operations(m.Spec()) {
			if o.GetType() != "const" {
				out = append(out, o.GetType())
			}
		}
		return strings.Join(out[:5], " ")
	}
	_, m := edited(t, net, edit.Options{ImageInputs: map[string]edit.Image{"x": {Color: spec.ImageFeatureType_RGB, Scale: 0.5, Bias: []float32{-1}}}})
	if ops := kinds(m); ops != "mul add cast conv relu" {
		t.Errorf("operations %s", ops)
	}
	if d := m.Spec().GetSpecificationVersion(); d != mlmodel.IOS15 {
		t.Errorf("specification version %d", d)
	}

	// A network whose one unnamed scaling held for its only picture keeps it so.
	m = open(t, style)
	nn := m.Spec().GetNeuralNetwork()
	nn.GetPreprocessing()[0].SetFeatureName("")
	in := spec.FeatureDescription_builder{Name: "other", Type: spec.FeatureType_builder{
		MultiArrayType: spec.ArrayFeatureType_builder{Shape: []int64{3, 32, 32}, DataType: spec.ArrayFeatureType_FLOAT32}.Build(),
	}.Build()}.Build()
	m.Spec().GetDescription().SetInput(append(m.Spec().GetDescription().GetInput(), in))
	_, err := edit.Apply(t.Context(), m, edit.Options{ImageInputs: map[string]edit.Image{"other": {Color: spec.ImageFeatureType_BGR, Scale: 2, Bias: []float32{1, 2, 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	pre := nn.GetPreprocessing()
	if len(pre) != 2 || pre[0].GetFeatureName() != "image" || pre[1].GetFeatureName() != "other" {
		t.Fatalf("preprocessing %v", pre)
	}
	if s := pre[1].GetScaler(); s.GetBlueBias() != 1 || s.GetGreenBias() != 2 || s.GetRedBias() != 3 || s.GetChannelScale() != 2 {
		t.Errorf("scaler %v", s)
	}
}

func TestPictureOutputs(t *testing.T) {
	for _, c := range []struct{ path, name, want string }{
		{net, "planes", "image RGB 16×16"}, {style, "painting", "image BGR 32×32"},
	} {
		o := edit.Options{ImageOutputs: map[string]edit.Color{c.name: spec.ImageFeatureType_RGB}, Verify: &edit.Verify{}}
		if c.path == style { // an array for a while
			_, m := edited(t, style, edit.Options{ArrayOutputs: []string{"painting"}})
			if typ := face(m).Outputs[0].Type(); typ != "multiArray fp32 3×32×32" {
				t.Errorf("%s", typ)
			}
			o.ImageOutputs["painting"] = spec.ImageFeatureType_BGR
			if _, err := edit.Apply(t.Context(), m, o); err != nil {
				t.Fatal(err)
			}
			if typ := face(m).Outputs[0].Type(); typ != c.want {
				t.Errorf("%s, want %s", typ, c.want)
			}
			continue
		}
		r, m := edited(t, c.path, o)
		if typ := face(m).Outputs[0].Type(); typ != c.want || len(r.Changes) != 1 || !r.Checks[0].Ran {
			t.Errorf("%s, want %s: %+v", typ, c.want, r)
		}
	}
}

// Arrays of other types hold the same numbers.
func TestElementTypes(t *testing.T) {
	was := open(t, net)
	in := example(t, was)
	want := answers(t, was, in)
	casts := func(m *mlmodel.Model) int { return m.Summary().Layers["cast"] }
	for _, c := range []struct {
		types map[string]tensor.DType
		casts int
	}{
		// Casts that are there go, others come.
		{map[string]tensor.DType{"x": tensor.Float16}, 2},
		{map[string]tensor.DType{"x": tensor.Float16, "scores": tensor.Float16}, 1},
		{map[string]tensor.DType{"planes": tensor.Int32}, 4},
		{map[string]tensor.DType{"x": tensor.Int32}, 4},
	} {
		r, m := edited(t, net, edit.Options{DTypes: c.types, Verify: &edit.Verify{}})
		if casts(m) != c.casts {
			t.Errorf("%v: %d casts, want %d", c.types, casts(m), c.casts)
		}
		for _, f := range slices.Concat(face(m).Inputs, face(m).Outputs) {
			if d, ok := c.types[f.Name]; ok && f.Array.DType != d {
				t.Errorf("%s is %s", f.Name, f.Type())
			}
		}
		if half := slices.Contains(slices.Collect(maps.Values(c.types)), tensor.Float16); half != (r.SpecVersion == mlmodel.IOS16) {
			t.Errorf("%v: specification version %d", c.types, r.SpecVersion)
		}
		if c.types["x"] == tensor.Int32 || c.types["planes"] == tensor.Int32 {
			continue // the numbers are others
		}
		for name, have := range answers(t, m, in) {
			near(t, name, want[name], have, 2e-3)
		}
	}
	_, m := edited(t, dense, edit.Options{DTypes: map[string]tensor.DType{"x": tensor.Float32, "scores": tensor.Float64}, Verify: &edit.Verify{}})
	if f := face(m); f.Inputs[0].Type() != "multiArray fp32 3×8×8" || f.Outputs[0].Type() != "multiArray fp64 5" {
		t.Errorf("%+v", f)
	}
}

// A classifier gives the probabilities that were an array.
func TestLabels(t *testing.T) {
	letters := []string{"e", "d", "c", "b", "a"}
	for _, path := range []string{dense, net} {
		was := open(t, path)
		in := example(t, was)
		want := answers(t, was, in)["scores"].(*tensor.Tensor).Float64s()
		r, m := edited(t, path, edit.Options{Labels: letters, Verify: &edit.Verify{}})
		f := face(m)
		if f.PredictedFeature != "classLabel" || f.PredictedProbabilities != "classLabel_probs" || mlmodel.ClassLabels(m.Spec()).Len() != 5 {
			t.Errorf("%s: described as %+v", path, f)
		}
		have := answers(t, m, in)
		best := 0
		for i, p := range want {
			if p > want[best] {
				best = i
			}
			if q := have["classLabel_probs"].(map[string]float64)[letters[i]]; q != p {
				t.Errorf("%s: %s has %g, want %g", path, letters[i], q, p)
			}
		}
		if have["classLabel"] != letters[best] {
			t.Errorf("%s: %v, want %s", path, have["classLabel"], letters[best])
		}
		if path == net {
			if _, ok := have["planes"]; !ok {
				t.Error("the other output is gone")
			}
		}
		if !slices.ContainsFunc(r.Changes, func(c edit.Change) bool { return c.Kind == "labels" && c.After == "5: e … a" }) {
			t.Errorf("%s: changes %+v", path, r.Changes)
		}
		// Other labels in their place.
		if _, err := edit.Apply(t.Context(), m, edit.Options{Labels: []string{"v", "w", "x", "y", "z"}}); err != nil {
			t.Fatal(err)
		}
		if got := answers(t, m, in)["classLabel"]; got != []string{"v", "w", "x", "y", "z"}[best] {
			t.Errorf("%s: %v", path, got)
		}
	}
	// Numbers become names, in every model of a pipeline.
	n := mlmodel.ClassLabels(open(t, trees).Spec()).Len()
	names := strings.Fields("none one two three four")[:n]
	_, m := edited(t, trees, edit.Options{Labels: names, Verify: &edit.Verify{}})
	out := answers(t, m, predict.Features{"a": 1.0, "b": 2.0})
	if !slices.Contains(names, out["label"].(string)) || len(out["probs"].(map[string]float64)) != n {
		t.Errorf("%v", out)
	}
	if typ := face(m).Outputs[0].Type(); typ != "string" {
		t.Errorf("described as %s", typ)
	}
	m = open(t, classifier)
	if _, err := edit.Apply(t.Context(), m, edit.Options{Labels: strings.Fields("1 2 3 4 5 6 7 8"), Verify: &edit.Verify{}}); err != nil || mlmodel.ClassLabels(m.Spec()).At(7) != "8" {
		t.Errorf("%v", err)
	}
}

func TestMetadata(t *testing.T) {
	empty, author := "", "Ann"
	o := edit.Options{
		Metadata: edit.Metadata{
			Author: &author, ShortDescription: &empty, UserDefined: map[string]string{"new": "1"}, Remove: []string{"key"},
		},
		Descriptions: map[string]string{"x": "a picture"},
	}
	r, m := edited(t, network, o)
	want := []edit.Change{
		{Kind: "description", Feature: "x", Before: face(open(t, network)).Inputs[0].Description, After: "a picture"},
		{Kind: "metadata", Feature: "description", Before: "small"},
		{Kind: "metadata", Feature: "author", Before: "Someone", After: "Ann"},
		{Kind: "metadata", Feature: "key", Before: "value"},
		{Kind: "metadata", Feature: "new", After: "1"},
	}
	if !slices.Equal(r.Changes, want) {
		t.Errorf("changes %+v", r.Changes)
	}
	meta := m.Metadata()
	if meta.Author != "Ann" || meta.License != "Apache-2.0" || meta.ShortDescription != "" || !maps.Equal(meta.UserDefined, map[string]string{"new": "1"}) {
		t.Errorf("%+v", meta)
	}
}

func TestMinimize(t *testing.T) {
	m := open(t, dense)
	m.Spec().SetSpecificationVersion(9)
	r, err := edit.Apply(t.Context(), m, edit.Options{Minimize: true})
	if err != nil || r.SpecVersion != 1 || len(r.Changes) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	m = open(t, chain)
	for _, stage := range m.Spec().GetPipeline().GetModels() {
		stage.SetSpecificationVersion(4)
	}
	m.Spec().SetSpecificationVersion(4)
	if _, err := edit.Apply(t.Context(), m, edit.Options{Minimize: true}); err != nil {
		t.Fatal(err)
	}
	for path, stage := range mlmodel.Models(m.Spec()) {
		if v := stage.GetSpecificationVersion(); v != 1 {
			t.Errorf("%q has version %d", path, v)
		}
	}
}
