package classic

import (
	"testing"

	"github.com/smelt-ml/smelt/fault"
)

func TestRecommender(t *testing.T) {
	const table = `
		itemItemSimilarities { itemId: 0 similarItemList { itemId: 1 similarityScore: 0.5 } similarItemList { itemId: 2 similarityScore: 0.25 } }
		itemItemSimilarities { itemId: 1 similarItemList { itemId: 2 similarityScore: 1 } similarItemList { itemId: 0 similarityScore: 0.5 } itemScoreAdjustment: 2 }
		itemItemSimilarities { itemId: 3 } `
	const names = `itemStringIds { vector: ["a", "b", "c", "d"] } `
	const ports = `itemInputFeatureName: "x" recommendedItemListOutputFeatureName: "list" recommendedItemScoreOutputFeatureName: "score" `
	const texts, ints = "sequenceType { stringType {} }", "sequenceType { int64Type {} }"
	model := func(parameters string) string {
		return described("itemSimilarityRecommender { "+ports+parameters+"}", "in x "+byText, "in n "+integer, "in only "+texts, "in not "+texts, "out list "+texts, "out score "+byText)
	}
	const options = `numRecommendationsInputFeatureName: "n" itemRestrictionInputFeatureName: "only" itemExclusionInputFeatureName: "not" `
	full := model(table + names + options)
	type scores = map[string]float64
	x := scores{"a": 4, "?": 9} // b: 0.5·(4-2), c: 0.25·4
	check(t, []modelCase{
		{name: "others by score", model: full, in: Features{"x": scores{"a": 8}}, want: Features{"list": []string{"b", "c", "d"}, "score": scores{"b": 3, "c": 2, "d": 0}}},
		{name: "equal scores", model: full, in: Features{"x": x}, want: Features{"list": []string{"b", "c", "d"}, "score": scores{"b": 1, "c": 1, "d": 0}}},
		{name: "two items", model: full, in: Features{"x": scores{"a": 4, "b": 3}}, want: Features{"list": []string{"c", "d"}, "score": scores{"c": 4, "d": 0}}},
		{name: "a list of items", model: full, in: Features{"x": []string{"b"}}, want: Features{"list": []string{"c", "a", "d"}, "score": scores{"c": 1, "a": 0.5, "d": 0}}},
		{name: "the best", model: full, in: Features{"x": scores{"a": 8}, "n": int64(1)}, want: Features{"list": []string{"b"}, "score": scores{"b": 3}}},
		{name: "more than there are", model: full, in: Features{"x": scores{"a": 8}, "n": int64(100)}, want: Features{"list": []string{"b", "c", "d"}, "score": scores{"b": 3, "c": 2, "d": 0}}},
		{name: "only some", model: full, in: Features{"x": scores{"a": 8}, "only": []string{"d", "c", "a", "c"}}, want: Features{"list": []string{"c", "d"}, "score": scores{"c": 2, "d": 0}}},
		{name: "not some", model: full, in: Features{"x": scores{"a": 8}, "not": []string{"b"}}, want: Features{"list": []string{"c", "a", "d"}, "score": scores{"c": 2, "a": 0, "d": 0}}},
		{
			name:  "integers",
			model: described("itemSimilarityRecommender { "+table+`itemInt64Ids { vector: [10, 11, 12, 13] } recommendedItemListOutputFeatureName: "list" }`, "in x "+array(2), "out list "+ints),
			in:    Features{"x": vec(11, 0.5)}, want: Features{"list": []int64{12, 10, 13}},
		},
		{
			name:  "numbers of the table",
			model: described("itemSimilarityRecommender { "+table+`recommendedItemScoreOutputFeatureName: "score" }`, "in x "+ints, "out score "+byInt),
			in:    Features{"x": []int64{1, -1, 99}}, want: Features{"score": map[int64]float64{0: 0.5, 2: 1, 3: 0}},
		},
		{
			name:  "liked more or less",
			model: described("itemSimilarityRecommender { "+table+`recommendedItemScoreOutputFeatureName: "score" }`, "in x "+byInt, "out score "+byInt),
			in:    Features{"x": map[int64]float64{0: -1}}, want: Features{"score": map[int64]float64{1: -1.5, 2: -0.25, 3: 0}},
		},
		{name: "texts for integers", model: full, in: Features{"x": map[int64]float64{1: 1}}, err: `input "x": the items of the model have names of the other kind`, kind: fault.BadValue},
		{name: "negative number", model: full, in: Features{"x": x, "n": int64(-1)}, err: `input "n": is -1`},
		{name: "missing", model: full, in: Features{}, err: `input "x": is missing`},
		{name: "a number", model: full, in: Features{"x": 1.0}, err: "want items, have a float64"},
		{name: "both names", model: model(names + "itemInt64Ids { vector: 1 }"), err: "stand beside", kind: fault.Corrupt},
		{name: "a name twice", model: model(`itemStringIds { vector: ["a", "a"] }`), err: "1 of 2 stand more than once"},
		{name: "an integer twice", model: model(`itemInt64Ids { vector: [1, 1, 1] }`), err: "2 of 3 stand more than once"},
		{name: "past the names", model: model(`itemStringIds { vector: "a" } ` + table), err: "itemItemSimilarities[0]: item 1 of 1"},
		{name: "base past the names", model: model(`itemStringIds { vector: "a" } itemItemSimilarities { itemId: 4 }`), err: "item 4 of 1"},
		{name: "huge number", model: model("itemItemSimilarities { itemId: 18446744073709551615 }"), err: "item 18446744073709551615", kind: fault.Limit},
		{name: "no outputs", model: described("itemSimilarityRecommender { }", "in x "+byInt), err: "neither the list nor the scores have a name"},
		{name: "which input", model: described(`itemSimilarityRecommender { recommendedItemListOutputFeatureName: "l" }`, "in x "+byInt, "in z "+byInt), err: "want one input, have 2"},
	})
}
