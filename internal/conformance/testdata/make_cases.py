"""Writes the small suite of cases: the folder cases and the same as cases.zip.

Needs numpy; written with numpy==2.4.6. A model here is the name of a rule that the
fake runner of the tests knows.
"""
import io, json, os, shutil, zipfile
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
files, index = {}, []


def npy(a):
    b = io.BytesIO()
    np.lib.format.write_array(b, np.ascontiguousarray(a), version=(1, 0))
    return b.getvalue()


def entry(case, file, name, array, **more):
    files[f"{case}/{file}"] = npy(array)
    return dict(name=name, file=file, dtype=str(array.dtype), shape=list(array.shape), **more)


def case(id, rule, **fields):
    files[f"{id}/model.mlmodel"] = rule.encode()
    fields = dict(id=id, model="model.mlmodel", **fields)
    files[f"{id}/case.json"] = json.dumps(fields, indent=1).encode()
    index.append(dict(id=id, kind=fields["kind"], ops=fields["ops"]))


f32, f64 = np.float32, np.float64
close = dict(check="allclose", rtol=1e-5, atol=1e-6)
array = dict(feature=dict(type="multiArrayType"))

c = "double"
x = np.array([[1, -2, 3], [0.5, np.inf, np.nan]], f32)
case(c, "double", suite="small", kind="neuralNetwork", spec_version=4, ops=["add"], variants=["add"], fp16=False,
     inputs=[entry(c, "in_0.npy", "x", x, **array)],
     outputs=[entry(c, "out_0.npy", "y", 2 * x, shape_check="exact", nonfinite=True, **close, **array)])

c = "double_half"
x = np.array([[0.1, 100]], np.float16)
case(c, "double", suite="small", kind="mlProgram", spec_version=6, opset="CoreML5", ops=["add", "cast"], variants=[], fp16=True,
     inputs=[entry(c, "in_0.npy", "x", x, **array)],
     outputs=[entry(c, "out_0.npy", "y", 2 * x.astype(f32) + f32(0.5), check="allclose", rtol=0.05, atol=0.5, suggest=dict(rtol=0.0, atol=0.2), **array)])

c = "accumulate"
steps, total = [], np.zeros(2, np.float16)
for i, v in enumerate([[1, 2], [3, 4], [5, 6]]):
    s = dict(inputs=[entry(c, f"s{i}_in_0.npy", "x", np.array(v, f32), **array)])
    if i == 2:
        total = np.array([100, 200], np.float16)
        s["write_state"] = [entry(c, f"s{i}_state_0.npy", "sum", total)]
    total = total + np.array(v, np.float16)
    s["outputs"] = [entry(c, f"s{i}_out_0.npy", "y", total.astype(f32), shape_check="exact", **close, **array),
                    entry(c, f"s{i}_out_1.npy", "state:sum", total, shape_check="exact", state="sum", **close)]
    steps.append(s)
case(c, "accumulate", suite="small", kind="mlProgram", spec_version=9, opset="CoreML8",
     ops=["add", "read_state", "write_state"], variants=[], fp16=True, steps=steps)

c = "classify"
x, n = np.array([0.25, 0.75, 0.5], f64), np.array([1, 2, 3], np.int64)
case(c, "classify", suite="trees", kind="treeEnsembleClassifier", spec_version=1, ops=["treeEnsembleClassifier"], variants=[], fp16=False, batch=3,
     inputs=[entry(c, "in_0.npy", "p", x, feature=dict(type="doubleType")),
             entry(c, "in_1.npy", "n", n, feature=dict(type="int64Type")),
             dict(name="colour", values=["red", "", "blue"], feature=dict(type="stringType")),
             dict(name="counts", dicts=[[[1, 2]], [], [[5, 1], [6, 2]]], feature=dict(type="dictionaryType", key="int64KeyType")),
             entry(c, "in_2.npy", "row", np.arange(6, dtype=f64).reshape(3, 2), **array)],
     outputs=[dict(name="label", values=["no", "yes", "yes"], check="equal", feature=dict(type="stringType")),
              dict(name="classProbability", dicts=[[["yes", p], ["no", 1 - p]] for p in x], feature=dict(type="dictionaryType", key="stringKeyType"), **close),
              dict(name="total", values=[3, 2, 6], check="equal", feature=dict(type="int64Type")),
              entry(c, "out_0.npy", "sum", np.array([1, 5, 9], f64), check="equal", feature=dict(type="doubleType"))])

c = "brightness"
rgb, grey = np.arange(12, dtype=np.uint8).reshape(2, 2, 3), np.full((2, 3), 7, np.uint8)
case(c, "brightness", suite="small", kind="neuralNetwork", spec_version=4, ops=["reduceMean"], variants=["reduceMean"], fp16=False,
     inputs=[entry(c, "in_0.npy", "picture", rgb, image="RGB", feature=dict(type="imageType")),
             entry(c, "in_1.npy", "mask", grey, image="GRAYSCALE", feature=dict(type="imageType")),
             dict(name="factor", value=2, feature=dict(type="doubleType"))],
     outputs=[dict(name="mean", value=25.0, check="allclose", rtol=1e-6, atol=0.0, feature=dict(type="doubleType")),
              entry(c, "out_0.npy", "negative", 255 - rgb, image="RGB", check="equal", shape_check="exact", feature=dict(type="imageType"))])

c = "coin"
case(c, "coin", suite="small", kind="neuralNetwork", spec_version=4, ops=["randomBernoulliStatic"], variants=["randomBernoulliStatic"], fp16=False,
     function="fair", xfail="shows how an expected failure is marked",
     inputs=[],
     outputs=[dict(name="sides", shape=[10, 10], check="moments", central_moments=[1.0, 0.0, 0.25, 0.0], decimal=2, mean=0.5, **array),
              dict(name="only_shape", shape=[2, 1], check="shape", shape_check="exact", random=True, **array)])

files["index.json"] = json.dumps(index, indent=1).encode()
shutil.rmtree(os.path.join(HERE, "cases"), ignore_errors=True)
with zipfile.ZipFile(os.path.join(HERE, "cases.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    for name, b in files.items():
        z.writestr(zipfile.ZipInfo(name), b, zipfile.ZIP_DEFLATED)
        path = os.path.join(HERE, "cases", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(b)
