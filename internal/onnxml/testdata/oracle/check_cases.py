"""Convert the golden cases of classical Core ML models to ONNX and ask ONNX Runtime.

Checked with onnxruntime 1.32.0, numpy 2.4.6:

    python check_cases.py SMELT CASES.zip

SMELT is the built command. Each case's expected outputs are held against ONNX
Runtime's within the case's own tolerance, but at least 1e-5, for float32.
"""

import collections
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnxruntime as ort

ort.set_default_logger_severity(3)
smelt, cases = sys.argv[1:3]
archive = zipfile.ZipFile(cases)
index = json.load(archive.open("index.json"))
index = index if isinstance(index, list) else index["cases"]
work = tempfile.mkdtemp()
source, result = os.path.join(work, "m.mlmodel"), os.path.join(work, "m.onnx")
counts, reasons, differing = collections.Counter(), collections.Counter(), []
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(string)": object}


def entry(id, e, i, batch):
    """The i-th value of an input or output of a case."""
    if "file" in e:
        a = np.load(io.BytesIO(archive.read(f"{id}/{e['file']}")), allow_pickle=False)
        return a[i] if batch else a
    for many in ("values", "dicts"):
        if many in e:
            return e[many][i]
    return e["dict"] if "dict" in e else e["value"]


def check(id, case):
    session = ort.InferenceSession(result, providers=["CPUExecutionProvider"])
    batch = case.get("batch")
    for i in range(batch or 1):
        feeds = {}
        for e in case["inputs"]:
            node = next(x for x in session.get_inputs() if x.name == e["name"])
            v = entry(id, e, i, batch)
            if node.type.startswith("map"):
                key = str if "string" in node.type.split(",")[0] else int
                feeds[node.name] = {key(k): np.float32(x) for k, x in dict(v).items()}
            else:
                shape = [d if isinstance(d, int) else 1 for d in node.shape]
                feeds[node.name] = np.array(v, dtype=TYPES[node.type]).reshape(shape)
        got = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))
        for o in case["outputs"]:
            g, w = got[o["name"]], entry(id, o, i, batch)
            if isinstance(g, list):
                g = {str(k): v for k, v in g[0].items()}
                w = {str(k): v for k, v in dict(w).items()}
                assert set(g) == set(w), "other labels"
                g, w = np.array([g[k] for k in w]), np.array(list(w.values()))
            g, w = np.asarray(g).ravel(), np.asarray(w).ravel()
            if o["check"] == "equal" and w.dtype.kind != "f":
                assert [str(x) for x in g] == [str(x) for x in w], f"{o['name']} is {g}, want {w}"
                continue
            g, w = g.astype(float), w.astype(float)
            if o["check"] == "rel_error":
                off = (np.abs(g - w) / np.maximum(np.abs(w), 1)).max() > max(o["delta"], 1e-5)
            else:
                off = not np.allclose(g, w, rtol=max(o.get("rtol", 0), 1e-5), atol=max(o.get("atol", 0), 1e-5), equal_nan=True)
            assert not off, f"{o['name']} is {g[:4]}, want {w[:4]}"


for c in index:
    id = c["id"]
    case = json.load(archive.open(f"{id}/case.json"))
    if f"{id}/model.mlmodel" not in archive.namelist():
        counts["packages"] += 1
        continue
    with open(source, "wb") as f:
        f.write(archive.read(f"{id}/model.mlmodel"))
    run = subprocess.run([smelt, "convert", source, "-o", result, "--no-verify"], capture_output=True, text=True)
    if run.returncode:
        counts["not expressible"] += 1
        reasons[run.stderr.replace(source, "").strip()[:200]] += 1
        continue
    try:
        check(id, case)
        counts["agree"] += 1
    except Exception as e:
        counts["differ"] += 1
        differing.append(f"{id}: {str(e)[:160]}")

print(dict(counts))
for reason, n in reasons.most_common():
    print(n, reason)
print("\n".join(differing))
