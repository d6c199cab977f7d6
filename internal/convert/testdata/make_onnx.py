"""Writes net.onnx: a convolution, a clip, a mean over the pixels, a linear layer and
softmax, with names that MIL does not accept and a batch of any size; and unknown.onnx:
two nodes of an operator that nobody knows.

Made with onnx 1.23.2, numpy 2.4.6.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(1)
weights = {
    "conv/w": rng.normal(size=(4, 3, 3, 3)) / 5,
    "conv/b": rng.normal(size=4),
    "fc.w": rng.normal(size=(4, 5)),
    "fc.b": rng.normal(size=5),
    "lo": np.zeros(()),
    "hi": np.full((), 6.0),
}
nodes = [
    helper.make_node("Conv", ["pixels:0", "conv/w", "conv/b"], ["c"], pads=[1, 1, 1, 1]),
    helper.make_node("Clip", ["c", "lo", "hi"], ["r"]),
    helper.make_node("GlobalAveragePool", ["r"], ["p"]),
    helper.make_node("Flatten", ["p"], ["f"]),
    helper.make_node("Gemm", ["f", "fc.w", "fc.b"], ["logits"]),
    helper.make_node("Softmax", ["logits"], ["out/probabilities"], axis=1),
]
graph = helper.make_graph(
    nodes,
    "net",
    [helper.make_tensor_value_info("pixels:0", TensorProto.FLOAT, ["batch", 3, 8, 8])],
    [helper.make_tensor_value_info("out/probabilities", TensorProto.FLOAT, ["batch", 5])],
    [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, str(pathlib.Path(__file__).with_name("net.onnx")))

x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2]) for n in "xy")
nodes = [
    helper.make_node("Frob", ["x"], ["a"], domain="com.x", name="f1"),
    helper.make_node("Frob", ["a"], ["y"], domain="com.x", name="f2"),
]
opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.x", 1)]
model = helper.make_model(helper.make_graph(nodes, "unknown", [x], [y]), opset_imports=opsets, ir_version=8)
onnx.save(model, str(pathlib.Path(__file__).with_name("unknown.onnx")))
