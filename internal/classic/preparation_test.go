package classic

import (
	"math"
	"testing"

	"github.com/smelt-ml/smelt/fault"
)

func TestImputer(t *testing.T) {
	nan := math.NaN()
	model := func(parameters, kind string) string {
		return described("imputer { "+parameters+" }", "in x "+kind, "out y "+kind)
	}
	const double, doubles, whole = "imputedDoubleValue: 7 ", "imputedDoubleArray { vector: [10, 20, 30] } ", "imputedInt64Array { vector: [1, 2] } "
	check(t, []modelCase{
		{name: "a NaN", model: model(double, number), in: Features{"x": nan}, want: Features{"y": 7.0}},
		{name: "nothing", model: model(double, number), in: Features{}, want: Features{"y": 7.0}},
		{name: "a number", model: model(double, number), in: Features{"x": -1.0}, want: Features{"y": -1.0}},
		{name: "a marked number", model: model(double+"replaceDoubleValue: -1", number), in: Features{"x": -1.0}, want: Features{"y": 7.0}},
		{name: "a NaN where others are marked", model: model(double+"replaceDoubleValue: -1", number), in: Features{"x": nan}, want: Features{"y": nan}},
		{name: "NaN as the mark", model: model(double+"replaceDoubleValue: nan", number), in: Features{"x": nan}, want: Features{"y": 7.0}},
		{name: "one for all", model: model(double, array(3)), in: Features{"x": vec(nan, 1, nan)}, want: Features{"y": vec(7, 1, 7)}},
		{name: "one for each", model: model(doubles+"replaceDoubleValue: 0", array(3)), in: Features{"x": vec(0, 1, 0)}, want: Features{"y": vec(10, 1, 30)}},
		{name: "no array", model: model(doubles, array(3)), in: Features{}, want: Features{"y": vec(10, 20, 30)}},
		{name: "integers", model: model(whole+"replaceInt64Value: -1", array(2)), in: Features{"x": vec(5, -1)}, want: Features{"y": vec(5, 2)}},
		{name: "an integer", model: model("imputedInt64Value: 3 replaceInt64Value: 0", integer), in: Features{"x": int64(0)}, want: Features{"y": int64(3)}},
		{name: "an integer that stays", model: model("imputedInt64Value: 3", integer), in: Features{"x": int64(0)}, want: Features{"y": int64(0)}},
		{name: "a text", model: model(`imputedStringValue: "?" replaceStringValue: ""`, text), in: Features{"x": ""}, want: Features{"y": "?"}},
		{name: "no text", model: model(`imputedStringValue: "?"`, text), in: Features{}, want: Features{"y": "?"}},
		{
			name:  "a dictionary",
			model: model(`imputedStringDictionary { map { key: "a" value: 1 } map { key: "b" value: 2 } }`, byText),
			in:    Features{"x": map[string]float64{"a": nan, "c": 3, "d": nan}}, want: Features{"y": map[string]float64{"a": 1, "c": 3, "d": nan}},
		},
		{name: "no dictionary", model: model("imputedInt64Dictionary { map { key: 4 value: 2 } }", byInt), in: Features{}, want: Features{"y": map[int64]float64{4: 2}}},
		{name: "no value", model: model("", number), err: "imputedValue: is missing", kind: fault.Corrupt},
		{name: "no values", model: model("imputedDoubleArray {}", array(0)), err: "imputedDoubleArray: is empty"},
		{name: "no integers", model: model("imputedInt64Array {}", array(0)), err: "imputedInt64Array: is empty"},
		{name: "a text for numbers", model: model(double+`replaceStringValue: "x"`, number), err: "is a text"},
		{name: "lengths", model: model(doubles, array(2)), in: Features{"x": vec(1, 2)}, err: "want 3 values, have 2", kind: fault.BadShape},
		{name: "a text in place of a number", model: model(double, number), in: Features{"x": "1"}, err: "have a string"},
		{name: "a number in place of a text", model: model(`imputedStringValue: "?"`, text), in: Features{"x": 1.0}, err: "want a string, have a float64"},
		{name: "keys", model: model("imputedInt64Dictionary {}", byInt), in: Features{"x": map[string]float64{}}, err: "want a map[int64]float64"},
		{name: "two inputs", model: described("imputer {}", "in x "+number, "in z "+number, "out y "+number), err: "want one input, have 2", kind: fault.Corrupt},
	})
}

func TestScaler(t *testing.T) {
	model := func(parameters, kind string) string {
		return described("scaler { "+parameters+" }", "in x "+kind, "out y "+kind)
	}
	check(t, []modelCase{
		{name: "shift, then scale", model: model("shiftValue: 1 scaleValue: 2", number), in: Features{"x": 3.0}, want: Features{"y": 8.0}},
		{name: "neither", model: model("", number), in: Features{"x": 3.0}, want: Features{"y": 3.0}},
		{name: "one for all", model: model("shiftValue: 1 scaleValue: [2, 3]", array(2)), in: Features{"x": vec(1, 2)}, want: Features{"y": vec(4, 9)}},
		{name: "one for each", model: model("shiftValue: [1, -1] scaleValue: [2, 3]", array(2)), in: Features{"x": vec(1, 2)}, want: Features{"y": vec(4, 3)}},
		{name: "scale only", model: model("scaleValue: -1", array(2, 1)), in: Features{"x": matrixOf(1, 1, 2)}, want: Features{"y": matrixOf(1, -1, -2)}},
		{name: "integers", model: described("scaler { scaleValue: 0.5 }", "in x "+integer, "out y "+integer), in: Features{"x": int64(6)}, want: Features{"y": 3.0}},
		{name: "a half", model: described("scaler { scaleValue: 0.5 }", "in x "+integer, "out y "+integer), in: Features{"x": int64(5)}, err: "5 scaled is 2.5", kind: fault.BadValue},
		{name: "numbers do not match", model: model("shiftValue: [1, 2] scaleValue: [1, 2, 3]", array(2)), err: "2 values do not go with 3 values of scaleValue", kind: fault.Corrupt},
		{name: "length", model: model("shiftValue: [1, 2]", array(2)), in: Features{"x": vec(1)}, err: "want 2 values, have 1", kind: fault.BadShape},
		{name: "missing", model: model("", number), in: Features{}, err: `input "x": is missing`},
		{name: "no output", model: described("scaler {}", "in x "+number), err: "want one output, have 0"},
	})
}

func TestNormalizer(t *testing.T) {
	model := func(kind string) string {
		return described("normalizer { normType: "+kind+" }", "in x "+array(3), "out y "+array(3))
	}
	x, zeros := Features{"x": vec(3, 0, -4)}, Features{"x": vec(0, 0, 0)}
	check(t, []modelCase{
		{name: "max", model: model("LMax"), in: x, want: Features{"y": vec(0.75, 0, -1)}},
		{name: "L1", model: model("L1"), in: x, want: Features{"y": vec(3./7, 0, -4./7)}},
		{name: "L2", model: model("L2"), in: x, want: Features{"y": vec(0.6, 0, -0.8)}},
		{name: "zeros", model: model("L2"), in: zeros, want: Features{"y": vec(0, 0, 0)}},
		{name: "kind", model: model("4"), err: "normType: the value 4", kind: fault.Unsupported},
		{name: "a number", model: model("L1"), in: Features{"x": 1.0}, err: "have a float64"},
	})
}

func TestArrayFeatureExtractor(t *testing.T) {
	check(t, []modelCase{
		{name: "several", model: described("arrayFeatureExtractor { extractIndex: [2, 0, 2] }", "in x "+array(3), "out y "+array(3)), in: Features{"x": vec(1, 2, 3)}, want: Features{"y": vec(3, 1, 3)}},
		{name: "one", model: described("arrayFeatureExtractor { extractIndex: 3 }", "in x "+array(2, 2), "out y "+number), in: Features{"x": matrixOf(2, 1, 2, 3, 4)}, want: Features{"y": 4.0}},
		{name: "one as an array", model: described("arrayFeatureExtractor { extractIndex: 0 }", "in x "+array(2), "out y "+array(1)), in: Features{"x": vec(1, 2)}, want: Features{"y": vec(1)}},
		{name: "several as a number", model: described("arrayFeatureExtractor { extractIndex: [0, 1] }", "in x "+array(2), "out y "+number), err: "want one index", kind: fault.Corrupt},
		{name: "past the end", model: described("arrayFeatureExtractor { extractIndex: 2 }", "in x "+array(2), "out y "+number), err: "extractIndex[0]: is 2 in an array of 2", kind: fault.Corrupt},
		{name: "past the end of what comes", model: described("arrayFeatureExtractor { extractIndex: 18446744073709551615 }", "in x multiArrayType {}", "out y "+number), in: Features{"x": vec(1)}, err: "have 1", kind: fault.BadShape},
	})
}

func TestOneHotEncoder(t *testing.T) {
	const texts, ints = `stringCategories { vector: ["a", "b", "c"] } `, "int64Categories { vector: [7, -3] } "
	model := func(parameters, in, out string) string {
		return described("oneHotEncoder { "+parameters+" }", "in x "+in, "out y "+out)
	}
	check(t, []modelCase{
		{name: "texts", model: model(texts, text, array(3)), in: Features{"x": "b"}, want: Features{"y": vec(0, 1, 0)}},
		{name: "integers", model: model(ints, integer, array(2)), in: Features{"x": int64(-3)}, want: Features{"y": vec(0, 1)}},
		{name: "sparse", model: model(texts+"outputSparse: true", text, byInt), in: Features{"x": "c"}, want: Features{"y": map[int64]float64{2: 1}}},
		{name: "unknown", model: model(texts, text, array(3)), in: Features{"x": "z"}, err: `input "x": "z" is none of the model's 3 categories`, kind: fault.BadValue},
		{name: "ignored", model: model(texts+"handleUnknown: IgnoreUnknown", text, array(3)), in: Features{"x": "z"}, want: Features{"y": vec(0, 0, 0)}},
		{name: "ignored and sparse", model: model(ints+"handleUnknown: IgnoreUnknown outputSparse: true", integer, byInt), in: Features{"x": int64(1)}, want: Features{"y": map[int64]float64{}}},
		{name: "a category twice", model: model("int64Categories { vector: [1, 1] }", integer, array(2)), in: Features{"x": int64(1)}, want: Features{"y": vec(1, 0)}},
		{name: "no categories", model: model("", text, array(3)), err: "categoryType: is missing", kind: fault.Corrupt},
		{name: "handling", model: model(texts+"handleUnknown: 3", text, array(3)), err: "handleUnknown: the value 3", kind: fault.Unsupported},
		{name: "the other type", model: model(texts, text, array(3)), in: Features{"x": int64(1)}, err: "want a string, have a int64"},
	})
}

func TestDictVectorizer(t *testing.T) {
	const texts, ints = `stringToIndex { vector: ["a", "c", "b", "z"] } `, "int64ToIndex { vector: [7, -3] } "
	model := func(parameters, in, out string) string {
		return described("dictVectorizer { "+parameters+" }", "in x "+in, "out y "+out)
	}
	check(t, []modelCase{
		{name: "texts", model: model(texts, byText, array(4)), in: Features{"x": map[string]float64{"a": 4, "c": 8}}, want: Features{"y": vec(4, 8, 0, 0)}},
		{name: "integers", model: model(ints, byInt, array(2)), in: Features{"x": map[int64]float64{-3: 5, 1: 1}}, want: Features{"y": vec(0, 5)}},
		{name: "sparse", model: model(texts, byText, byInt), in: Features{"x": map[string]float64{"z": 1, "?": 2}}, want: Features{"y": map[int64]float64{3: 1}}},
		{name: "empty", model: model(texts, byText, array(4)), in: Features{"x": map[string]float64{}}, want: Features{"y": vec(0, 0, 0, 0)}},
		{name: "integers as texts", model: model(ints, byText, array(2)), in: Features{"x": map[string]float64{"7": 5}}, want: Features{"y": vec(5, 0)}},
		{name: "texts as integers", model: model(`stringToIndex { vector: ["7"] }`, byText, array(1)), in: Features{"x": map[int64]float64{7: 5}}, want: Features{"y": vec(5)}},
		{name: "texts that are no integers", model: model(ints, byText, array(2)), in: Features{"x": map[string]float64{"7a": 5}}, err: `the key "7a" is no integer`, kind: fault.BadValue},
		{name: "no map", model: model("", byText, array(4)), err: "map: is missing", kind: fault.Corrupt},
		{name: "no dictionary", model: model(texts, byText, array(4)), in: Features{"x": 1.0}, err: "want a map[string]float64"},
	})
}

func TestFeatureVectorizer(t *testing.T) {
	list := func(columns ...string) string {
		s := "featureVectorizer { "
		for _, c := range columns {
			s += "inputList { " + c + " } "
		}
		return described(s+"}", "in a "+number, "in b "+array(2), "in c "+integer, "in d "+byInt, "out y "+array(6))
	}
	all := list(`inputColumn: "c" inputDimensions: 1`, `inputColumn: "b" inputDimensions: 2`, `inputColumn: "a" inputDimensions: 1`, `inputColumn: "d" inputDimensions: 2`)
	check(t, []modelCase{
		{name: "the order of the list", model: all, in: Features{"a": 1.0, "b": vec(2, 3), "c": int64(4), "d": map[int64]float64{1: 5}}, want: Features{"y": vec(4, 2, 3, 1, 0, 5)}},
		{name: "absent", model: all, in: Features{"b": vec(2, 3), "d": map[int64]float64{}}, want: Features{"y": vec(math.NaN(), 2, 3, math.NaN(), 0, 0)}},
		{name: "nothing", model: list(), in: Features{}, want: Features{"y": vec()}},
		{name: "no input", model: list(`inputColumn: "z" inputDimensions: 1`), err: `inputList[0]: "z" is no input`, kind: fault.Corrupt},
		{name: "no dimensions", model: list(`inputColumn: "a"`), err: "has no dimensions"},
		{name: "dimensions", model: list(`inputColumn: "d" inputDimensions: 18446744073709551615`), err: "more than", kind: fault.Limit},
		{name: "dimensions of several", model: list(`inputColumn: "d" inputDimensions: 16777216`, `inputColumn: "d" inputDimensions: 1`), err: "more than", kind: fault.Limit},
		{name: "length", model: all, in: Features{"a": 1.0, "b": vec(2), "c": int64(4), "d": map[int64]float64{}}, err: `input "b": want 2 values, have 1`, kind: fault.BadShape},
		{name: "key", model: all, in: Features{"a": 1.0, "b": vec(2, 3), "c": int64(4), "d": map[int64]float64{2: 1}}, err: "the key 2 is no index into 2 values", kind: fault.BadValue},
		{name: "negative key", model: all, in: Features{"a": 1.0, "b": vec(2, 3), "c": int64(4), "d": map[int64]float64{-1: 1}}, err: "the key -1"},
		{name: "text", model: all, in: Features{"a": "1", "b": vec(2, 3), "c": int64(4)}, err: `input "a": want numbers`},
	})
}

func TestCategoricalMapping(t *testing.T) {
	const toInt = `stringToInt64Map { map { key: "a" value: 5 } map { key: "b" value: -6 } } `
	const toText = `int64ToStringMap { map { key: 5 value: "a" } } `
	model := func(parameters, in, out string) string {
		return described("categoricalMapping { "+parameters+" }", "in x "+in, "out y "+out)
	}
	check(t, []modelCase{
		{name: "text", model: model(toInt, text, integer), in: Features{"x": "b"}, want: Features{"y": int64(-6)}},
		{name: "integer", model: model(toText, integer, text), in: Features{"x": int64(5)}, want: Features{"y": "a"}},
		{name: "unknown", model: model(toText, integer, text), in: Features{"x": int64(6)}, err: "6 is none of the 1 values that the model maps", kind: fault.BadValue},
		{name: "default text", model: model(toText+`strValue: "?"`, integer, text), in: Features{"x": int64(6)}, want: Features{"y": "?"}},
		{name: "default 0", model: model(toInt+"int64Value: 0", text, integer), in: Features{"x": "z"}, want: Features{"y": int64(0)}},
		{name: "sequence", model: model(toInt, "sequenceType { stringType {} }", "sequenceType { int64Type {} }"), in: Features{"x": []string{"b", "a", "b"}}, want: Features{"y": []int64{-6, 5, -6}}},
		{name: "sequence of unknown", model: model(toText, "sequenceType { int64Type {} }", "sequenceType { stringType {} }"), in: Features{"x": []int64{5, 4}}, err: "4 is none"},
		{name: "no mapping", model: model("", text, integer), err: "mappingType: is missing", kind: fault.Corrupt},
		{name: "default of the wrong type", model: model(toInt+`strValue: "?"`, text, integer), err: "valueOnUnknown: is a text"},
		{name: "default of the other wrong type", model: model(toText+`int64Value: 3`, integer, text), err: "valueOnUnknown: is an integer"},
		{name: "the other type", model: model(toText, integer, text), in: Features{"x": "5"}, err: "want a int64"},
	})
}

func TestClassConfidenceThresholding(t *testing.T) {
	const curve = "precisionRecallCurves { precisionValues { vector: 1 } } "
	model := func(parameters string) string {
		return described("classConfidenceThresholding { "+parameters+" }", "in x "+array(2), "out y "+array(2, 2))
	}
	check(t, []modelCase{
		{name: "all present", model: model(""), in: Features{"x": vec(0.25, 0.75)}, want: Features{"y": matrixOf(2, 0.25, 0.75, 1, 1)}},
		{name: "curves", model: model(curve + curve), in: Features{"x": vec(0.25, 0.75)}, want: Features{"y": matrixOf(2, 0.25, 0.75, 1, 1)}},
		{name: "number of curves", model: model(curve), in: Features{"x": vec(0.25, 0.75)}, err: "want 1 values, have 2", kind: fault.BadShape},
	})
}
