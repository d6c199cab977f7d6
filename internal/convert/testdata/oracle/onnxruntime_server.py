"""Checks ONNX models and runs them in ONNX Runtime (onnx 1.23.2, onnxruntime 1.32.0), for tests.

Reads one JSON object a line: {"model": FILE, "inputs": FILE.npz, "outputs": FILE.npz}, and answers with one line:
{"outputs": [names]} or {"error": text}. Inputs are cast to the types that the model declares; those that are not given are zeros.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort

TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(int32)": np.int32,
    "tensor(int64)": np.int64, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16, "tensor(int16)": np.int16,
}
ort.set_default_logger_severity(4)
session, loaded = None, None
for line in sys.stdin:
    job = json.loads(line)
    try:
        if loaded != job["model"]:
            onnx.checker.check_model(job["model"])
            options = ort.SessionOptions()
            options.intra_op_num_threads = 1
            session, loaded = ort.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"]), job["model"]
        given = np.load(job["inputs"])
        feed = {}
        for i in session.get_inputs():
            kind = TYPES[i.type]
            if i.name in given:
                a = given[i.name].astype(kind)
                feed[i.name] = a.reshape(()) if not i.shape else a
            else:
                feed[i.name] = np.zeros(i.shape, kind)
        names = [o.name for o in session.get_outputs()]
        out = {}
        for name, a in zip(names, session.run(None, feed)):
            if a.dtype == np.bool_ or a.dtype in (np.int64, np.uint32, np.uint64):
                a = a.astype(np.int32)
            out[name] = a
        np.savez(job["outputs"], **out)
        print(json.dumps({"outputs": names}), flush=True)
    except Exception as e:  # whatever it is, the test is to hear of it
        print(json.dumps({"error": f"{type(e).__name__}: {e}"[:600]}), flush=True)
