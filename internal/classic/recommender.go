package classic

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// similarities scores items by those that somebody likes:
//
//	score(k) = Σ_i similarity(k, i)·(liking(i) - shift(k))
type similarities struct {
	names   labels
	similar map[int][]similarItem // of item i
	shift   map[int]float64
	byText  map[string]int // nil where items are named by integers
	byInt   map[int64]int  // nil also where their names are 0, 1, 2, …
}

// similarItem is an item k with its similarity to i.
type similarItem struct {
	item  int
	score float64
}

// maxItems bounds the items of a recommender that does not list them.
const maxItems = 1 << 22

func similaritiesOf(m *spec.ItemSimilarityRecommender) (*similarities, error) {
	r := &similarities{similar: map[int][]similarItem{}, shift: map[int]float64{}}
	n, err := r.name(m)
	if err != nil {
		return nil, err
	}
	for at, i := range m.GetItemItemSimilarities() {
		place := fmt.Sprintf("itemItemSimilarities[%d]", at)
		if i.GetItemId() >= n {
			return nil, fault.New(fault.Corrupt, place, "item %d of %d", i.GetItemId(), n)
		}
		item := int(i.GetItemId())
		if v := i.GetItemScoreAdjustment(); v != 0 {
			r.shift[item] = v
		}
		for _, k := range i.GetSimilarItemList() {
			if k.GetItemId() >= n {
				return nil, fault.New(fault.Corrupt, place, "item %d of %d", k.GetItemId(), n)
			}
			r.similar[item] = append(r.similar[item], similarItem{int(k.GetItemId()), k.GetSimilarityScore()})
		}
	}
	return r, nil
}

// name gives the items their names and returns their number.
func (r *similarities) name(m *spec.ItemSimilarityRecommender) (uint64, error) {
	texts, ints := m.GetItemStringIds().GetVector(), m.GetItemInt64Ids().GetVector()
	switch {
	case len(texts) > 0 && len(ints) > 0:
		return 0, fault.New(fault.Corrupt, "itemStringIds", "stand beside itemInt64Ids")
	case len(texts) > 0:
		r.names, r.byText = labels{strings: texts}, indexOf(texts)
		if len(r.byText) != len(texts) {
			return 0, fault.New(fault.Corrupt, "itemStringIds", "%d of %d stand more than once", len(texts)-len(r.byText), len(texts))
		}
		return uint64(len(texts)), nil
	case len(ints) > 0:
		r.names, r.byInt = labels{ints: ints}, indexOf(ints)
		if len(r.byInt) != len(ints) {
			return 0, fault.New(fault.Corrupt, "itemInt64Ids", "%d of %d stand more than once", len(ints)-len(r.byInt), len(ints))
		}
		return uint64(len(ints)), nil
	}
	var last uint64
	for _, i := range m.GetItemItemSimilarities() {
		last = max(last, i.GetItemId())
		for _, k := range i.GetSimilarItemList() {
			last = max(last, k.GetItemId())
		}
	}
	if last >= maxItems {
		return 0, fault.New(fault.Limit, "itemItemSimilarities", "item %d, where %d is the last allowed", last, maxItems-1)
	}
	ints = make([]int64, last+1)
	for i := range ints {
		ints[i] = int64(i)
	}
	r.names = labels{ints: ints}
	return last + 1, nil
}

// index returns the item of an integer name.
func (r *similarities) index(k int64) (int, bool) {
	if r.byInt == nil {
		return int(k), k >= 0 && k < int64(len(r.names.ints))
	}
	i, ok := r.byInt[k]
	return i, ok
}

// rated is an item and how somebody likes it.
type rated struct {
	item  int
	score float64
}

// read returns the items that an input names, in their order, with scores of 1
// where it gives none. Items that the model does not know are left out.
func (r *similarities) read(in Features, name string) ([]rated, error) {
	var items []rated
	addText := func(k string, score float64) {
		if i, ok := r.byText[k]; ok {
			items = append(items, rated{i, score})
		}
	}
	addInt := func(k int64, score float64) {
		if i, ok := r.index(k); ok {
			items = append(items, rated{i, score})
		}
	}
	integers := true
	switch v := in[name].(type) {
	case map[string]float64:
		integers = false
		for k, score := range v {
			addText(k, score)
		}
	case map[int64]float64:
		for k, score := range v {
			addInt(k, score)
		}
	case []string:
		integers = false
		for _, k := range v {
			addText(k, 1)
		}
	case []int64:
		for _, k := range v {
			addInt(k, 1)
		}
	case *tensor.Tensor:
		keys, err := takeVector(in, name)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if k == float64(int64(k)) {
				addInt(int64(k), 1)
			}
		}
	case nil:
		return nil, badInput(name, "is missing")
	default:
		return nil, badInput(name, "want items, have a %T", v)
	}
	if integers != (r.byText == nil) {
		return nil, badInput(name, "the items of the model have names of the other kind than those in a %T", in[name])
	}
	slices.SortStableFunc(items, func(a, b rated) int { return a.item - b.item })
	return items, nil
}

// scores returns the score of every item.
func (r *similarities) scores(liked []rated) []float64 {
	out := make([]float64, r.names.len())
	for _, i := range liked {
		for _, k := range r.similar[i.item] {
			out[k.item] += k.score * (i.score - r.shift[k.item])
		}
	}
	return out
}

// recommender gives the items of the highest scores, the best first; of equal
// ones the first in the file. Excluded are the items of the exclusion input, or
// of the item input where the model has no such input or it is absent.
func recommender(s *spec.Model) (Func, error) {
	m, d := s.GetItemSimilarityRecommender(), s.GetDescription()
	r, err := similaritiesOf(m)
	if err != nil {
		return nil, err
	}
	items := m.GetItemInputFeatureName()
	if items == "" {
		in, err := only(d.GetInput(), "input")
		if err != nil {
			return nil, err
		}
		items = in.GetName()
	}
	list, score := m.GetRecommendedItemListOutputFeatureName(), m.GetRecommendedItemScoreOutputFeatureName()
	if list == "" && score == "" {
		return nil, fault.New(fault.Corrupt, "recommendedItemListOutputFeatureName", "neither the list nor the scores have a name")
	}
	return func(in Features) (Features, error) {
		liked, err := r.read(in, items)
		if err != nil {
			return nil, err
		}
		allowed, err := r.allowed(in, m, liked)
		if err != nil {
			return nil, err
		}
		count := len(allowed)
		if name := m.GetNumRecommendationsInputFeatureName(); name != "" && in[name] != nil {
			n, err := take[int64](in, name)
			if err != nil {
				return nil, err
			}
			if n < 0 {
				return nil, badInput(name, "is %d", n)
			}
			count = int(min(n, int64(count)))
		}
		scores := r.scores(liked)
		slices.SortStableFunc(allowed, func(a, b int) int {
			switch {
			case scores[a] > scores[b]:
				return -1
			case scores[a] < scores[b]:
				return 1
			}
			return 0
		})
		allowed = allowed[:count]
		out := Features{}
		if r.byText != nil {
			out[list], out[score] = chosen(r.names.strings, allowed, scores)
		} else {
			out[list], out[score] = chosen(r.names.ints, allowed, scores)
		}
		delete(out, "")
		return out, nil
	}, nil
}

// allowed returns the items that may be recommended, in their order.
func (r *similarities) allowed(in Features, m *spec.ItemSimilarityRecommender, liked []rated) ([]int, error) {
	excluded := liked
	if name := m.GetItemExclusionInputFeatureName(); name != "" && in[name] != nil {
		var err error
		if excluded, err = r.read(in, name); err != nil {
			return nil, err
		}
	}
	out := make([]bool, r.names.len())
	for _, i := range excluded {
		out[i.item] = true
	}
	var allowed []int
	if name := m.GetItemRestrictionInputFeatureName(); name != "" && in[name] != nil {
		some, err := r.read(in, name)
		if err != nil {
			return nil, err
		}
		for _, i := range some {
			if !out[i.item] {
				allowed = append(allowed, i.item)
				out[i.item] = true // named twice, given once
			}
		}
		return allowed, nil
	}
	for i, no := range out {
		if !no {
			allowed = append(allowed, i)
		}
	}
	return allowed, nil
}

// chosen returns the names of items, and their scores by name.
func chosen[K comparable](names []K, items []int, scores []float64) ([]K, map[K]float64) {
	list := make([]K, len(items))
	byName := make(map[K]float64, len(items))
	for i, item := range items {
		list[i] = names[item]
		byName[names[item]] = scores[item]
	}
	return list, byName
}
