"""Train small classical models, export them to ONNX and record ONNX Runtime's answers.

Made with scikit-learn 1.9.1, skl2onnx 1.20.0, onnxmltools 1.16.0, xgboost 3.2.0,
lightgbm 4.7.0, onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6:

    python make_models.py ../models

Each model is NAME.onnx; answers.json has for each the inputs of some predictions,
one row each, and what ONNX Runtime gives for them.
"""

import json
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

warnings.filterwarnings("ignore")
import lightgbm
import onnxmltools
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as ToolsFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DictionaryType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (AdaBoostClassifier, BaggingClassifier, ExtraTreesRegressor, GradientBoostingClassifier,
                              GradientBoostingRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              IsolationForest, RandomForestClassifier, RandomForestRegressor)
from sklearn.feature_extraction import DictVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (Binarizer, KBinsDiscretizer, LabelEncoder, MaxAbsScaler, MinMaxScaler, Normalizer,
                                   OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ort.set_default_logger_severity(3)

# Lists of histogram trees have np.uint32 and truth values, which onnx refuses.
real = helper.make_attribute


def plain(key, value, *args, **kw):
    if isinstance(value, list):
        value = [v.item() if isinstance(v, np.generic) else v for v in value]
        value = [int(v) if isinstance(v, bool) else v for v in value]
    return real(key, value, *args, **kw)


helper.make_attribute = plain

OPSETS = {"": 15, "ai.onnx.ml": 3}
rng = np.random.RandomState(7)
X = rng.randn(120, 4).astype(np.float32)
Y2 = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
Y3 = np.digitize(X[:, 0] + 0.3 * X[:, 2], [-0.4, 0.4])
NAMES = np.array(["low", "mid", "high"])[Y3]
YR = (X @ np.array([1, 2, -1, 0.5]) + X[:, 0] * X[:, 1]).astype(np.float32)
HOLES = X.copy()
HOLES[rng.rand(*X.shape) < 0.15] = np.nan
COLORS = np.array([["red", "small"], ["green", "big"], ["blue", "small"], ["red", "big"]] * 30, dtype=object)

out = sys.argv[1]
answers = {}


def feeds(values):
    """JSON form of one prediction's inputs."""
    form = {}
    for name, v in values.items():
        if isinstance(v, dict):
            form[name] = {"dict": {str(k): float(x) for k, x in v.items()}, "ints": all(isinstance(k, int) for k in v)}
        else:
            form[name] = {"dtype": "string" if v.dtype == object else str(v.dtype), "shape": list(v.shape),
                          "data": [x if isinstance(x, str) else (None if x != x else float(x)) for x in v.ravel().tolist()]}
    return form


def record(name, model, rows):
    model.producer_version = model.doc_string = ""
    path = os.path.join(out, name + ".onnx")
    onnx.save(model, path)
    s = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    cases = []
    for row in rows:
        got = {}
        for o, v in zip(s.get_outputs(), s.run(None, row)):
            if isinstance(v, list):
                got[o.name] = {"dict": {str(k): float(x) for k, x in v[0].items()}, "ints": isinstance(next(iter(v[0])), int)}
            else:
                got.update(feeds({o.name: v}))
        cases.append({"inputs": feeds(row), "outputs": got})
    answers[name] = cases
    print(f"{name}: {os.path.getsize(path)} bytes, {len(cases)} answers")


def rows_of(data, name="X", count=12):
    return [{name: data[i:i + 1]} for i in range(0, len(data), max(1, len(data) // count))]


def sk(name, m, data=X, types=None, rows=None, options=None, ml=3):
    try:
        model = to_onnx(m, data[:1] if types is None else None, initial_types=types, options=options, target_opset={**OPSETS, "ai.onnx.ml": ml})
        record(name, model, rows or rows_of(data))
    except Exception as e:
        print(f"{name}: not exported: {str(e)[:160]}")


def tools(name, convert, m, data=X, **kw):
    try:
        record(name, convert(m, initial_types=[("x", ToolsFloat([None, 4]))], target_opset=15, **kw), rows_of(data, "x"))
    except Exception as e:
        print(f"{name}: not exported: {str(e)[:160]}")


sk("decision_tree", DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, Y2))
sk("decision_tree_3_texts", DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, NAMES), options={"zipmap": False})
sk("decision_tree_regressor", DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, YR))
sk("random_forest", RandomForestClassifier(7, max_depth=3, random_state=0).fit(X, Y3))
sk("random_forest_2", RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, Y2))
sk("random_forest_regressor", RandomForestRegressor(5, max_depth=3, random_state=0).fit(X, np.stack([YR, -YR], 1)))
sk("extra_trees_regressor", ExtraTreesRegressor(5, max_depth=3, random_state=0).fit(X, YR))
sk("gradient_boosting", GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, Y2))
sk("gradient_boosting_3", GradientBoostingClassifier(n_estimators=4, random_state=0).fit(X, NAMES))
sk("gradient_boosting_regressor", GradientBoostingRegressor(n_estimators=8, random_state=0).fit(X, YR))
sk("hist_gradient_boosting", HistGradientBoostingClassifier(max_iter=5).fit(HOLES, Y2), data=HOLES)
sk("hist_gradient_boosting_3", HistGradientBoostingClassifier(max_iter=4).fit(HOLES, Y3), data=HOLES)
sk("hist_gradient_boosting_regressor", HistGradientBoostingRegressor(max_iter=5).fit(HOLES, YR), data=HOLES)
sk("ada_boost", AdaBoostClassifier(n_estimators=3, random_state=0).fit(X, Y2))
sk("bagging", BaggingClassifier(n_estimators=3, random_state=0).fit(X, Y2))
sk("isolation_forest", IsolationForest(n_estimators=3, max_samples=16, random_state=0).fit(X))
tools("xgboost", onnxmltools.convert_xgboost, xgboost.XGBClassifier(n_estimators=5, max_depth=3).fit(HOLES, Y2), HOLES)
tools("xgboost_3", onnxmltools.convert_xgboost, xgboost.XGBClassifier(n_estimators=4, max_depth=3).fit(HOLES, Y3), HOLES)
tools("xgboost_regressor", onnxmltools.convert_xgboost, xgboost.XGBRegressor(n_estimators=5, max_depth=3).fit(HOLES, YR), HOLES)
tools("lightgbm", onnxmltools.convert_lightgbm, lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(HOLES, Y2), HOLES)
tools("lightgbm_3", onnxmltools.convert_lightgbm, lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(HOLES, Y3), HOLES, zipmap=False)
tools("lightgbm_regressor", onnxmltools.convert_lightgbm, lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(HOLES, YR), HOLES)

for kernel in ["linear", "poly", "rbf", "sigmoid"]:
    sk(f"svc_{kernel}", SVC(kernel=kernel, probability=True, random_state=0).fit(X[:60], Y2[:60]))
    sk(f"svc_{kernel}_3", SVC(kernel=kernel, probability=True, random_state=0).fit(X[:60], NAMES[:60]))
    sk(f"svc_{kernel}_scores", SVC(kernel=kernel).fit(X[:60], Y2[:60]))
    sk(f"svr_{kernel}", SVR(kernel=kernel).fit(X[:60], YR[:60]))
sk("svc_rbf_3_scores", SVC().fit(X[:60], Y3[:60]))
sk("nu_svc", NuSVC(nu=0.3, probability=True, random_state=0).fit(X[:60], Y2[:60]))
sk("nu_svr", NuSVR().fit(X[:60], YR[:60]))
sk("one_class_svm", OneClassSVM().fit(X[:60]))
sk("linear_svc", LinearSVC().fit(X, Y2))
sk("linear_svc_3", LinearSVC().fit(X, NAMES))
sk("linear_svr", LinearSVR().fit(X, YR))

sk("logistic_regression", LogisticRegression().fit(X, Y2))
sk("logistic_regression_multinomial", LogisticRegression().fit(X, NAMES))
sk("logistic_regression_ovr", LogisticRegression(solver="liblinear").fit(X, Y2), options={"zipmap": False})
sk("logistic_regression_scores", LogisticRegression().fit(X, Y3), options={"raw_scores": True, "zipmap": False})
sk("one_vs_rest", OneVsRestClassifier(LogisticRegression()).fit(X, Y3))
sk("linear_regression", LinearRegression().fit(X, YR))
sk("ridge", Ridge().fit(X, np.stack([YR, X[:, 3]], 1)))

sk("standard_scaler", StandardScaler().fit(X))
sk("min_max_scaler", MinMaxScaler().fit(X))
sk("max_abs_scaler", MaxAbsScaler().fit(X))
sk("robust_scaler", RobustScaler().fit(X))
sk("normalizer_l1", Normalizer("l1").fit(X))
sk("normalizer_l2", Normalizer().fit(X))
sk("binarizer", Binarizer(threshold=0.2).fit(X))
sk("imputer", SimpleImputer().fit(HOLES), data=HOLES)
sk("pca", PCA(2).fit(X))
strings = [("s", StringTensorType([None, 2]))]
text_rows = [{"s": np.array([[a, b]], dtype=object)} for a in ["red", "green", "blue", "pink"] for b in ["small", "big"]]
sk("one_hot", OneHotEncoder(handle_unknown="ignore").fit(COLORS), types=strings, rows=text_rows)
known = [{"s": np.array([[a, b]], dtype=object)} for a in ["red", "green", "blue"] for b in ["small", "big"]]
sk("ordinal_encoder", OrdinalEncoder().fit(COLORS), types=strings, rows=known)
whole = np.abs(np.round(3 * X[:, :2])).astype(np.int64)
sk("one_hot_integers", OneHotEncoder(handle_unknown="ignore").fit(whole), types=[("n", Int64TensorType([None, 2]))], rows=rows_of(whole, "n"))
sk("label_encoder", LabelEncoder().fit(COLORS[:, 0]), types=[("s", StringTensorType([None]))],
   rows=[{"s": np.array([c], dtype=object)} for c in ["red", "green", "blue"]])
sk("dict_vectorizer", DictVectorizer(sparse=False).fit([{"a": 1.0, "b": 2.0}, {"c": 3.0}]),
   types=[("d", DictionaryType(StringTensorType([1]), FloatTensorType([1])))],
   rows=[{"d": {"a": 1.5, "c": 2.0}}, {"d": {"b": -1.0, "z": 4.0}}])

table = np.empty((120, 4), dtype=object)
table[:, :2], table[:, 2:] = HOLES[:, :2], COLORS
prepare = ColumnTransformer([
    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1]),
    ("texts", OneHotEncoder(handle_unknown="ignore"), [2, 3]),
])
mixed = [{"n": HOLES[i:i + 1, :2], "s": COLORS[i:i + 1]} for i in range(0, 120, 13)]
mixed.append({"n": HOLES[:1, :2], "s": np.array([["pink", "big"]], dtype=object)})
types = [("n", FloatTensorType([None, 2])), ("s", StringTensorType([None, 2]))]
sk("columns_logistic", make_pipeline(prepare, LogisticRegression()).fit(table, Y3), types=types, rows=mixed)
sk("columns_forest", make_pipeline(prepare, RandomForestClassifier(4, max_depth=3, random_state=0)).fit(table, NAMES), types=types, rows=mixed)
sk("columns_svc", make_pipeline(prepare, SVC(probability=True, random_state=0)).fit(table, Y2), types=types, rows=mixed)
single = [("a", FloatTensorType([None, 1])), ("b", FloatTensorType([None, 1])), ("c", StringTensorType([None, 1])), ("d", StringTensorType([None, 1]))]
sk("columns_single", make_pipeline(prepare, GradientBoostingRegressor(n_estimators=4, random_state=0)).fit(table, YR), types=single,
   rows=[{"a": HOLES[i:i + 1, :1], "b": HOLES[i:i + 1, 1:2], "c": COLORS[i:i + 1, :1], "d": COLORS[i:i + 1, 1:]} for i in range(0, 120, 11)])
sk("scaled_boosting", make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=4, random_state=0)).fit(X, Y2))
sk("poly_kernel_columns", make_pipeline(MinMaxScaler(), SVC(kernel="poly", probability=True, random_state=0)).fit(X[:60], Y3[:60]))

sk("k_means", KMeans(3, n_init=1, random_state=0).fit(X))
sk("k_neighbors", KNeighborsClassifier(3).fit(X[:30], Y2[:30]))
sk("k_neighbors_regressor", KNeighborsRegressor(3).fit(X[:30], YR[:30]))
sk("gaussian_nb", GaussianNB().fit(X, Y3))
sk("bernoulli_nb", BernoulliNB().fit(X, Y3))
sk("multinomial_nb", MultinomialNB().fit(np.abs(X), Y3), data=np.abs(X))
sk("mlp", MLPClassifier((5,), max_iter=300, random_state=0).fit(X, Y3))
sk("bins", KBinsDiscretizer(3, encode="ordinal").fit(X))

# Edges that no exporter writes often: modes, missing values, aggregates, base values.
EDGE = np.array([[-1.0], [0.0], [0.3], [1.0], [np.nan]], np.float32)


def edge(name, op, outputs, rows=EDGE, ml=3, **attrs):
    node = helper.make_node(op, ["X"], outputs, domain="ai.onnx.ml", **attrs)
    label = TensorProto.STRING if "classlabels_strings" in attrs else TensorProto.INT64
    outs = [helper.make_tensor_value_info(o, label if i == 0 and len(outputs) == 2 else TensorProto.FLOAT, None) for i, o in enumerate(outputs)]
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, rows.shape[1]])], outs)
    record(name, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", ml)], ir_version=8), rows_of(rows))


def stumps(count, what, weights, ids=(0, 0), mode="BRANCH_LEQ", missing=0, split=0.3):
    a = {k: [] for k in ["nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids", "nodes_falsenodeids",
                         "nodes_missing_value_tracks_true", what + "_treeids", what + "_nodeids", what + "_ids", what + "_weights"]}
    for t in range(count):
        a["nodes_treeids"] += [t] * 3
        a["nodes_nodeids"] += [0, 1, 2]
        a["nodes_featureids"] += [0] * 3
        a["nodes_values"] += [split, 0.0, 0.0]
        a["nodes_modes"] += [mode, "LEAF", "LEAF"]
        a["nodes_truenodeids"] += [1, 0, 0]
        a["nodes_falsenodeids"] += [2, 0, 0]
        a["nodes_missing_value_tracks_true"] += [missing, 0, 0]
        a[what + "_treeids"] += [t] * 2
        a[what + "_nodeids"] += [1, 2]
        a[what + "_ids"] += list(ids)
        a[what + "_weights"] += [w * (t + 1) for w in weights]
    return a


for mode in ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ"]:
    for missing in (0, 1):
        edge(f"edge_{mode.lower()}_{missing}", "TreeEnsembleRegressor", ["P"], n_targets=1, **stumps(1, "target", (1.0, 2.0), mode="BRANCH_" + mode, missing=missing))
edge("edge_average", "TreeEnsembleRegressor", ["P"], n_targets=1, aggregate_function="AVERAGE", base_values=[0.5], **stumps(3, "target", (1.0, 2.0)))
edge("edge_min", "TreeEnsembleRegressor", ["P"], n_targets=1, aggregate_function="MIN", base_values=[0.5], **stumps(3, "target", (1.0, -2.0)))
edge("edge_max", "TreeEnsembleRegressor", ["P"], n_targets=1, aggregate_function="MAX", **stumps(3, "target", (1.0, -2.0)))
edge("edge_regressor_logistic_1", "TreeEnsembleRegressor", ["P"], n_targets=1, post_transform="LOGISTIC", **stumps(2, "target", (1.0, -2.0)))
# ONNX Runtime adds a base value to targets that a leaf was found for.
both = stumps(2, "target", (1.0, -2.0), ids=(0, 1))
for key, more in [("target_treeids", [0, 0, 1, 1]), ("target_nodeids", [1, 2, 1, 2]), ("target_ids", [1, 0, 1, 0]), ("target_weights", [0.5, 0.25, -1.0, 2.0])]:
    both[key] = both[key] + more
edge("edge_regressor_softmax_2", "TreeEnsembleRegressor", ["P"], n_targets=2, post_transform="SOFTMAX", base_values=[0.1, -0.4], **both)
for post in ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]:
    for sign, weights in [("positive", (0.3, 0.6)), ("mixed", (-0.3, 0.6))]:
        for base in ([], [0.1]):
            edge(f"edge_one_column_{post.lower()}_{sign}_{len(base)}", "TreeEnsembleClassifier", ["L", "P"], classlabels_int64s=[10, 20], post_transform=post,
                 **({"base_values": base} if base else {}), **stumps(1, "class", weights))
edge("edge_linear_one_row", "LinearClassifier", ["L", "P"], rows=EDGE[:4], classlabels_strings=["no", "yes"], coefficients=[1.0], intercepts=[0.1])
edge("edge_linear_two_rows", "LinearClassifier", ["L", "P"], rows=EDGE[:4], classlabels_ints=[4, 5], coefficients=[-1.0, 2.0], intercepts=[-0.1, 0.1], post_transform="LOGISTIC")
edge("edge_one_column_probit", "TreeEnsembleClassifier", ["L", "P"], classlabels_int64s=[10, 20], post_transform="PROBIT", **stumps(1, "class", (0.3, 0.6)))
edge("edge_linear_probit", "LinearClassifier", ["L", "P"], rows=EDGE[:4], classlabels_ints=[4, 5, 6], coefficients=[0.1, 0.2, 0.3], intercepts=[0.5, 0.4, 0.5], post_transform="PROBIT")
edge("edge_linear_softmax_zero", "LinearClassifier", ["L", "P"], rows=EDGE[:4], classlabels_ints=[4, 5, 6], coefficients=[0.1, 0.2, 0.3], intercepts=[0.5, 0.4, 0.5], post_transform="SOFTMAX_ZERO")
edge("edge_normalizer_max", "Normalizer", ["P"], rows=np.array([[-3, 1], [2, -4], [0, 0], [-1, -2]], np.float32), norm="MAX")

with open(os.path.join(out, "answers.json"), "w") as f:
    json.dump(answers, f, separators=(",", ":"), sort_keys=True)
    f.write("\n")
