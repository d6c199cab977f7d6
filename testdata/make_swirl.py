"""Writes swirl.onnx: a small network with operators of a domain that nobody knows,
com.acme: two Swirl with a kernel and attributes of several types, and a Scale.

Made with onnx 1.23.2, numpy 2.4.6.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def tensor(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8])


kernel = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(3, 4) / 8, "kernel")
nodes = [
    helper.make_node("Relu", ["x"], ["a"]),
    helper.make_node("Swirl", ["a", "kernel"], ["b"], name="swirl1", domain="com.acme", angle=0.5, turns=2, mode="polar", center=[3, 4]),
    helper.make_node("Swirl", ["b", "kernel"], ["c"], name="swirl2", domain="com.acme", angle=1.5),
    helper.make_node("Scale", ["a"], ["d"], name="scale", domain="com.acme", alpha=0.25),
    helper.make_node("Add", ["c", "d"], ["y"]),
    helper.make_node("Sigmoid", ["d"], ["z"]),
]
graph = helper.make_graph(nodes, "swirl", [tensor("x")], [tensor("y"), tensor("z")], [kernel], value_info=[tensor(n) for n in "bcd"])
opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)]
onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(pathlib.Path(__file__).with_name("swirl.onnx")))
